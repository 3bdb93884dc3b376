#include "wg/replay_window.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr std::uint64_t kSize = ReplayWindow::kSize;
constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();

// The same promise in the plainest way: the set of all counters that were accepted, none of them
// below `lowest`, and the highest.
class NaiveWindow {
 public:
  explicit NaiveWindow(std::uint64_t lowest) : lowest_(lowest) {}

  bool accept(std::uint64_t counter) {
    if (highest_ && *highest_ >= counter && *highest_ - counter >= kSize) return false;
    const std::uint64_t place = counter - lowest_;
    if (place >= seen_.size()) seen_.resize(2 * place + 1);
    if (seen_[place]) return false;
    seen_[place] = true;
    highest_ = std::max(highest_.value_or(0), counter);
    return true;
  }

 private:
  std::uint64_t lowest_;
  std::optional<std::uint64_t> highest_;
  std::vector<bool> seen_;
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
  for (std::uint64_t from = kSize; from <= kSize + 64; ++from) {
    for (std::uint64_t jump : {kSize - 1, kSize, kSize + 1, kLast - from}) {
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

// The sum, or the largest counter there is.
std::uint64_t plus(std::uint64_t counter, std::uint64_t step) {
  return counter + std::min(step, kLast - counter);
}
std::uint64_t minus(std::uint64_t counter, std::uint64_t step) {
  return counter - std::min(step, counter);
}

// Counters around a point that wanders on: in order, shuffled, repeated, late and skipped.
std::uint64_t next_counter(SeededRng& rng, std::uint64_t& front) {
  const auto dice = rng.number<std::uint32_t>();
  const std::uint64_t size = dice >> 8;
  switch (dice % 16) {
    case 0:  // a gap, seldom larger than the window
      return front = plus(front, size % 64 == 0 ? size % (2 * kSize) : size % 256);
    case 1:  // perhaps too old
      return minus(front, size % (2 * kSize));
    case 2:  // the far edge
      return minus(front, kSize - 3 + size % 6);
    case 3:  // early
      return plus(front, size % 64);
    case 4:
    case 5:
    case 6:  // late or repeated
      return minus(front, size % 512);
    default: return front = plus(front, 1);
  }
}

void check_against_twin(std::uint64_t start, std::size_t counters, std::uint64_t seed) {
  SeededRng rng(seed);
  ReplayWindow window;
  NaiveWindow naive(minus(start, 2 * kSize));
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
  CHECK(accepted > counters / 8);
  CHECK(accepted < counters);
}

TEST_CASE("L19 replay window does what a set of all counters does, 10^7 times") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed)
    check_against_twin(0, 2'000'000, seed);
  check_against_twin(std::uint64_t{1} << 60, 1'000'000, 5);
  check_against_twin(std::uint64_t{1} << 32, 1'000'000, 6);
}

TEST_CASE("replay window does what a set does at the largest counters") {
  check_against_twin(kLast - 100'000, 20'000, 7);
}

}  // namespace
