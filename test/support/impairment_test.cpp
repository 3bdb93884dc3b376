#include "support/impairment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace sinew;
using lab::ImpairedLink;
using lab::Impairment;

namespace {

constexpr MonoTime kStart(1h);

Bytes packet(std::uint8_t number, std::size_t size = 100) {
  return Bytes(size, number);
}

struct Arrival {
  std::uint8_t number;
  Duration after;  // kStart

  friend bool operator==(const Arrival&, const Arrival&) = default;
};

// Everything still under way, jumping from deadline to deadline.
std::vector<Arrival> drain(ImpairedLink& link) {
  std::vector<Arrival> arrivals;
  while (link.deadline() != MonoTime::never()) {
    const MonoTime now = link.deadline();
    CHECK_FALSE(link.next_transmit(now - 1ns));
    while (const auto arrived = link.next_transmit(now)) {
      arrivals.push_back({arrived->front(), now - kStart});
    }
  }
  return arrivals;
}

// 200 packets, one every millisecond.
std::vector<Arrival> send_200(ImpairedLink& link) {
  for (std::uint8_t number = 0; number < 200; ++number) {
    link.feed(packet(number), kStart + number * 1ms);
  }
  return drain(link);
}

bool is_in_order(const std::vector<Arrival>& arrivals) {
  return std::ranges::is_sorted(arrivals, {}, &Arrival::number);
}

}  // namespace

TEST_CASE("perfect link hands a packet on unchanged and at once") {
  ImpairedLink link({}, 1);
  CHECK(link.deadline() == MonoTime::never());
  CHECK_FALSE(link.next_transmit(kStart));
  link.feed(packet(7), kStart);
  CHECK(link.deadline() == kStart);
  CHECK(link.next_transmit(kStart) == packet(7));
  CHECK(link.deadline() == MonoTime::never());
}

TEST_CASE("delay holds every packet for exactly that long") {
  ImpairedLink link({.delay = 40ms}, 1);
  link.feed(packet(1), kStart);
  link.feed(packet(2), kStart + 3ms);
  CHECK_FALSE(link.next_transmit(kStart + 40ms - 1ns));
  CHECK(link.next_transmit(kStart + 40ms) == packet(1));
  CHECK_FALSE(link.next_transmit(kStart + 43ms - 1ns));
  CHECK(link.next_transmit(kStart + 43ms) == packet(2));
}

TEST_CASE("jitter adds up to its size, reaches both ends of it and keeps the order") {
  ImpairedLink link({.delay = 10ms, .jitter = 20ms}, 1);
  Duration least = 1h;
  Duration most = 0ms;
  for (std::uint8_t number = 0; number < 200; ++number) {
    const Duration sent_after = number * 100ms;  // far apart, so that order changes nothing
    link.feed(packet(number), kStart + sent_after);
    const auto arrivals = drain(link);
    REQUIRE(arrivals.size() == 1);
    least = std::min(least, arrivals[0].after - sent_after);
    most = std::max(most, arrivals[0].after - sent_after);
  }
  CHECK(least >= 10ms);
  CHECK(least < 11ms);
  CHECK(most <= 30ms);
  CHECK(most > 29ms);

  ImpairedLink dense({.delay = 10ms, .jitter = 20ms}, 1);
  const auto arrivals = send_200(dense);
  CHECK(arrivals.size() == 200);
  CHECK(is_in_order(arrivals));
}

TEST_CASE("loss drops its share, and the same packets for the same seed") {
  ImpairedLink first({.loss = 0.25}, 42);
  ImpairedLink again({.loss = 0.25}, 42);
  ImpairedLink other({.loss = 0.25}, 43);
  const auto arrivals = send_200(first);
  CHECK(arrivals == send_200(again));
  CHECK(arrivals != send_200(other));
  CHECK(first.counters().lost == 200 - arrivals.size());
  CHECK(first.counters().lost > 30);
  CHECK(first.counters().lost < 70);
}

TEST_CASE("loss of one swallows everything and loss of zero nothing") {
  ImpairedLink dead({.loss = 1}, 1);
  CHECK(send_200(dead).empty());
  CHECK(dead.counters().lost == 200);
  ImpairedLink alive({.loss = 0}, 1);
  CHECK(send_200(alive).size() == 200);
}

TEST_CASE("fate of a packet does not depend on the other impairments") {
  ImpairedLink plain({.loss = 0.3}, 9);
  ImpairedLink rich({.loss = 0.3, .delay = 5ms, .jitter = 9ms, .duplicate = 0.5}, 9);
  std::vector<std::uint8_t> plain_numbers;
  for (const Arrival& arrival : send_200(plain))
    plain_numbers.push_back(arrival.number);
  std::vector<std::uint8_t> rich_numbers;
  for (const Arrival& arrival : send_200(rich))
    rich_numbers.push_back(arrival.number);
  const auto copies = std::ranges::unique(rich_numbers);
  rich_numbers.erase(copies.begin(), copies.end());
  CHECK(plain_numbers == rich_numbers);
}

