// What a machine is connected to, as far as it matters to who wants to be reached: the addresses
// that others may use, and the gateways to the internet. Made from the kernel's own lists; which
// entries count is decided here. Pure values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip.h"
#include "netlink/message.h"

namespace sinew::netlink {

struct HostAddress {
  IpAddress address;  // link-local ones carry the interface as their zone
  unsigned prefix_length = 0;
  std::uint32_t interface = 0;
  std::string interface_name;

  friend bool operator==(const HostAddress&, const HostAddress&) = default;
};

struct Gateway {
  IpAddress address;  // unspecified: the route needs none, as on a point-to-point link
  std::uint32_t interface = 0;

  friend bool operator==(const Gateway&, const Gateway&) = default;
};

struct HostNetwork {
  // Of interfaces that are up, connected and no loopback; in the order of interface and address.
  // Left out are addresses that are deprecated, tentative, duplicate, multicast or unspecified,
  // and temporary ones (RFC 8981), which change under whoever was told of them, as long as the
  // interface has another of that prefix.
  std::vector<HostAddress> addresses;
  // Of the default route of the main table that the kernel prefers.
  std::optional<Gateway> gateway_v4;
  std::optional<Gateway> gateway_v6;

  friend bool operator==(const HostNetwork&, const HostNetwork&) = default;
};

// `without`: an interface that does not count, such as our own tunnel; 0 for none.
HostNetwork summarize(std::span<const Link> links, std::span<const Address> addresses,
                      std::span<const Route> routes, std::span<const std::uint32_t> without);

}  // namespace sinew::netlink
