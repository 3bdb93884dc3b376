// Starting a thread as something that may fail, because a machine or a container bounds how many
// there are. Any thread.
#pragma once

#include <functional>
#include <thread>

#include "base/result.h"

namespace sinew::os {

// Who gets the thread joins it.
Result<std::thread> start_thread(std::function<void()> body);

}  // namespace sinew::os
