#include "support/wire.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/verify.h"
#include "os/clock.h"
#include "os/error.h"
#include "os/poll.h"

namespace sinew::lab {
namespace {

constexpr std::size_t kMaxFrame = 65'536 + 14;
// Frames taken from one end before the other gets its turn.
constexpr int kFramesPerTurn = 64;

Result<os::Fd> open_tap(const Wire::End& end) {
  const InsideNamespace inside(end.netns);
  os::Fd tap = TRY(os::open_file("/dev/net/tun", O_RDWR | O_NONBLOCK));
  ifreq request{};
  VERIFY(end.interface.size() < sizeof request.ifr_name);
  std::memcpy(request.ifr_name, end.interface.c_str(), end.interface.size() + 1);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (::ioctl(tap.get(), TUNSETIFF, &request) != 0) {
    return os::system_error("create TAP device " + end.interface);
  }
  return tap;
}

// ARP, or one of the ICMPv6 messages 130 to 137 and 143 that keep a link together (RFC 4861, 2710
// and 3810). Those of multicast listeners carry a hop-by-hop header first.
bool is_address_resolution(ByteView frame) {
  constexpr std::size_t kIpv6At = 14;
  constexpr std::size_t kPayloadAt = kIpv6At + 40;
  if (frame.size() < kIpv6At) return true;
  const auto ether_type = load_be<std::uint16_t>(&frame[12]);
  if (ether_type == 0x0806) return true;
  if (ether_type != 0x86dd || frame.size() <= kPayloadAt + 8) return false;
  const std::uint8_t next_header = frame[kIpv6At + 6];
  if (next_header == 0) return frame[kPayloadAt] == 58;
  const std::uint8_t type = frame[kPayloadAt];
  return next_header == 58 && type >= 130 && type <= 137;
}

// The kernel queues what a device receives per processor. A thread that moves to another one would
// let its later frames overtake its earlier ones.
void stay_on_this_processor() {
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &here);
  VERIFY(::sched_setaffinity(0, sizeof here, &here) == 0);
}

// A frame that the other end does not take, because it is down, is gone as on a real cable.
void write_frame(const os::Fd& tap, ByteView frame) {
  (void)os::retry_interrupted([&] { return ::write(tap.get(), frame.data(), frame.size()); });
}

}  // namespace

Result<std::unique_ptr<Wire>> Wire::open(const End& node, const End& network,
                                         const Impairment& both_ways, std::uint64_t seed) {
  os::Fd node_tap = TRY(open_tap(node));
  os::Fd network_tap = TRY(open_tap(network));
  os::Pipe stop = TRY(os::open_pipe());
  return std::unique_ptr<Wire>(
      new Wire(std::move(node_tap), std::move(network_tap), std::move(stop), both_ways, seed));
}

Wire::Wire(os::Fd node_tap, os::Fd network_tap, os::Pipe stop, const Impairment& both_ways,
           std::uint64_t seed)
    : node_tap_(std::move(node_tap)),
      network_tap_(std::move(network_tap)),
      stop_(std::move(stop)),
      up_{node_tap_, network_tap_, ImpairedLink(both_ways, 2 * seed)},
      down_{network_tap_, node_tap_, ImpairedLink(both_ways, 2 * seed + 1)},
      thread_([this] { run(); }) {}

Wire::~Wire() {
  stop_.write_end.close();
  thread_.join();
}

void Wire::set(const Impairment& both_ways) {
  set_up(both_ways);
  set_down(both_ways);
}

void Wire::set_up(const Impairment& impairment) {
  const std::lock_guard lock(mutex_);
  up_.link.set(impairment);
}

void Wire::set_down(const Impairment& impairment) {
  const std::lock_guard lock(mutex_);
  down_.link.set(impairment);
}

ImpairedLink::Counters Wire::up() const {
  const std::lock_guard lock(mutex_);
  return up_.link.counters();
}

ImpairedLink::Counters Wire::down() const {
  const std::lock_guard lock(mutex_);
  return down_.link.counters();
}

void Wire::run() {
  stay_on_this_processor();
  MonoTime deadline = MonoTime::never();
  while (true) {
    std::array<pollfd, 3> ready{{{.fd = node_tap_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = network_tap_.get(), .events = POLLIN, .revents = 0},
                                 {.fd = stop_.read_end.get(), .events = POLLIN, .revents = 0}}};
    VERIFY(os::poll_until(ready, deadline));
    if (ready[2].revents != 0) return;
    deadline = turn();
  }
}

MonoTime Wire::turn() {
  const std::lock_guard lock(mutex_);
  const MonoTime now = os::SystemClock().now();
  for (Direction* direction : {&up_, &down_}) {
    take_in(*direction, now);
    hand_out(*direction, now);
  }
  return std::min(up_.link.deadline(), down_.link.deadline());
}

void Wire::take_in(Direction& direction, MonoTime now) {
  std::array<std::uint8_t, kMaxFrame> buffer;
  for (int count = 0; count < kFramesPerTurn; ++count) {
    const auto size = os::read_some(direction.from, buffer);
    if (!size || !*size) return;
    const ByteView frame(buffer.data(), **size);
    if (is_address_resolution(frame)) {
      write_frame(direction.to, frame);
    } else {
      direction.link.feed(frame, now);
    }
  }
}

void Wire::hand_out(Direction& direction, MonoTime now) {
  while (const auto frame = direction.link.next_transmit(now))
    write_frame(direction.to, *frame);
}

}  // namespace sinew::lab
