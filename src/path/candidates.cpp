#include "path/candidates.h"

#include <algorithm>

#include "path/agent.h"

namespace sinew::path {
namespace {

const IpPrefix& nowhere() {
  static const IpPrefix prefix = *IpPrefix::parse("100::/64");  // RFC 6666
  return prefix;
}

bool is_dependent(netmap::NatBehaviour behaviour) {
  return behaviour == netmap::NatBehaviour::kAddressDependent ||
         behaviour == netmap::NatBehaviour::kAddressAndPortDependent;
}

bool is_public_v4(const Endpoint& endpoint) {
  const IpAddress& address = endpoint.address;
  return address.is_v4() && endpoint.port != 0 && !address.is_private() && !address.is_loopback() &&
         !address.is_link_local() && !address.is_multicast() && !address.is_unspecified();
}

}  // namespace

bool is_probeable(const Endpoint& endpoint, const Settings& settings) {
  const IpAddress& address = endpoint.address;
  if (endpoint.port == 0) return false;
  if (address.is_unspecified() || address.is_loopback() || address.is_multicast()) return false;
  if (address == IpAddress::v4(255, 255, 255, 255)) return false;
  if (!address.is_v4() && (!settings.has_ipv6 || address.is_link_local())) return false;
  if (nowhere().contains(address)) return false;
  return std::ranges::none_of(settings.inner_networks,
                              [&](const IpPrefix& prefix) { return prefix.contains(address); });
}

bool is_hard(const netmap::Connectivity& side) {
  return is_dependent(side.mapping) && !side.has_port_mapping;
}

bool is_strict(const netmap::Connectivity& side) {
  if (side.has_port_mapping) return false;
  return side.filtering == netmap::NatBehaviour::kAddressAndPortDependent ||
         side.filtering == netmap::NatBehaviour::kUnknown;
}

Need need_of(const netmap::Connectivity& here, const netmap::Connectivity& there) {
  if (!here.has_udp || !there.has_udp) return Need::kNothing;
  if (is_hard(here) && is_hard(there)) return Need::kPrediction;
  if (is_hard(here) && is_strict(there)) return Need::kHolesHere;
  if (is_hard(there) && is_strict(here)) return Need::kHolesThere;
  return Need::kNothing;
}

std::optional<Endpoint> public_endpoint(std::span<const netmap::Candidate> candidates) {
  for (const auto kind : {netmap::CandidateKind::kMapped, netmap::CandidateKind::kReflexive,
                          netmap::CandidateKind::kObserved}) {
    for (const netmap::Candidate& candidate : candidates) {
      if (candidate.kind == kind && is_public_v4(candidate.endpoint)) return candidate.endpoint;
    }
  }
  return {};
}

std::optional<Endpoint> predictable_endpoint(std::span<const netmap::Candidate> candidates) {
  std::optional<Endpoint> last;
  unsigned count = 0;
  for (const netmap::Candidate& candidate : candidates) {
    if (candidate.kind != netmap::CandidateKind::kReflexive) continue;
    if (!is_public_v4(candidate.endpoint)) continue;
    if (last) {
      const int step = candidate.endpoint.port - last->port;
      if (candidate.endpoint.address != last->address || step < 1 || step > kMaxPortStep) return {};
    }
    last = candidate.endpoint;
    ++count;
  }
  return count >= 2 ? last : std::nullopt;
}

}  // namespace sinew::path
