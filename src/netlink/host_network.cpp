#include "netlink/host_network.h"

#include <algorithm>
#include <tuple>

namespace sinew::netlink {
namespace {

// The kernel's own for IPv6 when none is named.
constexpr std::uint32_t kDefaultMetricV6 = 1024;

bool is_usable(const Address& address) {
  const IpAddress& ip = address.address;
  return !address.is_deprecated && !address.is_tentative && !ip.is_unspecified() &&
         !ip.is_multicast() && !ip.is_loopback();
}

bool is_of_same_prefix(const Address& one, const Address& other) {
  return one.interface == other.interface && one.prefix_length == other.prefix_length &&
         one.address.is_v4() == other.address.is_v4() &&
         IpPrefix::around(one.address, one.prefix_length).contains(other.address);
}

// Whether there is a lasting address beside a temporary one.
bool is_spare(const Address& address, std::span<const Address> all) {
  return address.is_temporary && std::ranges::any_of(all, [&](const Address& other) {
           return !other.is_temporary && is_usable(other) && is_of_same_prefix(address, other);
         });
}

std::uint32_t metric_of(const Route& route) {
  return route.metric == 0 && route.destination.address().is_v6() ? kDefaultMetricV6 : route.metric;
}

std::optional<Gateway> best_gateway(std::span<const Route> routes, bool is_v6,
                                    std::span<const Link> usable) {
  const Route* best = nullptr;
  for (const Route& route : routes) {
    const bool is_default = route.destination.length() == 0 && route.table == Route::kMainTable &&
                            route.destination.address().is_v6() == is_v6;
    const bool leads_out = std::ranges::find(usable, route.interface, &Link::index) != usable.end();
    if (!is_default || !leads_out) continue;
    if (best == nullptr || metric_of(route) < metric_of(*best)) best = &route;
  }
  if (best == nullptr) return std::nullopt;
  const IpAddress none = is_v6 ? IpAddress::any_v6() : IpAddress::any_v4();
  return Gateway{.address = best->gateway.value_or(none), .interface = best->interface};
}

}  // namespace

HostNetwork summarize(std::span<const Link> links, std::span<const Address> addresses,
                      std::span<const Route> routes, std::span<const std::uint32_t> without) {
  std::vector<Link> usable;
  std::ranges::copy_if(links, std::back_inserter(usable), [&](const Link& link) {
    return link.is_up && link.is_connected && !link.is_loopback &&
           std::ranges::find(without, link.index) == without.end();
  });
  HostNetwork out;
  for (const Address& address : addresses) {
    const auto link = std::ranges::find(usable, address.interface, &Link::index);
    if (link == usable.end() || !is_usable(address) || is_spare(address, addresses)) continue;
    out.addresses.push_back({.address = address.address,
                             .prefix_length = address.prefix_length,
                             .interface = address.interface,
                             .interface_name = link->name});
  }
  std::ranges::sort(out.addresses, {}, [](const HostAddress& address) {
    return std::tuple(address.interface, address.address);
  });
  out.gateway_v4 = best_gateway(routes, false, usable);
  out.gateway_v6 = best_gateway(routes, true, usable);
  return out;
}

}  // namespace sinew::netlink
