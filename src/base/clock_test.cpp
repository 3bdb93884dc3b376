#include "base/clock.h"

#include <doctest/doctest.h>

using namespace sinew;

TEST_CASE("monotonic times differ by a duration") {
  const MonoTime start(5s);
  CHECK(start + 3s - start == 3s);
  CHECK(start - 3s == MonoTime(2s));
  CHECK(start - (start + 1ns) == -1ns);
  CHECK(start < start + 1ns);
}

TEST_CASE("nothing is later than never") {
  CHECK(MonoTime::never() + 1ns == MonoTime::never());
  CHECK(MonoTime::never() + Duration::max() == MonoTime::never());
  CHECK(MonoTime(1ns) + Duration::max() == MonoTime::never());
  CHECK(MonoTime() + Duration::max() == MonoTime::never());
  CHECK(MonoTime(1ns) + (Duration::max() - 2ns) < MonoTime::never());
  MonoTime deadline = MonoTime::never();
  deadline += 1h;
  CHECK(deadline == MonoTime::never());
}

TEST_CASE("a negative step leads back") {
  CHECK(MonoTime(5s) + -2s == MonoTime(3s));
}

TEST_CASE("a manual clock stands until it is moved") {
  ManualClock clock(MonoTime(10s), WallTime(100s));
  CHECK(clock.now() == clock.now());
  clock.advance(3s);
  CHECK(clock.now() == MonoTime(13s));
  CHECK(clock.wall_now() == WallTime(103s));
}

TEST_CASE("setting the date does not move the monotonic clock") {
  ManualClock clock(MonoTime(10s), WallTime(100s));
  clock.set_wall(WallTime(0s));
  CHECK(clock.now() == MonoTime(10s));
  CHECK(clock.wall_now().since_epoch() == 0s);
}
