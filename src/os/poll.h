// Waiting for a handful of descriptors without a loop of one's own. Any thread.
#pragma once

#include <poll.h>

#include <span>

#include "base/clock.h"
#include "base/result.h"

namespace sinew::os {

// Waits until one of `fds` has something, as poll(2) does, and says whether one has by `deadline`
// (of SystemClock). Interruptions are not seen.
Result<bool> poll_until(std::span<pollfd> fds, MonoTime deadline);

}  // namespace sinew::os
