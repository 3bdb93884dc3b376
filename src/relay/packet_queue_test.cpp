#include "relay/packet_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::relay;

namespace {

// No number of packets of one size, up to the limits, is as long as one of another.
constexpr std::array<std::size_t, 3> kSizes = {127, 211, 263};
constexpr PacketQueue::Limits kLimits{.bytes = 1'000, .packets = 8, .disco_packets = 3};

Bytes drain(PacketQueue& queue) {
  Bytes out;
  queue.take(out, 1 << 20);
  return out;
}

}  // namespace

TEST_CASE("packet queue: path discovery overtakes the rest") {
  PacketQueue queue(kLimits);
  queue.push(Bytes(2, 'd'), 1, false);
  queue.push(Bytes(2, 'D'), 1, true);
  CHECK(drain(queue) == Bytes{'D', 'D', 'd', 'd'});
  CHECK(queue.is_empty());
}

TEST_CASE("packet queue: a full one drops the oldest packet") {
  PacketQueue queue(kLimits);
  for (std::uint8_t i = 0; i < 9; ++i)
    queue.push(Bytes(1, i), 1, false);
  CHECK(drain(queue) == Bytes{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(queue.dropped() == 1);
  for (std::uint8_t i = 0; i < 4; ++i)
    queue.push(Bytes(1, i), 1, true);
  CHECK(drain(queue) == Bytes{1, 2, 3});
}

TEST_CASE("packet queue: bytes are a bound as well, to the byte") {
  PacketQueue queue(kLimits);
  queue.push(Bytes(400, 1), 1, false);
  queue.push(Bytes(600, 2), 1, false);
  CHECK(queue.dropped() == 0);
  queue.push(Bytes(1, 3), 1, false);
  CHECK(queue.dropped() == 1);
  CHECK(queue.bytes() == 601);
  queue.push(Bytes(1'001, 4), 1, false);
  CHECK(queue.bytes() == 0);
}

TEST_CASE("packet queue: who sends too much loses his own packets") {
  PacketQueue queue(kLimits);
  queue.push(Bytes(50, 'a'), 1, false);
  for (int i = 0; i < 100; ++i)
    queue.push(Bytes(100, 'b'), 2, false);
  const Bytes out = drain(queue);
  CHECK(std::ranges::count(out, 'a') == 50);
  CHECK(std::ranges::count(out, 'b') == 700);
}

TEST_CASE("packet queue: what only looks like path discovery goes with the rest") {
  PacketQueue queue({.bytes = 100'000, .packets = 8, .disco_packets = 3});
  queue.push(Bytes(PacketQueue::kMaxDiscoFrameBytes + 1, 'x'), 1, true);
  queue.push(Bytes(PacketQueue::kMaxDiscoFrameBytes, 'y'), 1, true);
  CHECK(drain(queue).front() == 'y');
}

TEST_CASE("packet queue: L36 all queues together have a bound, and a queue its share of the rest") {
  QueuedBytes total{.now = 0, .most = 1'000};
  {
    PacketQueue greedy({.bytes = 10'000, .packets = 100, .disco_packets = 3}, &total);
    PacketQueue modest({.bytes = 10'000, .packets = 100, .disco_packets = 3}, &total);
    for (int i = 0; i < 100; ++i)
      greedy.push(Bytes(100, 'g'), 1, false);
    CHECK(greedy.bytes() == 500);
    modest.push(Bytes(100, 'm'), 1, false);
    CHECK(modest.bytes() == 100);
    CHECK(total.now == 600);
    drain(greedy);
    CHECK(total.now == 100);
  }
  CHECK(total.now == 0);
}

TEST_CASE("packet queue: does what a slow and simple one does") {
  struct Packet {
    std::uint64_t sender;
    Bytes frame;
  };
  SeededRng rng(7);
  for (int round = 0; round < 40; ++round) {
    PacketQueue queue(kLimits);
    std::deque<Packet> twin;
    std::size_t bytes = 0;
    for (int step = 0; step < 200; ++step) {
      if (rng.below(4) == 0) {
        Bytes out;
        queue.take(out, 200);
        Bytes expected;
        while (!twin.empty() && expected.size() < 200) {
          bytes -= twin.front().frame.size();
          expected.insert(expected.end(), twin.front().frame.begin(), twin.front().frame.end());
          twin.pop_front();
        }
        REQUIRE(out == expected);
        continue;
      }
      const std::uint64_t sender = rng.below(3);
      Packet packet{.sender = sender, .frame = Bytes(kSizes[sender])};
      rng.fill(packet.frame);
      queue.push(packet.frame, packet.sender, false);
      const auto fits = [&] { return twin.size() < 8 && bytes + packet.frame.size() <= 1'000; };
      while (!fits()) {
        std::map<std::uint64_t, std::size_t> shares;
        for (const Packet& each : twin)
          shares[each.sender] += each.frame.size();
        const auto greediest =
            std::ranges::max_element(shares, {}, [](const auto& share) { return share.second; });
        const auto victim = std::ranges::find(twin, greediest->first, &Packet::sender);
        bytes -= victim->frame.size();
        twin.erase(victim);
      }
      bytes += packet.frame.size();
      twin.push_back(std::move(packet));
      REQUIRE(queue.bytes() == bytes);
    }
  }
}
