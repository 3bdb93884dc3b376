#include "netlink/rtnetlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "base/verify.h"
#include "netlink/socket.h"
#include "os/error.h"

namespace sinew::netlink {
namespace {

// A list that changed while it was told is asked for so often at most.
constexpr int kMaxDumps = 8;

std::string name_interface(std::uint32_t index) {
  return "interface " + std::to_string(index);
}

std::string name_address(const IpAddress& address, unsigned prefix_length) {
  return address.to_string() + "/" + std::to_string(prefix_length);
}

std::string name_route(const Route& route) {
  return "the route to " + route.destination.to_string();
}

std::string name_rule(const Rule& rule) {
  return "the rule for table " + std::to_string(rule.table);
}

Result<> check_prefix(const IpAddress& address, unsigned length) {
  if (length <= address.bit_count()) return {};
  return Error{ErrorKind::kInvalid, "address " + name_address(address, length) +
                                        ": no prefix has " + std::to_string(length) + " bits"};
}

}  // namespace

Result<Rtnetlink> Rtnetlink::open() {
  return Rtnetlink(TRY(open_socket(0)));
}

Result<Link> Rtnetlink::link(std::uint32_t index) {
  auto answer = ask(Request::get_link(index));
  if (!answer) return std::move(answer).error().while_doing("look at " + name_interface(index));
  if (!answer->has_value()) {
    return Error{ErrorKind::kInternal, "look at " + name_interface(index) + ": no answer"};
  }
  return **std::move(answer);
}

Result<> Rtnetlink::change_link(std::uint32_t index, const LinkSettings& settings) {
  auto answer = ask(Request::change_link(index, settings));
  if (!answer) return std::move(answer).error().while_doing("change " + name_interface(index));
  return {};
}

Result<> Rtnetlink::add_address(std::uint32_t index, const IpAddress& address,
                                unsigned prefix_length) {
  TRY(check_prefix(address, prefix_length));
  return change(
      Request::add_address(index, address, prefix_length), EEXIST,
      "add address " + name_address(address, prefix_length) + " to " + name_interface(index));
}

Result<> Rtnetlink::remove_address(std::uint32_t index, const IpAddress& address,
                                   unsigned prefix_length) {
  TRY(check_prefix(address, prefix_length));
  return change(
      Request::remove_address(index, address, prefix_length), EADDRNOTAVAIL,
      "remove address " + name_address(address, prefix_length) + " from " + name_interface(index));
}

Result<> Rtnetlink::add_route(const Route& route) {
  return change(Request::add_route(route), EEXIST, "add " + name_route(route));
}

Result<> Rtnetlink::remove_route(const Route& route) {
  return change(Request::remove_route(route), ESRCH, "remove " + name_route(route));
}

Result<> Rtnetlink::add_rule(const Rule& rule) {
  return change(Request::add_rule(rule), EEXIST, "add " + name_rule(rule));
}

Result<> Rtnetlink::remove_rule(const Rule& rule) {
  return change(Request::remove_rule(rule), ENOENT, "remove " + name_rule(rule));
}

Result<std::vector<Link>> Rtnetlink::links() {
  return dump<Link>(Request::get_links(), RTM_NEWLINK, parse_link, "list the interfaces");
}

Result<std::vector<Address>> Rtnetlink::addresses() {
  return dump<Address>(Request::get_addresses(), RTM_NEWADDR, parse_address, "list the addresses");
}

Result<std::vector<Route>> Rtnetlink::routes() {
  return dump<Route>(Request::get_routes(), RTM_NEWROUTE, parse_route, "list the routes");
}

Result<> Rtnetlink::change(Request request, int as_it_is, const std::string& what) {
  const std::uint32_t sequence = TRY(send(std::move(request)));
  ReceiveBuffer buffer;
  while (true) {
    ByteView rest = TRY(receive_some(buffer));
    while (const auto message = next_message(rest)) {
      if (message->sequence != sequence || message->type != NLMSG_ERROR) continue;
      const int error = parse_error(message->payload).value_or(EPROTO);
      if (error == 0 || error == as_it_is) return {};
      return Error{os::kind_of_errno(error), what + ": " + os::describe_errno(error)};
    }
  }
}

// A list that changed while the kernel told it is asked for anew.
template <typename T>
Result<std::vector<T>> Rtnetlink::dump(const Request& request, std::uint16_t type,
                                       std::optional<T> (*parse)(ByteView), std::string_view what) {
  for (int attempt = 0; attempt < kMaxDumps; ++attempt) {
    std::vector<T> found;
    const auto is_consistent = TRY(dump_once(request, [&](const Message& message) {
      if (message.type != type) return;
      if (auto one = parse(message.payload)) found.push_back(*std::move(one));
    }));
    if (is_consistent) return found;
  }
  return Error{ErrorKind::kUnavailable, std::string(what) + ": they change all the time"};
}

template <typename F>
Result<bool> Rtnetlink::dump_once(Request request, F&& f) {
  const std::uint32_t sequence = TRY(send(std::move(request)));
  ReceiveBuffer buffer;
  bool is_consistent = true;
  while (true) {
    ByteView rest = TRY(receive_some(buffer));
    while (const auto message = next_message(rest)) {
      if (message->sequence != sequence) continue;
      if ((message->flags & NLM_F_DUMP_INTR) != 0) is_consistent = false;
      if (message->type == NLMSG_DONE) return is_consistent;
      if (message->type == NLMSG_ERROR) {
        const int error = parse_error(message->payload).value_or(EPROTO);
        return Error{os::kind_of_errno(error), "read a list: " + os::describe_errno(error)};
      }
      f(*message);
    }
  }
}

Result<std::uint32_t> Rtnetlink::send(Request request) {
  const std::uint32_t sequence = ++sequence_;
  const ByteView bytes = request.finish(sequence);
  const ssize_t sent =
      os::retry_interrupted([&] { return ::send(socket_.get(), bytes.data(), bytes.size(), 0); });
  if (sent < 0) return os::system_error("ask the kernel");
  return sequence;
}

Result<ByteView> Rtnetlink::receive_some(ReceiveBuffer& buffer) {
  const ssize_t size = receive(socket_, buffer);
  if (size < 0) return os::system_error("hear the kernel's answer");
  return ByteView(buffer).first(static_cast<std::size_t>(size));
}

Result<std::optional<Link>> Rtnetlink::ask(Request request) {
  const std::uint32_t sequence = TRY(send(std::move(request)));
  ReceiveBuffer buffer;
  while (true) {
    ByteView rest = TRY(receive_some(buffer));
    while (const auto message = next_message(rest)) {
      if (message->sequence != sequence) continue;
      if (message->type == RTM_NEWLINK) return parse_link(message->payload);
      if (message->type != NLMSG_ERROR) continue;
      const int error = parse_error(message->payload).value_or(EPROTO);
      if (error == 0) return std::nullopt;
      return Error{os::kind_of_errno(error), os::describe_errno(error)};
    }
  }
}

}  // namespace sinew::netlink
