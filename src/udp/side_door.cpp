#include "udp/side_door.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "os/error.h"
#include "udp/control.h"
#include "udp/socket_name.h"

namespace sinew::udp {
namespace {

// Errors of datagrams long gone that one send() passes over.
constexpr int kMaxAsynchronousErrors = 8;

void put_source(ControlWriter& control, const IpAddress& local) {
  const ByteView bytes = local.bytes();
  if (local.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, bytes.data(), sizeof info.ipi_spec_dst);
    control.put(IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, bytes.data(), sizeof info.ipi6_addr);
    control.put(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

// 0 or an errno.
int send_once(const os::Fd& socket, const Endpoint& to, const IpAddress& local, ByteView datagram) {
  SocketName name{};
  // tidy: allow banned-calls (an iovec is not const, and sendmsg(2) does not write to it)
  iovec memory{.iov_base = const_cast<std::uint8_t*>(datagram.data()), .iov_len = datagram.size()};
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> room{};
  ControlWriter control(room);
  const bool has_source = !local.is_unspecified() && local.is_v4() == to.address.is_v4();
  if (has_source) put_source(control, local);
  msghdr header{};
  header.msg_name = &name;
  header.msg_namelen = write_name(name, to);
  header.msg_iov = &memory;
  header.msg_iovlen = 1;
  header.msg_control = has_source ? room.data() : nullptr;
  header.msg_controllen = control.size();
  for (int passed = 0; passed < kMaxAsynchronousErrors; ++passed) {
    if (::sendmsg(socket.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != ECONNREFUSED && errno != EINTR) break;
  }
  return errno;
}

}  // namespace

Result<SideDoor> SideDoor::open(const UdpPair& pair) {
  SideDoor door;
  if (pair.v4) door.v4_ = TRY(pair.v4->fd().duplicate());
  if (pair.v6) door.v6_ = TRY(pair.v6->fd().duplicate());
  return door;
}

Result<> SideDoor::send(const Endpoint& to, const IpAddress& local, ByteView datagram) const {
  const os::Fd& socket = to.address.is_v4() ? v4_ : v6_;
  if (!socket.is_open()) return Error{ErrorKind::kUnavailable, "send: there is no socket for it"};
  int error = send_once(socket, to, local, datagram);
  if (error != 0 && error != EAGAIN && !local.is_unspecified()) {
    error = send_once(socket, to, {}, datagram);
  }
  if (error == 0) return {};
  return os::system_error("send", error);
}

}  // namespace sinew::udp
