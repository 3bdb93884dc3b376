#include "tun/rtnetlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <string>

#include "os/error.h"

namespace sinew::tun {
namespace {

// More than the kernel puts into one message; an interface takes some 1,500 bytes.
constexpr std::size_t kReceiveBytes = 32'768;
// Messages one news() looks at, so that a storm of changes elsewhere cannot hold the loop.
constexpr int kMaxReceives = 64;

Result<os::Fd> open_socket(std::uint32_t groups) {
  os::Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!socket.is_open()) return os::system_error("open a netlink socket");
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = groups;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
    return os::system_error("bind a netlink socket");
  }
  return socket;
}

// What the kernel sent; empty for anything that is from somebody else, or was cut off. -1: errno.
ssize_t receive(const os::Fd& socket, ByteSpan buffer) {
  sockaddr_nl from{};
  iovec memory{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr header{};
  header.msg_name = &from;
  header.msg_namelen = sizeof from;
  header.msg_iov = &memory;
  header.msg_iovlen = 1;
  const ssize_t size =
      os::retry_interrupted([&] { return ::recvmsg(socket.get(), &header, MSG_DONTWAIT); });
  const bool is_whole = (header.msg_flags & MSG_TRUNC) == 0;
  return size < 0 || (from.nl_pid == 0 && is_whole) ? size : 0;
}

std::string name_interface(std::uint32_t index) {
  return "interface " + std::to_string(index);
}

}  // namespace

Result<Rtnetlink> Rtnetlink::open() {
  return Rtnetlink(TRY(open_socket(0)));
}

Result<Link> Rtnetlink::link(std::uint32_t index) {
  auto answer = ask(NetlinkRequest::get_link(index));
  if (!answer) return std::move(answer).error().while_doing("look at " + name_interface(index));
  if (!answer->has_value()) {
    return Error{ErrorKind::kInternal, "look at " + name_interface(index) + ": no answer"};
  }
  return **std::move(answer);
}

Result<> Rtnetlink::change_link(std::uint32_t index, const LinkSettings& settings) {
  auto answer = ask(NetlinkRequest::change_link(index, settings));
  if (!answer) return std::move(answer).error().while_doing("change " + name_interface(index));
  return {};
}

Result<> Rtnetlink::add_address(std::uint32_t index, const IpAddress& address,
                                unsigned prefix_length) {
  if (prefix_length > address.bit_count()) {
    return Error{ErrorKind::kInvalid, "add address " + address.to_string() + ": no prefix has " +
                                          std::to_string(prefix_length) + " bits"};
  }
  auto answer = ask(NetlinkRequest::add_address(index, address, prefix_length));
  if (!answer) {
    return std::move(answer).error().while_doing("add address " + address.to_string() + "/" +
                                                 std::to_string(prefix_length) + " to " +
                                                 name_interface(index));
  }
  return {};
}

Result<std::optional<Link>> Rtnetlink::ask(NetlinkRequest request) {
  const std::uint32_t sequence = ++sequence_;
  const ByteView bytes = request.finish(sequence);
  if (os::retry_interrupted([&] { return ::send(socket_.get(), bytes.data(), bytes.size(), 0); }) <
      0) {
    return os::system_error("ask the kernel");
  }
  std::array<std::uint8_t, kReceiveBytes> buffer;
  while (true) {
    const ssize_t size = receive(socket_, buffer);
    if (size < 0) return os::system_error("hear the kernel's answer");
    ByteView rest = ByteView(buffer).first(static_cast<std::size_t>(size));
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

Result<LinkMonitor> LinkMonitor::open(std::uint32_t index) {
  // Listens before it looks, so that nothing happens in between.
  os::Fd socket = TRY(open_socket(RTMGRP_LINK));
  Rtnetlink rtnetlink = TRY(Rtnetlink::open());
  Link link = TRY(rtnetlink.link(index));
  return LinkMonitor(std::move(socket), std::move(rtnetlink), std::move(link));
}

Result<LinkNews> LinkMonitor::news() {
  LinkNews news;
  std::array<std::uint8_t, kReceiveBytes> buffer;
  for (int i = 0; i < kMaxReceives; ++i) {
    const ssize_t size = receive(socket_, buffer);
    if (size >= 0) {
      read_messages(ByteView(buffer).first(static_cast<std::size_t>(size)), news);
    } else if (errno == ENOBUFS) {
      TRY(ask_again(news));
    } else if (errno == EAGAIN) {
      break;
    } else {
      return os::system_error("hear of interfaces");
    }
  }
  news.now = link_;
  return news;
}

void LinkMonitor::read_messages(ByteView bytes, LinkNews& news) {
  while (const auto message = next_message(bytes)) {
    if (message->type != RTM_NEWLINK && message->type != RTM_DELLINK) continue;
    const auto link = parse_link(message->payload);
    if (!link || link->index != link_.index) continue;
    if (message->type == RTM_DELLINK) {
      lose(news);
    } else {
      take(*link, news);
    }
  }
}

void LinkMonitor::take(const Link& now, LinkNews& news) {
  if (is_gone_) return;
  news.went_up |= now.is_up && !link_.is_up;
  news.went_down |= !now.is_up && link_.is_up;
  news.mtu_changed |= now.mtu != link_.mtu;
  link_ = now;
}

void LinkMonitor::lose(LinkNews& news) {
  if (is_gone_) return;
  is_gone_ = news.is_gone = true;
  news.went_down |= link_.is_up;
  link_.is_up = false;
}

Result<> LinkMonitor::ask_again(LinkNews& news) {
  const auto link = rtnetlink_.link(link_.index);
  if (link) {
    take(*link, news);
  } else if (link.error().kind == ErrorKind::kNotFound) {
    lose(news);
  } else {
    return link.error();
  }
  return {};
}

}  // namespace sinew::tun
