#include "os/clock.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "os/random.h"

namespace sinew::os {
namespace {

TEST_CASE("the monotonic clock is the time since boot") {
  const SystemClock clock;
  const MonoTime before = clock.now();
  double uptime = 0;
  std::ifstream("/proc/uptime") >> uptime;
  const MonoTime after = clock.now();
  CHECK(before <= after);
  const Duration read = std::chrono::round<Duration>(std::chrono::duration<double>(uptime));
  CHECK(read >= before.since_start() - 20ms);  // the file has hundredths
  CHECK(read <= after.since_start() + 20ms);
}

TEST_CASE("the calendar is after the day this was written") {
  CHECK(SystemClock().wall_now() > WallTime(1'700'000'000s));
}

TEST_CASE("random bytes fill the whole room and do not repeat") {
  SystemRng rng;
  std::array<std::uint8_t, 1000> first{};
  std::array<std::uint8_t, 1000> second{};
  rng.fill(first);
  rng.fill(second);
  CHECK(first != second);
  // Each 100-byte piece was written: all zeros has a chance of 2^-800.
  for (std::size_t i = 0; i < first.size(); i += 100) {
    CHECK(std::any_of(first.begin() + static_cast<std::ptrdiff_t>(i),
                      first.begin() + static_cast<std::ptrdiff_t>(i + 100),
                      [](std::uint8_t byte) { return byte != 0; }));
  }
  rng.fill({});
}

}  // namespace
}  // namespace sinew::os
