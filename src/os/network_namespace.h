// Doing something in another network namespace, for what is decided when a socket is opened. Any
// thread.
#pragma once

#include <functional>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

// Calls `body` on a thread of its own that has entered the namespace, and waits for it; so nothing
// can go wrong on the way back. kDenied without CAP_SYS_ADMIN.
Result<> in_network_namespace(const Fd& network_namespace, const std::function<Result<>()>& body);

}  // namespace sinew::os
