#include "base/backoff.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

using namespace sinew;

TEST_CASE("delays double up to the ceiling, each from its upper half") {
  SeededRng rng(3);
  Backoff backoff({.first = 1s, .ceiling = 10s});
  for (const Duration longest :
       {Duration(1s), Duration(2s), Duration(4s), Duration(8s), Duration(10s), Duration(10s)}) {
    const Duration delay = backoff.next_delay(rng);
    CHECK(delay >= longest / 2);
    CHECK(delay <= longest);
  }
}

TEST_CASE("success starts again with the first delay") {
  SeededRng rng(3);
  Backoff backoff({.first = 1s, .ceiling = 1h});
  for (int i = 0; i < 10; ++i)
    static_cast<void>(backoff.next_delay(rng));
  backoff.reset();
  CHECK(backoff.next_delay(rng) <= 1s);
}

TEST_CASE("delays of many clients spread over the whole upper half") {
  SeededRng rng(3);
  std::set<std::int64_t> tenths;
  for (int client = 0; client < 1'000; ++client) {
    const Duration delay = Backoff({.first = 2s, .ceiling = 2s}).next_delay(rng);
    tenths.insert(delay / 100ms);
  }
  CHECK(tenths.size() >= 10);
  CHECK(*tenths.begin() == 10);
  CHECK(*tenths.rbegin() >= 19);
}

TEST_CASE("both ends of the interval are possible, and no overflow waits at the top") {
  SeededRng rng(3);
  Duration shortest = Duration::max();
  Duration longest = Duration::zero();
  for (int i = 0; i < 200; ++i) {
    const Duration delay = Backoff({.first = 4ns, .ceiling = 4ns}).next_delay(rng);
    shortest = std::min(shortest, delay);
    longest = std::max(longest, delay);
  }
  CHECK(shortest == 2ns);
  CHECK(longest == 4ns);

  Backoff endless({.first = Duration::max() / 2 + 1ns, .ceiling = Duration::max()});
  CHECK(endless.next_delay(rng) > Duration::zero());
  CHECK(endless.next_delay(rng) >= Duration::max() / 2);
}
