// The protocol object behind the one lock of the packet path. A worker holds it for two short steps
// around a batch: to look up sessions and counters before, to settle windows and timers after.
// Sealing, opening, splitting, joining and all system calls happen outside, on what the sessions
// pinned by the first step hold. With one worker nobody else asks for the lock, and taking it costs
// some 15 ns a step.
#pragma once

#include "os/mutex.h"
#include "wg/device.h"

namespace sinew::dataplane {

struct SharedDevice {
  explicit SharedDevice(Rng& rng) : device(rng) {}

  os::Mutex mutex;
  wg::Device device SINEW_GUARDED_BY(mutex);
};

}  // namespace sinew::dataplane
