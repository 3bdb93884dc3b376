#include "node/echo.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "aio/time.h"
#include "os/error.h"
#include "os/socket.h"

namespace sinew::node {
namespace {

constexpr std::uint8_t kRequestV4 = 8;
constexpr std::uint8_t kReplyV4 = 0;
constexpr std::uint8_t kRequestV6 = 128;
constexpr std::uint8_t kReplyV6 = 129;
constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kPayloadBytes = 48;

std::uint16_t checksum_of(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
    sum += load_be<std::uint16_t>(&bytes[i]);
  while (sum > 0xffff)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

}  // namespace

Result<std::unique_ptr<Echo>> Echo::open(aio::Runtime& runtime, const IpAddress& to) {
  const int family = to.is_v4() ? AF_INET : AF_INET6;
  const int protocol =
      to.is_v4() ? static_cast<int>(IPPROTO_ICMP) : static_cast<int>(IPPROTO_ICMPV6);
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  os::Fd socket(::socket(family, SOCK_DGRAM | kFlags, protocol));
  const bool is_raw = !socket.is_open();
  if (is_raw) socket = os::Fd(::socket(family, SOCK_RAW | kFlags, protocol));
  if (!socket.is_open()) return os::system_error("open a socket for echo requests");
  std::unique_ptr<Echo> echo(new Echo(runtime, to, std::move(socket), is_raw && to.is_v4()));
  echo->readiness_ = TRY(aio::Readiness::watch(runtime, echo->socket_));
  echo->identifier_ = static_cast<std::uint16_t>(::getpid());
  return echo;
}

aio::Task<Result<Duration>> Echo::ask(Duration patience) {
  ++sequence_;
  const MonoTime sent = runtime_.clock().now();
  const Result<> is_sent = send();
  if (!is_sent) co_return is_sent.error();
  const Result<Duration> answer = co_await aio::with_timeout(wait(sent), patience);
  co_return answer;
}

Result<> Echo::send() {
  std::array<std::uint8_t, kHeaderBytes + kPayloadBytes> packet{};
  packet[0] = to_.is_v4() ? kRequestV4 : kRequestV6;
  store_be(&packet[4], identifier_);
  store_be(&packet[6], sequence_);
  // The kernel fills in the one of ICMPv6, which covers addresses.
  if (to_.is_v4()) store_be(&packet[2], checksum_of(packet));
  const auto address = TRY(os::to_socket_address({to_, 0}, os::family_of(socket_)));
  const ssize_t size = os::retry_interrupted([&] {
    return ::sendto(socket_.get(), packet.data(), packet.size(), 0, address.get(), address.size);
  });
  if (size < 0) return os::system_error("send an echo request to " + to_.to_string());
  return {};
}

// Where the kernel chose the identifier it also sorts out whose answer it is.
bool Echo::is_answer(ByteView packet) const {
  if (has_ip_header_) {
    if (packet.empty()) return false;
    const std::size_t header = std::size_t{packet[0] & 0x0fU} * 4;
    if (packet.size() < header) return false;
    packet = packet.subspan(header);
  }
  if (packet.size() < kHeaderBytes) return false;
  const bool is_reply = packet[0] == (to_.is_v4() ? kReplyV4 : kReplyV6);
  return is_reply && load_be<std::uint16_t>(&packet[6]) == sequence_;
}

aio::Task<Result<Duration>> Echo::wait(MonoTime sent) {
  std::array<std::uint8_t, 2048> room;
  while (true) {
    const Result<> ready = co_await readiness_->readable();
    if (!ready) co_return ready.error();
    os::SocketAddress from;
    const ssize_t size =
        ::recvfrom(socket_.get(), room.data(), room.size(), MSG_DONTWAIT, from.get(), &from.size);
    if (size < 0 || os::to_endpoint(from).address != to_) continue;
    if (is_answer(ByteView(room).first(static_cast<std::size_t>(size))))
      co_return runtime_.clock().now() - sent;
  }
}

}  // namespace sinew::node
