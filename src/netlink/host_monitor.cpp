#include "netlink/host_monitor.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include "netlink/socket.h"
#include "os/error.h"

namespace sinew::netlink {
namespace {

constexpr std::uint32_t kGroups =
    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
// Messages one news() looks at.
constexpr int kMaxReceives = 256;

bool is_about_routes(const Message& message) {
  return message.type == RTM_NEWROUTE || message.type == RTM_DELROUTE;
}

bool is_of_interest(const Message& message) {
  if (!is_about_routes(message)) return true;
  const auto route = parse_route(message.payload);
  return route && route->destination.length() == 0;
}

bool has_one_of_interest(ByteView bytes) {
  while (const auto message = next_message(bytes)) {
    if (is_of_interest(*message)) return true;
  }
  return false;
}

}  // namespace

Result<HostMonitor> HostMonitor::open(std::vector<std::uint32_t> without) {
  // Listens before it looks, so that nothing happens in between.
  os::Fd socket = TRY(open_socket(kGroups));
  Rtnetlink rtnetlink = TRY(Rtnetlink::open());
  HostMonitor monitor(std::move(socket), std::move(rtnetlink), std::move(without));
  monitor.now_ = TRY(monitor.look());
  return monitor;
}

Result<bool> HostMonitor::news() {
  const bool has_happened = TRY(has_something_happened());
  if (!has_happened) return false;
  HostNetwork now = TRY(look());
  if (now == now_) return false;
  now_ = std::move(now);
  return true;
}

Result<bool> HostMonitor::has_something_happened() {
  ReceiveBuffer buffer;
  bool has_happened = false;
  for (int i = 0; i < kMaxReceives; ++i) {
    const ssize_t size = receive(socket_, buffer);
    if (size >= 0) {
      has_happened |= has_one_of_interest(ByteView(buffer).first(static_cast<std::size_t>(size)));
    } else if (errno == ENOBUFS) {
      has_happened = true;
    } else if (errno == EAGAIN) {
      break;
    } else {
      return os::system_error("hear of the machine's network");
    }
  }
  return has_happened;
}

Result<HostNetwork> HostMonitor::look() {
  const std::vector<Link> links = TRY(rtnetlink_.links());
  const std::vector<Address> addresses = TRY(rtnetlink_.addresses());
  const std::vector<Route> routes = TRY(rtnetlink_.routes());
  return summarize(links, addresses, routes, without_);
}

}  // namespace sinew::netlink
