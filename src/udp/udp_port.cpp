#include "udp/udp_port.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <utility>
#include <vector>

#include "base/verify.h"
#include "os/error.h"
#include "os/socket.h"
#include "udp/control.h"
#include "udp/kernel_rules.h"
#include "udp/sender.h"

namespace sinew::udp {
namespace {

// Ports that the kernel offers in one family until one is free in the other as well.
constexpr int kPairAttempts = 16;
// Errors of datagrams long gone that one receive() passes over.
constexpr int kMaxPassedErrors = 64;
constexpr int kSocketMemory = 55;  // SO_MEMINFO

Result<> set_option(const os::Fd& socket, int level, int option, int value, const char* what) {
  if (::setsockopt(socket.get(), level, option, &value, sizeof value) == 0) return {};
  return os::system_error(what);
}

bool try_option(const os::Fd& socket, int level, int option, int value) {
  return ::setsockopt(socket.get(), level, option, &value, sizeof value) == 0;
}

// DF off: a datagram that is too large for the path is cut, by us when the kernel has learned the
// path MTU and otherwise by the router that finds out.
Result<> configure_v4(const os::Fd& socket) {
  TRY(set_option(socket, IPPROTO_IP, IP_PKTINFO, 1, "ask for local addresses"));
  TRY(set_option(socket, IPPROTO_IP, IP_RECVTOS, 1, "ask for the DS field"));
  return set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "allow fragments");
}

Result<> configure_v6(const os::Fd& socket) {
  TRY(set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1, "leave IPv4 alone"));
  TRY(set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "ask for local addresses"));
  TRY(set_option(socket, IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "ask for the DS field"));
  return set_option(socket, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT, "allow fragments");
}

// As much as asked for with CAP_NET_ADMIN, else as much as net.core.rmem_max and wmem_max allow.
void set_buffers(const os::Fd& socket, const Options& options) {
  if (!try_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, options.receive_buffer)) {
    try_option(socket, SOL_SOCKET, SO_RCVBUF, options.receive_buffer);
  }
  if (!try_option(socket, SOL_SOCKET, SO_SNDBUFFORCE, options.send_buffer)) {
    try_option(socket, SOL_SOCKET, SO_SNDBUF, options.send_buffer);
  }
}

bool detect_segmentation(const os::Fd& socket, const Options& options) {
  if (options.disable_segmentation || !has_sound_segmentation(running_kernel())) return false;
  int size = 0;
  socklen_t length = sizeof size;
  return ::getsockopt(socket.get(), SOL_UDP, kUdpSegment, &size, &length) == 0;
}

bool enable_coalescing(const os::Fd& socket, const Options& options) {
  if (options.disable_coalescing || !has_sound_coalescing(running_kernel())) return false;
  return try_option(socket, SOL_UDP, kUdpGro, 1);
}

Result<> mark(const os::Fd& socket, std::uint32_t fwmark) {
  return set_option(socket, SOL_SOCKET, SO_MARK, static_cast<int>(fwmark), "set the routing mark");
}

Result<os::Fd> open_socket(bool is_v6, const Options& options) {
  const int family = is_v6 ? AF_INET6 : AF_INET;
  os::Fd socket(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.is_open()) return os::system_error("open a socket");
  TRY(is_v6 ? configure_v6(socket) : configure_v4(socket));
  set_buffers(socket, options);
  if (options.fwmark != 0) TRY(mark(socket, options.fwmark));
  return socket;
}

Result<> bind(const os::Fd& socket, const Endpoint& local) {
  SocketName name{};
  const socklen_t size = write_name(name, local);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0) return {};
  return os::system_error("bind");
}

// That a message failed is a fact about some datagram; that these failed is one about the socket.
bool is_broken(int error) {
  return error == EBADF || error == ENOTSOCK || error == EFAULT || error == EINVAL;
}

unsigned percent(std::uint32_t part, std::uint32_t whole) {
  return whole == 0 ? 0 : static_cast<unsigned>(std::uint64_t{part} * 100 / whole);
}

// The machine has no such family, or has it switched off.
bool is_absent(const Error& error) {
  return error.kind == ErrorKind::kUnsupported || error.kind == ErrorKind::kUnavailable;
}

}  // namespace

Counters& Counters::operator+=(const Counters& other) {
  received_overflow += other.received_overflow;
  received_truncated += other.received_truncated;
  receive_errors += other.receive_errors;
  asynchronous_errors += other.asynchronous_errors;
  segmentation_refused += other.segmentation_refused;
  stale_sources += other.stale_sources;
  send_dropped += other.send_dropped;
  send_would_block += other.send_would_block;
  if (other.last_send_error != 0) last_send_error = other.last_send_error;
  return *this;
}

struct UdpPort::State {
  State(os::Fd socket, const Endpoint& at, const Options& chosen, bool has_segmentation,
        bool coalesces)
      : fd(std::move(socket)),
        local(at),
        options(chosen),
        has_coalescing(coalesces),
        sender(at.address.is_v6(), has_segmentation) {}

