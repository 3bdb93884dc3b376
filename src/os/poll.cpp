#include "os/poll.h"

#include <algorithm>

#include "os/clock.h"
#include "os/error.h"
#include "os/timespec.h"

namespace sinew::os {

Result<bool> poll_until(std::span<pollfd> fds, MonoTime deadline) {
  const SystemClock clock;
  while (true) {
    const MonoTime now = clock.now();
    const timespec rest = to_timespec(std::max(Duration::zero(), deadline - now));
    const int ready = ::ppoll(fds.data(), fds.size(), &rest, nullptr);
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return system_error("poll");
    if (now >= deadline) return false;
  }
}

}  // namespace sinew::os
