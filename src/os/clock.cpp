#include "os/clock.h"

#include <ctime>

#include "base/verify.h"

namespace sinew::os {
namespace {

Duration read_clock(clockid_t clock) {
  timespec time;
  VERIFY(::clock_gettime(clock, &time) == 0);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

MonoTime SystemClock::now() const {
  return MonoTime(read_clock(CLOCK_BOOTTIME));
}

WallTime SystemClock::wall_now() const {
  return WallTime(read_clock(CLOCK_REALTIME));
}

Duration thread_busy_time() {
  return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace sinew::os
