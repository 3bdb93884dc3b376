// Module netlink: the kernel's network configuration over rtnetlink(7). Questions and changes one
// at a time (this header), news of one interface (link_monitor.h), and news of what the machine is
// connected to (host_monitor.h). A socket stays in the network namespace in which it was opened.
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "netlink/message.h"
#include "os/fd.h"

namespace sinew::netlink {

// Every call waits for the kernel's answer, which the kernel gives before send(2) returns. To add
// what is there already, and to remove what is not, is no error: what counts is how it is then.
class Rtnetlink {
 public:
  static Result<Rtnetlink> open();

  // kNotFound when there is no such interface.
  Result<Link> link(std::uint32_t index);
  Result<std::vector<Link>> links();
  // All of it or, as far as the kernel manages, nothing.
  Result<> change_link(std::uint32_t index, const LinkSettings& settings);

  // The interface has the address, and the rest of the prefix is behind it.
  Result<> add_address(std::uint32_t index, const IpAddress& address, unsigned prefix_length);
  Result<> remove_address(std::uint32_t index, const IpAddress& address, unsigned prefix_length);
  // Of all interfaces and both families.
  Result<std::vector<Address>> addresses();

  // A route of the same destination, table and metric is replaced.
  Result<> add_route(const Route& route);
  Result<> remove_route(const Route& route);
  // Unicast routes of all tables and both families. Those of a router with a million are a million.
  Result<std::vector<Route>> routes();

  Result<> add_rule(const Rule& rule);
  Result<> remove_rule(const Rule& rule);

 private:
  explicit Rtnetlink(os::Fd socket) : socket_(std::move(socket)) {}
  // The interface told, or nothing for a plain acknowledgement.
  Result<std::optional<Link>> ask(Request request);
  // Adds or removes; `accepted` is the errno that says that it is so already.
  Result<> change(Request request, int accepted);
  // f(message) for each one of a dump.
  template <typename F>
  Result<> dump(Request request, F&& f);

  os::Fd socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace sinew::netlink