  os::Fd fd;
  Endpoint local;
  Options options;
  bool has_coalescing;
  Counters counters;
  std::uint32_t kernel_drops = 0;  // as the kernel counts them, from 0 again after 2^32
  Sender sender;
};

UdpPort::UdpPort(std::unique_ptr<State> state) : state_(std::move(state)) {}
UdpPort::UdpPort(UdpPort&&) noexcept = default;
UdpPort& UdpPort::operator=(UdpPort&&) noexcept = default;
UdpPort::~UdpPort() = default;

Result<UdpPort> UdpPort::open(const Endpoint& local, const Options& options) {
  auto port = open_shared(local, options, false);
  if (!port) return std::move(port).error().while_doing("listen on UDP " + local.to_string());
  return port;
}

Result<UdpPort> UdpPort::open_shared(const Endpoint& local, const Options& options, bool shared) {
  const bool is_v6 = local.address.is_v6();
  os::Fd socket = TRY(open_socket(is_v6, options));
  if (shared) TRY(set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1, "share the port"));
  const bool has_segmentation = detect_segmentation(socket, options);
  const bool has_coalescing = enable_coalescing(socket, options);
  TRY(bind(socket, local));
  const Endpoint bound = TRY(os::local_endpoint(socket));
  return UdpPort(std::make_unique<State>(std::move(socket),
                                         Endpoint{.address = local.address, .port = bound.port},
                                         options, has_segmentation, has_coalescing));
}

Result<UdpPort> UdpPort::open_sibling() {
  TRY(set_option(state_->fd, SOL_SOCKET, SO_REUSEPORT, 1, "share the port"));
  return open_shared(state_->local, state_->options, true);
}

const os::Fd& UdpPort::fd() const {
  return state_->fd;
}
std::uint16_t UdpPort::port() const {
  return state_->local.port;
}
bool UdpPort::is_v6() const {
  return state_->local.address.is_v6();
}
Features UdpPort::features() const {
  return {.segmentation = state_->sender.has_segmentation(), .coalescing = state_->has_coalescing};
}
const Counters& UdpPort::counters() const {
  return state_->counters;
}

Result<> UdpPort::set_fwmark(std::uint32_t fwmark) {
  TRY(mark(state_->fd, fwmark));
  state_->options.fwmark = fwmark;
  return {};
}

Result<std::span<Datagrams>> UdpPort::receive(ReceiveRing& ring, std::size_t most) {
  const std::span<mmsghdr> headers = ring.headers();
  const auto count = static_cast<unsigned>(std::min(headers.size(), most));
  for (int passed = 0; passed < kMaxPassedErrors; ++passed) {
    const int received = ::recvmmsg(state_->fd.get(), headers.data(), count, MSG_DONTWAIT, nullptr);
    if (received >= 0) {
      return ring.collect(static_cast<std::size_t>(received), state_->counters.received_truncated);
    }
    if (errno == EAGAIN) break;
    if (is_broken(errno)) return os::system_error("receive datagrams");
    if (errno != EINTR) ++state_->counters.receive_errors;
  }
  return std::span<Datagrams>();
}

// SO_MEMINFO, and not the number that SO_RXQ_OVFL puts beside a datagram: that is as old as the
// datagram, and the fuller the socket, the older.
ReceiveQueue UdpPort::measure_queue() {
  std::array<std::uint32_t, SK_MEMINFO_VARS> numbers{};
  socklen_t size = sizeof numbers;
  if (::getsockopt(state_->fd.get(), SOL_SOCKET, kSocketMemory, numbers.data(), &size) != 0)
    return {};
  const std::uint32_t before = std::exchange(state_->kernel_drops, numbers[SK_MEMINFO_DROPS]);
  const ReceiveQueue queue{
      .dropped = state_->kernel_drops - before,
      .filled_percent = percent(numbers[SK_MEMINFO_RMEM_ALLOC], numbers[SK_MEMINFO_RCVBUF])};
  state_->counters.received_overflow += queue.dropped;
  return queue;
}

SendReport UdpPort::send(std::span<const Outgoing> messages) {
  return state_->sender.send(state_->fd.get(), messages, state_->counters);
}

Result<UdpPair> open_pair(std::uint16_t port, const Options& options) {
  // Ports that were free in one family only are held meanwhile, so that none is offered twice.
  std::vector<UdpPort> refused;
  while (true) {
    auto v4 = UdpPort::open({.address = IpAddress::any_v4(), .port = port}, options);
    if (!v4 && !is_absent(v4.error())) return v4.error();
    const std::uint16_t number = v4 ? v4->port() : port;
    auto v6 = UdpPort::open({.address = IpAddress::any_v6(), .port = number}, options);
    if (v6 || (v4 && is_absent(v6.error()))) {
      UdpPair pair;
      if (v4) pair.v4 = *std::move(v4);
      if (v6) pair.v6 = *std::move(v6);
      return pair;
    }
    const bool is_hopeless = port != 0 || !v4 || v6.error().kind != ErrorKind::kConflict;
    if (is_hopeless || refused.size() == kPairAttempts) return v6.error();
    refused.push_back(*std::move(v4));
  }
}

}  // namespace sinew::udp
