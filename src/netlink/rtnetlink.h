// Module netlink: the kernel's network configuration over rtnetlink(7). Questions and changes one
// at a time (this header), news of one interface (link_monitor.h), and news of what the machine is
// connected to (host_monitor.h). A socket stays in the network namespace in which it was opened.
// One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "netlink/message.h"
#include "netlink/socket.h"
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
  // Adds or removes; the errno `as_it_is` says that it is so already.
  Result<> change(Request request, int as_it_is, const std::string& what);
  template <typename T>
  Result<std::vector<T>> dump(const Request& request, std::uint16_t type,
                              std::optional<T> (*parse)(ByteView), std::string_view what);
  // f(message) for each; false when the list changed meanwhile.
  template <typename F>
  Result<bool> dump_once(Request request, F&& f);
  Result<std::uint32_t> send(Request request);
  Result<ByteView> receive_some(ReceiveBuffer& buffer);

  os::Fd socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace sinew::netlink
