// Network address translators, made of the kernel's own connection tracking by nftables. Each kind
// behaves as RFC 4787 and RFC 5780 name it; test/e2e/lab_nat_test.cpp proves it from inside and by
// coturn as an outside judge. Pure text.
//
//     kind               mapping                      filtering
//     full cone          endpoint-independent         endpoint-independent
//     address-restricted endpoint-independent         address-dependent
//     port-restricted    endpoint-independent         address- and port-dependent
//     symmetric          address- and port-dependent  address- and port-dependent
//
// Port-restricted is Linux's plain masquerade, hence most home routers: it keeps the port number
// when it is free. Two hosts behind it that use the same port towards the same destination do not
// get endpoint-independent mappings; they do not from those routers either. The two open kinds keep
// a table of mappings in nftables maps which the packet path itself fills; they choose ports at
// random and never hand one to two hosts.
//
// IPv6 is not translated. All kinds pass from outside only what belongs to a conversation that
// began inside, as a home router's firewall does. What is refused is dropped without an answer.
#pragma once

#include <chrono>
#include <string>

#include "base/ip.h"

namespace sinew::lab {

enum class NatKind {
  kFullCone,
  kAddressRestricted,
  kPortRestricted,
  kSymmetric,
  kUdpBlocked,  // drops UDP of both families; TCP and ping pass, translated as port-restricted
};

struct NatOptions {
  NatKind kind = NatKind::kPortRestricted;
  // Hosts inside reach each other through their outside endpoints. Full cone only.
  bool hairpin = false;
  // Of a UDP mapping without outbound packets, in whole seconds.
  std::chrono::seconds mapping_timeout{120};
};

// For `nft -f -` in the router's namespace.
std::string nat_ruleset(const NatOptions& options, const std::string& outside_interface,
                        const IpAddress& outside_address);

}  // namespace sinew::lab