TEST_CASE("duplicate arrives right behind the first copy") {
  ImpairedLink link({.delay = 1ms, .duplicate = 1}, 1);
  link.feed(packet(1), kStart);
  link.feed(packet(2), kStart);
  CHECK(drain(link) == std::vector<Arrival>{{1, 1ms}, {1, 1ms}, {2, 1ms}, {2, 1ms}});
  CHECK(link.counters().duplicated == 2);
  CHECK(link.counters().delivered == 4);
}

TEST_CASE("reordered packet is overtaken by those sent within its hold") {
  ImpairedLink link({.delay = 5ms, .reorder = 1, .reorder_hold = 10ms}, 1);
  link.feed(packet(1), kStart);
  link.set({.delay = 5ms});
  link.feed(packet(2), kStart + 1ms);
  link.feed(packet(3), kStart + 10ms);
  link.feed(packet(4), kStart + 11ms);
  CHECK(drain(link) == std::vector<Arrival>{{2, 6ms}, {1, 15ms}, {3, 15ms}, {4, 16ms}});
  CHECK(link.counters().reordered == 1);

  ImpairedLink mixed({.reorder = 0.1, .reorder_hold = 5ms}, 1);
  const auto arrivals = send_200(mixed);
  CHECK(arrivals.size() == 200);
  CHECK_FALSE(is_in_order(arrivals));
}

TEST_CASE("rate spaces packets by their size and idle time is not saved up") {
  ImpairedLink link({.bits_per_second = 8'000}, 1);  // one byte a millisecond
  link.feed(packet(1, 100), kStart);
  link.feed(packet(2, 50), kStart);
  CHECK(drain(link) == std::vector<Arrival>{{1, 100ms}, {2, 150ms}});
  link.feed(packet(3, 10), kStart + 1s);
  link.feed(packet(4, 10), kStart + 1s);
  CHECK(drain(link) == std::vector<Arrival>{{3, 1010ms}, {4, 1020ms}});
}

TEST_CASE("full queue drops at the tail and takes packets again as it drains") {
  ImpairedLink link({.bits_per_second = 8'000, .queue_bytes = 200}, 1);
  link.feed(packet(1), kStart);
  link.feed(packet(2), kStart);
  link.feed(packet(3), kStart);
  CHECK(link.counters().overflowed == 1);
  link.feed(packet(4), kStart + 100ms - 1ns);
  CHECK(link.counters().overflowed == 2);
  link.feed(packet(5), kStart + 100ms);
  CHECK(link.counters().overflowed == 2);
  CHECK(drain(link) == std::vector<Arrival>{{1, 100ms}, {2, 200ms}, {5, 300ms}});
}

TEST_CASE("delay comes on top of the time a packet waits for the wire") {
  ImpairedLink link({.bits_per_second = 8'000, .delay = 40ms}, 1);
  link.feed(packet(1), kStart);
  CHECK(drain(link) == std::vector<Arrival>{{1, 140ms}});
}

TEST_CASE("change of the impairment leaves packets under way alone and keeps the order") {
  ImpairedLink link({.delay = 100ms}, 1);
  link.feed(packet(1), kStart);
  link.set({.delay = 1ms});
  link.feed(packet(2), kStart);
  link.feed(packet(3), kStart + 200ms);
  CHECK(drain(link) == std::vector<Arrival>{{1, 100ms}, {2, 100ms}, {3, 201ms}});
}

TEST_CASE("packets under way are bounded") {
  ImpairedLink link({.delay = 1h}, 1);
  for (std::size_t i = 0; i < ImpairedLink::kMaxUnderWay + 5; ++i)
    link.feed(packet(1, 1), kStart);
  CHECK(link.under_way() == ImpairedLink::kMaxUnderWay);
  CHECK(link.counters().overflowed == 5);
}

TEST_CASE("counters account for every packet") {
  ImpairedLink link({.loss = 0.2,
                     .bits_per_second = 400'000,
                     .queue_bytes = 1'000,
                     .delay = 3ms,
                     .jitter = 4ms,
                     .reorder = 0.2,
                     .duplicate = 0.2},
                    5);
  send_200(link);
  const ImpairedLink::Counters& count = link.counters();
  CHECK(count.fed == 200);
  CHECK(count.lost > 0);
  CHECK(count.overflowed > 0);
  CHECK(count.duplicated > 0);
  CHECK(count.fed + count.duplicated == count.lost + count.overflowed + count.delivered);
}
