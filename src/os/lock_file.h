// One program at a time: a lock that the kernel ends with the process, however it ends. Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

// Holds the lock for as long as the Fd is open. The file stays. kConflict when another process
// holds it.
Result<Fd> lock_file(const std::string& path);

}  // namespace sinew::os
