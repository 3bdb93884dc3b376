#include "wg/replay_window.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <set>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr std::uint64_t kSize = ReplayWindow::kSize;
constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();

// The same promise in the plainest way: the set of all counters that were accepted.
class NaiveWindow {
 public:
  bool accept(std::uint64_t counter) {
    if (!seen_.empty() && *seen_.rbegin() >= counter && *seen_.rbegin() - counter >= kSize)
      return false;
    if (!seen_.insert(counter).second) return false;
    while (*seen_.rbegin() - *seen_.begin() >= kSize)
      seen_.erase(seen_.begin());
    return true;
  }

 private:
  std::set<std::uint64_t> seen_;
};

TEST_CASE("replay window accepts a counter once") {
  ReplayWindow window;
  CHECK(window.would_accept(0));
  CHECK(window.accept(0));
  CHECK_FALSE(window.would_accept(0));
  CHECK_FALSE(window.accept(0));
  CHECK(window.accept(1));
  CHECK_FALSE(window.accept(1));
  CHECK_FALSE(window.accept(0));
}

TEST_CASE("replay window accepts counter 0 after later ones") {
  ReplayWindow window;
  CHECK(window.accept(5));
  CHECK(window.accept(0));
  CHECK_FALSE(window.accept(0));
}

TEST_CASE("L19 replay window holds 8,192 counters and not one more") {
  static_assert(ReplayWindow::kSize >= 8192);
  ReplayWindow window;
  const std::uint64_t highest = 100'000;
  CHECK(window.accept(highest));
  CHECK(window.accept(highest - kSize + 1));
  CHECK_FALSE(window.accept(highest - kSize));
  CHECK_FALSE(window.accept(highest - kSize - 1));
}

TEST_CASE("replay window moves to the largest counter there is and stays") {
  ReplayWindow window;
  CHECK(window.accept(0));
  CHECK(window.accept(kLast));
  CHECK_FALSE(window.accept(kLast));
  CHECK_FALSE(window.accept(0));
  CHECK(window.accept(kLast - kSize + 1));
  CHECK_FALSE(window.accept(kLast - kSize));
}

TEST_CASE("replay window forgets everything in a jump past its size") {
  // One less and one more than the size, from every place within a word.
  for (std::uint64_t from = kSize; from < kSize + 130; ++from) {
    for (std::uint64_t jump : {kSize - 1, kSize, kSize + 1, 10 * kSize, kLast - from}) {
      ReplayWindow window;
      for (std::uint64_t counter = 0; counter <= from; ++counter)
        REQUIRE(window.accept(counter));
      const std::uint64_t highest = from + jump;
      REQUIRE(window.accept(highest));
      for (std::uint64_t counter = highest - 1; highest - counter < kSize; --counter)
        REQUIRE(window.accept(counter) == (counter > from));
    }
  }
}

TEST_CASE("replay window leaves no trace of a look") {
  ReplayWindow window;
  CHECK(window.would_accept(7));
  CHECK(window.would_accept(1'000'000));
  CHECK(window.accept(7));
}

// Counters around a point that wanders on: in order, shuffled, repeated, late and skipped.
std::uint64_t next_counter(SeededRng& rng, std::uint64_t& front) {
  const auto dice = rng.number<std::uint32_t>();
  const std::uint64_t size = dice >> 8;
  switch (dice % 16) {
    case 0: return front += size % (2 * kSize);                    // a gap
    case 1: return front - std::min(front, size % (2 * kSize));    // perhaps too old
    case 2: return front - std::min(front, kSize - 3 + size % 6);  // the far edge
    case 3: return front + size % 64;                              // early
    case 4:
    case 5:
    case 6: return front - std::min(front, size % 512);  // late or repeated
    case 7:
      if (size % 4096 == 0) front += size * kSize;
      return front;  // far away
    default: return front++;
  }
}

void check_against_twin(std::uint64_t start, std::size_t counters, std::uint64_t seed) {
  SeededRng rng(seed);
  ReplayWindow window;
  NaiveWindow naive;
  std::uint64_t front = start;
  std::size_t accepted = 0;
  for (std::size_t i = 0; i < counters; ++i) {
    const std::uint64_t counter = next_counter(rng, front);
    const bool expected = naive.accept(counter);
    const bool looked = window.would_accept(counter);
    const bool taken = window.accept(counter);
    if (taken != expected || looked != expected) {
      FAIL("counter ", counter, " number ", i, ": ", taken, ", and the set says ", expected);
    }
    accepted += taken ? 1 : 0;
  }
  CHECK(accepted > counters / 4);
  CHECK(accepted < counters);
}

TEST_CASE("L19 replay window does what a set of all counters does, near 0") {
  check_against_twin(0, 1'000'000, 1);
}

}  // namespace
