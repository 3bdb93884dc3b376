#include "support/nat.h"

#include <fmt/format.h>

#include "base/verify.h"

namespace sinew::lab {
namespace {

// Both families. {0}: outside interface, {1}: its IPv4 address, {2}: what becomes of UDP.
// A packet nobody asked for is dropped in `input` before connection tracking confirms it. Otherwise
// the router would remember it as a conversation of its own, and many kernels would then give a
// host inside that sends to the same place another port: hole punching would fail by accident.
constexpr std::string_view kFirewall = R"(
table inet sinewlab_firewall {{
  chain input {{
    type filter hook input priority filter
    iifname "{0}" ct state established,related accept
    iifname "{0}" meta l4proto {{ icmp, ipv6-icmp }} accept
    iifname "{0}" drop
    ip daddr {1} meta l4proto udp drop
  }}
  chain forward {{
    type filter hook forward priority filter
    {2}
    iifname "{0}" ct state established,related accept
    iifname "{0}" meta l4proto ipv6-icmp accept
    iifname "{0}" ct status dnat accept
    iifname "{0}" drop
  }}
}}
)";

// {0}: outside interface, {1}: flags of masquerade.
constexpr std::string_view kMasquerade = R"(
table ip sinewlab_nat {{
  chain postrouting {{
    type nat hook postrouting priority srcnat
    oifname "{0}" masquerade {1}
  }}
}}
)";

// {0}: outside interface, {1}: timeout in seconds, {2}: who may come in, {3} and {4}: hairpin.
// `inside_of` and `outside_of` are the mappings, by outside port and by inside endpoint. `learn`
// stands behind source NAT and sees outside ports. A random port that belongs to another host
// already costs the packet; the sender's next one draws again.
constexpr std::string_view kCone = R"(
table ip sinewlab_nat {{
  map inside_of {{
    type inet_service : ipv4_addr . inet_service
    flags dynamic,timeout
    timeout {1}s
    size 65535
  }}
  map outside_of {{
    type ipv4_addr . inet_service : ipv4_addr . inet_service
    flags dynamic,timeout
    timeout {1}s
    size 65535
  }}
  set sent_to {{
    type inet_service . ipv4_addr
    flags dynamic,timeout
    timeout {1}s
    size 65535
  }}
  chain prerouting {{
    type nat hook prerouting priority dstnat
    iifname "{0}" meta l4proto udp {2} dnat ip to udp dport map @inside_of
    {3}
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat
    oifname "{0}" meta l4proto udp snat ip to ip saddr . udp sport map @outside_of
    oifname "{0}" meta l4proto udp masquerade random
    oifname "{0}" masquerade
    {4}
  }}
  chain learn {{
    type filter hook postrouting priority srcnat + 10
    meta l4proto != udp accept
    oifname "{0}" jump remember
    ct status dnat ct status snat jump remember
  }}
  chain remember {{
    meta l4proto udp ct state new udp sport @inside_of \
      ct original ip saddr . ct original proto-src != @outside_of drop
    meta l4proto udp ct direction original \
      update @inside_of {{ udp sport : ct original ip saddr . ct original proto-src }} \
      update @outside_of {{ ct original ip saddr . ct original proto-src : ip saddr . udp sport }}
    meta l4proto udp ct direction reply \
      update @inside_of {{ udp sport : ct reply ip saddr . ct reply proto-src }} \
      update @outside_of {{ ct reply ip saddr . ct reply proto-src : ip saddr . udp sport }}
    update @sent_to {{ udp sport . ip daddr }}
  }}
}}
)";

// The sender, too, appears under its outside endpoint (RFC 4787, REQ-9).
constexpr std::string_view kHairpinIn =
    R"(ip daddr {1} meta l4proto udp dnat ip to udp dport map @inside_of)";
constexpr std::string_view kHairpinOut = R"(
    ct status dnat ct original ip daddr {1} iifname != "{0}" \
      snat ip to ip saddr . udp sport map @outside_of
    ct status dnat ct original ip daddr {1} iifname != "{0}" snat ip to {1} random)";

std::string cone(const NatOptions& options, const std::string& interface,
                 const std::string& address) {
  const bool any_sender = options.kind == NatKind::kFullCone;
  const auto hairpin = [&](std::string_view rule) {
    return options.hairpin ? fmt::format(fmt::runtime(rule), interface, address) : std::string();
  };
  return fmt::format(kCone, interface, options.mapping_timeout.count(),
                     any_sender ? "" : "udp dport . ip saddr @sent_to", hairpin(kHairpinIn),
                     hairpin(kHairpinOut));
}

}  // namespace

std::string nat_ruleset(const NatOptions& options, const std::string& outside_interface,
                        const IpAddress& outside_address) {
  VERIFY(!options.hairpin || options.kind == NatKind::kFullCone);
  const std::string address = outside_address.to_string();
  const std::string_view udp = options.kind == NatKind::kUdpBlocked ? "meta l4proto udp drop" : "";
  const std::string firewall = fmt::format(kFirewall, outside_interface, address, udp);
  switch (options.kind) {
    case NatKind::kFullCone:
    case NatKind::kAddressRestricted: return firewall + cone(options, outside_interface, address);
    case NatKind::kPortRestricted:
    case NatKind::kUdpBlocked: return firewall + fmt::format(kMasquerade, outside_interface, "");
    case NatKind::kSymmetric:
      return firewall + fmt::format(kMasquerade, outside_interface, "random,fully-random");
  }
  VERIFY_NOT_REACHED();
}

}  // namespace sinew::lab
