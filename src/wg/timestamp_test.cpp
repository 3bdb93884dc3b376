#include "wg/timestamp.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"
#include "support/hex.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::test;

TEST_CASE("timestamp: the label of TAI64N, ten seconds ahead of the epoch") {
  const auto epoch = Timestamp::after(Timestamp(), WallTime(0s));
  CHECK(std::ranges::equal(epoch.bytes(), unhex("400000000000000a00000000")));
  const auto later = Timestamp::after(Timestamp(), WallTime(1'700'000'000s));
  CHECK(std::ranges::equal(later.bytes(), unhex("400000006553f10a00000000")));
}

TEST_CASE("L12 nanoseconds are rounded down to 2^24, the kernel's step") {
  const auto at = [](Duration since_epoch) {
    return Timestamp::after(Timestamp(), WallTime(since_epoch));
  };
  constexpr Duration kStep{1 << 24};
  CHECK(at(1s) == at(1s + kStep - 1ns));
  CHECK(at(1s) < at(1s + kStep));
  CHECK(at(1s + 999'999'999ns) < at(2s));
}

TEST_CASE("L12 L17 our timestamps grow strictly, whatever the calendar does") {
  SeededRng rng(1);
  Timestamp last;
  WallTime wall(1'700'000'000s);
  for (int i = 0; i < 100'000; ++i) {
    const Timestamp next = Timestamp::after(last, wall);
    REQUIRE(next > last);
    REQUIRE(load_be<std::uint32_t>(next.bytes().data() + 8) < 1'000'000'000);
    last = next;
    switch (rng.below(4)) {
      case 0: wall = wall + Duration(rng.below(1'000'000'000)); break;
      case 1: wall = wall + -Duration(rng.below(3'600'000'000'000)); break;
      case 2: wall = WallTime(-1s); break;
      default: break;
    }
    if (wall < WallTime(0s)) wall = WallTime(1'600'000'000s);
  }
}

TEST_CASE("timestamp: bytes and values have one order") {
  SeededRng rng(2);
  for (int i = 0; i < 1000; ++i) {
    const auto a = WallTime(Duration(rng.below(1'000'000'000'000'000'000)));
    const auto b = WallTime(Duration(rng.below(1'000'000'000'000'000'000)));
    if (a < b) REQUIRE(Timestamp::after({}, a) <= Timestamp::after({}, b));
  }
}
