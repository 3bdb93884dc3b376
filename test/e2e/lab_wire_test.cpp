// A bad wire does to real traffic what its model says. No upper bound on time is checked: a busy
// machine may add any delay, but never take one away.
//
//   alice 10.0.0.1 --- impaired --- net --- 10.0.0.2 bob
//         fd00::1                           fd00::2
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>
#include <thread>

#include "os/clock.h"
#include "os/poll.h"
#include "support/lab.h"
#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

struct Pair {
  // The kernel holds, cuts and shuffles a burst that begins before addresses are resolved, so a
  // greeting crosses the wire while it is still perfect.
  explicit Pair(const Impairment& impairment, std::uint64_t seed = 1)
      : alice(lab.node("alice").join(net, {"10.0.0.1/24", "fd00::1/64"}, {}, seed)) {
    from.send(to.local(), "hello");
    REQUIRE(to.receive());
    greeted = wire().up().fed;
    wire().set(impairment);
  }

  Wire& wire() { return alice.wire(net); }

  Lab lab;
  Network& net = lab.network("net");
  Node& bob = lab.node("bob").join(net, {"10.0.0.2/24", "fd00::2/64"});
  Node& alice;
  UdpProbe from{alice, "10.0.0.1:5000"};
  UdpProbe to{bob, "10.0.0.2:5000"};
  std::uint64_t greeted = 0;
};

MonoTime now() {
  return os::SystemClock().now();
}

void send_numbers(Pair& pair, int count, std::size_t size = 8) {
  for (int number = 0; number < count; ++number) {
    std::string text = std::to_string(number);
    text.resize(size, ' ');
    pair.from.send(pair.to.local(), text);
  }
}

// What arrives until the wire, healed, lets an end mark through.
std::vector<int> arrived_numbers(Pair& pair, int sent) {
  const MonoTime deadline = now() + UdpProbe::kPatience;
  while (pair.wire().up().fed < pair.greeted + static_cast<std::uint64_t>(sent)) {
    REQUIRE(now() < deadline);
    std::this_thread::yield();
  }
  pair.wire().set({});
  pair.from.send(pair.to.local(), "end");
  std::vector<int> numbers;
  while (const auto datagram = pair.to.receive()) {
    if (datagram->text == "end") return numbers;
    numbers.push_back(std::stoi(datagram->text));
  }
  FAIL("the end mark did not arrive");
  return numbers;
}

}  // namespace

TEST_CASE("delay is seen by UDP in each direction and by ping in both together") {
  if (!is_possible()) return;
  Pair pair({.delay = 60ms});
  const MonoTime start = now();
  pair.from.send(pair.to.local(), "there");
  REQUIRE(pair.to.receive());
  CHECK(now() - start >= 60ms);

  const MonoTime back = now();
  pair.to.send(pair.from.local(), "back");
  REQUIRE(pair.from.receive());
  CHECK(now() - back >= 60ms);

  const MonoTime ping = now();
  CHECK(pair.alice.can_ping("10.0.0.2"));
  CHECK(now() - ping >= 120ms);
  const MonoTime ping6 = now();
  CHECK(pair.alice.can_ping("fd00::2"));
  CHECK(now() - ping6 >= 120ms);
}

TEST_CASE("directions are impaired apart from each other") {
  if (!is_possible()) return;
  Pair pair({});
  pair.wire().set_down({.loss = 1});
  pair.from.send(pair.to.local(), "there");
  CHECK(pair.to.receive());
  pair.to.send(pair.from.local(), "back");
  CHECK_FALSE(pair.from.receive(UdpProbe::kShortPatience));
  CHECK(pair.wire().up().lost == 0);
  CHECK(pair.wire().down().lost == 1);
}

TEST_CASE("loss takes its share, and the same datagrams for the same seed") {
  if (!is_possible()) return;
  constexpr int kCount = 1000;
  std::set<std::vector<int>> outcomes;
  for (const std::uint64_t seed : {7U, 7U, 8U}) {
    Pair pair({.loss = 0.2}, seed);
    send_numbers(pair, kCount);
    const std::vector<int> arrived = arrived_numbers(pair, kCount);
    CHECK(std::ranges::is_sorted(arrived));
    CHECK(pair.wire().up().lost == kCount - arrived.size());
    // Five standard deviations; and the seed is fixed.
    CHECK(arrived.size() > 800 - 64);
    CHECK(arrived.size() < 800 + 64);
    outcomes.insert(arrived);
  }
  CHECK(outcomes.size() == 2);
}

TEST_CASE("rate gives every byte its time") {
  if (!is_possible()) return;
  Pair pair({.bits_per_second = 1'000'000});
  constexpr int kCount = 40;
  constexpr std::size_t kSize = 1000;
  constexpr std::size_t kFrame = kSize + 8 + 20 + 14;  // UDP, IPv4, Ethernet
  const MonoTime start = now();
  send_numbers(pair, kCount, kSize);
  for (int number = 0; number < kCount; ++number)
    REQUIRE(pair.to.receive());
  CHECK(now() - start >= 1us * (kCount * kFrame * 8));
  CHECK(pair.wire().up().overflowed == 0);
}

