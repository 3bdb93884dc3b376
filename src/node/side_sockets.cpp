#include "node/side_sockets.h"

#include <sys/socket.h>

#include <optional>
#include <utility>

#include "aio/readiness.h"
#include "os/error.h"
#include "os/socket.h"

namespace sinew::node {
namespace {

constexpr std::size_t kLargestDatagram = 65'535;
constexpr int kMostAtOnce = 64;

}  // namespace

struct SideSockets::Socket {
  path::SocketNumber number;
  os::Fd fd;
  std::optional<aio::Readiness> readiness;  // dies before its descriptor
};

SideSockets::SideSockets(aio::Runtime& runtime, Listener& listener)
    : runtime_(runtime), listener_(listener), room_(kLargestDatagram), tasks_(runtime) {}

SideSockets::~SideSockets() = default;

void SideSockets::open(const path::SocketsWanted& wanted) {
  for (std::size_t i = 0; i < wanted.count; ++i) {
    const path::SocketNumber number(static_cast<std::uint16_t>(wanted.first.value() + i));
    auto fd = os::bind_udp({IpAddress::any_v6(), 0});
    if (!fd) continue;
    auto socket = std::make_unique<Socket>(number, *std::move(fd), std::nullopt);
    auto readiness = aio::Readiness::watch(runtime_, socket->fd);
    if (!readiness) continue;
    socket->readiness = *std::move(readiness);
    Socket* const opened = socket.get();
    if (tasks_.start("side socket", receive_all(std::move(socket)))) sockets_[number] = opened;
  }
}

void SideSockets::close(const path::SocketsReleased& released) {
  for (std::size_t i = 0; i < released.count; ++i) {
    const path::SocketNumber number(static_cast<std::uint16_t>(released.first.value() + i));
    const auto found = sockets_.find(number);
    if (found == sockets_.end()) continue;
    found->second->readiness->interrupt();
    sockets_.erase(found);
  }
}

void SideSockets::send(const path::Direct& to, ByteView datagram) {
  const auto found = sockets_.find(to.socket);
  if (found == sockets_.end()) return;
  const os::Fd& fd = found->second->fd;
  const auto address = os::to_socket_address(to.endpoint, os::family_of(fd));
  if (!address) return;
  static_cast<void>(os::retry_interrupted([&] {
    return ::sendto(fd.get(), datagram.data(), datagram.size(), MSG_DONTWAIT, address->get(),
                    address->size);
  }));
}

aio::Task<> SideSockets::stop() {
  sockets_.clear();
  co_await tasks_.stop();
}

aio::Task<> SideSockets::receive_all(std::unique_ptr<Socket> socket) {
  while (true) {
    const Result<> ready = co_await socket->readiness->readable();
    if (!ready) co_return;
    for (int i = 0; i < kMostAtOnce; ++i) {
      os::SocketAddress from;
      const ssize_t size = os::retry_interrupted([&] {
        return ::recvfrom(socket->fd.get(), room_.data(), room_.size(), MSG_DONTWAIT, from.get(),
                          &from.size);
      });
      if (size < 0) break;
      const ByteView datagram(room_.data(), static_cast<std::size_t>(size));
      listener_.take_side_datagram(datagram, {os::to_endpoint(from), socket->number});
    }
  }
}

}  // namespace sinew::node
