#include "os/timer_fd.h"

#include <sys/timerfd.h>

#include <algorithm>

#include "base/verify.h"
#include "os/error.h"
#include "os/timespec.h"

namespace sinew::os {

Result<TimerFd> TimerFd::create() {
  Fd fd(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd.is_open()) return system_error("create a timer");
  return TimerFd(std::move(fd));
}

void TimerFd::set(MonoTime deadline) {
  itimerspec when{};
  if (deadline != MonoTime::never()) {
    // All zeros would disarm.
    when.it_value = to_timespec(std::max(Duration(1), deadline.since_start()));
  }
  VERIFY(::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr) == 0);
}

bool TimerFd::take_expiry() {
  std::uint64_t count = 0;
  const ByteSpan room(reinterpret_cast<std::uint8_t*>(&count), sizeof count);
  const auto size = read_some(fd_, room);
  VERIFY(size.has_value());
  return size->has_value();
}

}  // namespace sinew::os
