// The machine's clocks. Nothing else in the program reads one. Any thread.
#pragma once

#include "base/clock.h"

namespace sinew::os {

// MonoTime is CLOCK_BOOTTIME, which goes on while the machine sleeps: a laptop that wakes up sees
// its sessions as old as they are. WallTime is CLOCK_REALTIME.
class SystemClock final : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override;
};

// Processor time that the calling thread has used.
Duration thread_busy_time();

}  // namespace sinew::os
