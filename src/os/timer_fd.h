// A deadline as a descriptor, for loops that are not ours and for deadlines that must hold while
// the machine sleeps: readable once the time has come, on the clock of SystemClock. One thread.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

class TimerFd {
 public:
  static Result<TimerFd> create();

  const Fd& fd() const { return fd_; }

  // Replaces the deadline; never() disarms. A time that has passed makes it readable at once.
  void set(MonoTime deadline);
  // Whether the deadline came since the last call. It is not readable afterwards.
  bool take_expiry();

 private:
  explicit TimerFd(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace sinew::os
