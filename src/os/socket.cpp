#include "os/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::os {
namespace {

constexpr int kBacklog = 1024;

SocketAddress to_v4(const Endpoint& endpoint) {
  SocketAddress out;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  store_be(reinterpret_cast<std::uint8_t*>(&address.sin_port), endpoint.port);
  std::memcpy(&address.sin_addr, endpoint.address.bytes().data(), sizeof address.sin_addr);
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = sizeof address;
  return out;
}

SocketAddress to_v6(const Endpoint& endpoint) {
  SocketAddress out;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  store_be(reinterpret_cast<std::uint8_t*>(&address.sin6_port), endpoint.port);
  const auto bytes = endpoint.address.as_v6_bytes();
  std::memcpy(&address.sin6_addr, bytes.data(), sizeof address.sin6_addr);
  address.sin6_scope_id = endpoint.address.zone();
  std::memcpy(&out.storage, &address, sizeof address);
  out.size = sizeof address;
  return out;
}

Result<Fd> open_socket(int family, int type) {
  Fd fd(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_open()) return system_error("open a socket");
  return fd;
}

void set_option(const Fd& socket, int level, int option, int value) {
  VERIFY(::setsockopt(socket.get(), level, option, &value, sizeof value) == 0);
}

Result<Fd> open_bound(const Endpoint& local, int type) {
  const bool is_v6 = local.address.is_v6();
  const int family = is_v6 ? AF_INET6 : AF_INET;
  Fd fd = TRY(open_socket(family, type));
  if (is_v6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, local.address.is_unspecified() ? 0 : 1);
  // A restart binds although connections of the last run linger; it never shares a live listener.
  if (type == SOCK_STREAM) set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  const SocketAddress address = TRY(to_socket_address(local, family));
  if (::bind(fd.get(), address.get(), address.size) != 0) return system_error("bind");
  if (type == SOCK_STREAM && ::listen(fd.get(), kBacklog) != 0) return system_error("listen");
  return fd;
}

// "::" where IPv6 is switched off: the socket cannot be made, or the address is not there.
Result<Fd> open_local(const Endpoint& local, int type) {
  auto fd = open_bound(local, type);
  const bool is_any_v6 = local.address == IpAddress::any_v6();
  const bool is_missing = !fd && (fd.error().kind == ErrorKind::kUnsupported ||
                                  fd.error().kind == ErrorKind::kUnavailable);
  if (is_any_v6 && is_missing) {
    fd = open_bound({.address = IpAddress::any_v4(), .port = local.port}, type);
  }
  if (!fd) return std::move(fd).error().while_doing("listen on " + local.to_string());
  return fd;
}

template <typename Call>
Result<Endpoint> ask_endpoint(const Fd& socket, Call call, std::string_view what) {
  SocketAddress address;
  if (call(socket.get(), address.get(), &address.size) != 0) return system_error(what);
  return to_endpoint(address);
}

}  // namespace

Result<SocketAddress> to_socket_address(const Endpoint& endpoint, int family) {
  if (family == AF_INET6) return to_v6(endpoint);
  if (endpoint.address.is_v4()) return to_v4(endpoint);
  return Error{ErrorKind::kUnsupported,
               "send to " + endpoint.to_string() + ": the socket is for IPv4 only"};
}

Endpoint to_endpoint(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address.storage, sizeof v4);
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
    return {IpAddress::v4(bytes), ntohs(v4.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address.storage, sizeof v6);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
    return {IpAddress::v6(bytes, v6.sin6_scope_id), ntohs(v6.sin6_port)};
  }
  return {};
}

int family_of(const Fd& socket) {
  int family = AF_UNSPEC;
  socklen_t size = sizeof family;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  return family;
}

Result<Endpoint> local_endpoint(const Fd& socket) {
  return ask_endpoint(socket, ::getsockname, "ask for the local address");
}

Result<Endpoint> peer_endpoint(const Fd& socket) {
  return ask_endpoint(socket, ::getpeername, "ask for the remote address");
}

Result<Fd> listen_tcp(const Endpoint& local) {
  return open_local(local, SOCK_STREAM);
}

Result<Fd> bind_udp(const Endpoint& local) {
  return open_local(local, SOCK_DGRAM);
}

Result<Fd> start_connect_tcp(const Endpoint& remote) {
  const int family = remote.address.is_v6() ? AF_INET6 : AF_INET;
  Fd fd = TRY(open_socket(family, SOCK_STREAM));
  disable_delay(fd);
  const SocketAddress address = TRY(to_socket_address(remote, family));
  // EINTR, too, leaves the connection in the making.
  if (::connect(fd.get(), address.get(), address.size) == 0 || errno == EINPROGRESS ||
      errno == EINTR) {
    return fd;
  }
  return system_error("connect to " + remote.to_string());
}

Result<> finish_connect(const Fd& socket, const Endpoint& remote) {
  int number = 0;
  socklen_t size = sizeof number;
  VERIFY(::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &number, &size) == 0);
  if (number != 0) return system_error("connect to " + remote.to_string(), number);
  return {};
}

Result<std::optional<AcceptedTcp>> accept_tcp(const Fd& listener) {
  while (true) {
    SocketAddress address;
    Fd connection(
        ::accept4(listener.get(), address.get(), &address.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (connection.is_open()) {
      return std::optional(
          AcceptedTcp{.connection = std::move(connection), .peer = to_endpoint(address)});
    }
    if (errno == EAGAIN) return std::optional<AcceptedTcp>();
    const bool is_ours = errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                         errno == ENOMEM || errno == EBADF || errno == EINVAL;
    // All others are of a connection that has ended before it was taken.
    if (is_ours) return system_error("accept a connection");
  }
}

void set_acknowledgement_timeout(const Fd& connection, Duration timeout) {
  const auto milliseconds = static_cast<unsigned>(timeout / 1ms);
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, sizeof milliseconds);
}

void set_unsent_limit(const Fd& connection, std::size_t bytes) {
  const auto limit = static_cast<unsigned>(bytes);
  ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limit, sizeof limit);
}

bool send_datagram(const Fd& socket, ByteView datagram, const Endpoint& to) {
  const auto address = to_socket_address(to, family_of(socket));
  if (!address) return false;
  const auto sent = retry_interrupted([&] {
    return ::sendto(socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT, address->get(),
                    address->size);
  });
  return sent >= 0;
}

void disable_delay(const Fd& socket) {
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace sinew::os
