// The C form of a duration. Internal to os.
#pragma once

#include <ctime>

#include "base/clock.h"

namespace sinew::os {

inline timespec to_timespec(Duration duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {.tv_sec = seconds.count(), .tv_nsec = (duration - seconds).count()};
}

}  // namespace sinew::os
