#include "netlink/socket.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include "os/error.h"

namespace sinew::netlink {

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

}  // namespace sinew::netlink