TEST_CASE("full queue drops what comes too fast and counts it") {
  if (!is_possible()) return;
  Pair pair({.bits_per_second = 100'000, .queue_bytes = 5'000});
  constexpr int kCount = 200;
  send_numbers(pair, kCount, 1000);
  const std::vector<int> arrived = arrived_numbers(pair, kCount);
  CHECK(arrived.size() >= 4);
  CHECK(pair.wire().up().overflowed == kCount - arrived.size());
  CHECK(pair.wire().up().overflowed > 0);
}

TEST_CASE("reorder lets later datagrams overtake, and jitter alone does not") {
  if (!is_possible()) return;
  constexpr int kCount = 200;
  {
    Pair pair({.reorder = 0.2, .reorder_hold = 50ms});
    send_numbers(pair, kCount);
    std::vector<int> arrived;
    for (int i = 0; i < kCount; ++i) {
      const auto datagram = pair.to.receive();
      REQUIRE(datagram);
      arrived.push_back(std::stoi(datagram->text));
    }
    CHECK_FALSE(std::ranges::is_sorted(arrived));
    std::ranges::sort(arrived);
    CHECK(std::ranges::unique(arrived).empty());
    CHECK(pair.wire().up().reordered > 0);
  }
  Pair pair({.jitter = 20ms});
  send_numbers(pair, kCount);
  const std::vector<int> arrived = arrived_numbers(pair, kCount);
  CHECK(arrived.size() == kCount);
  CHECK(std::ranges::is_sorted(arrived));
}

TEST_CASE("duplicate delivers a datagram twice") {
  if (!is_possible()) return;
  Pair pair({.duplicate = 1});
  send_numbers(pair, 3);
  CHECK(arrived_numbers(pair, 3) == std::vector{0, 0, 1, 1, 2, 2});
}

TEST_CASE("wire goes dead and comes back while traffic runs") {
  if (!is_possible()) return;
  Pair pair({});
  CHECK(pair.alice.can_ping("10.0.0.2"));
  pair.wire().set({.loss = 1});
  CHECK_FALSE(pair.alice.can_ping("10.0.0.2"));
  pair.wire().set({});
  CHECK(pair.alice.can_ping("10.0.0.2"));
  pair.bob.unplug(pair.net);
  CHECK_FALSE(pair.alice.can_ping("10.0.0.2"));
  pair.bob.plug_in(pair.net);
  CHECK(pair.alice.can_ping("10.0.0.2"));
  CHECK(pair.alice.can_ping("fd00::2"));
}

TEST_CASE("perfect cable has no wire to impair") {
  if (!is_possible()) return;
  Pair pair({});
  CHECK_THROWS_AS(pair.bob.wire(pair.net), LabError);
}

namespace {

// What comes out of `to` when `bytes` are written into `from`.
Bytes transfer(const os::Fd& from, const os::Fd& to, ByteView bytes) {
  Bytes received;
  const std::size_t wanted = bytes.size();
  const MonoTime deadline = now() + 60s;
  while (received.size() < wanted) {
    const short writes = bytes.empty() ? 0 : POLLOUT;
    std::array<pollfd, 2> ready{{{.fd = to.get(), .events = POLLIN, .revents = 0},
                                 {.fd = from.get(), .events = writes, .revents = 0}}};
    REQUIRE(must(os::poll_until(ready, deadline)));
    if (ready[1].revents != 0) {
      bytes = bytes.subspan(must(os::write_some(from, bytes)).value_or(0));
    }
    if (ready[0].revents == 0) continue;
    std::array<std::uint8_t, 65'536> buffer;
    const std::size_t size = must(os::read_some(to, buffer)).value_or(0);
    REQUIRE(size > 0);
    received.insert(received.end(), buffer.begin(), buffer.begin() + std::ptrdiff_t(size));
  }
  return received;
}

}  // namespace

TEST_CASE("TCP carries every byte across a wire that loses, repeats and reorders") {
  if (!is_possible()) return;
  Pair pair({.loss = 0.02, .delay = 2ms, .reorder = 0.05, .duplicate = 0.05});
  Bytes sent(300'000);
  SeededRng(1).fill(sent);
  for (const char* address : {"10.0.0.2:80", "[fd00::2]:80"}) {
    CAPTURE(address);
    const Endpoint server = must(Endpoint::parse(address));
    const os::Fd listener = pair.bob.tcp_listener(server);
    const os::Fd client = must(pair.alice.tcp_connect(server, 30s));
    pollfd waiting{.fd = listener.get(), .events = POLLIN, .revents = 0};
    REQUIRE(must(os::poll_until({&waiting, 1}, now() + 30s)));
    const os::Fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(accepted.is_open());
    CHECK(transfer(client, accepted, sent) == sent);
  }
  CHECK(pair.wire().up().lost > 0);
}
