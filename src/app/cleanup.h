// What a node that was killed leaves behind, and how it goes away. The kernel has ended its lock,
// its network interface with all addresses and routes, and its sockets; what stays is files: the
// control socket, and half-written ones, which may hold secrets. Called by the next start, and by
// `sinew stop --cleanup`. One thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "node/state_folder.h"
#include "os/fd.h"

namespace sinew::app {

// Removes it, and names what was removed. `lock` is the folder's: nobody runs there meanwhile. The
// lock's own file stays: who removes it lets two nodes hold a lock each.
Result<std::vector<std::string>> remove_leftovers(const node::StateFolder& folder,
                                                  const os::Fd& lock);

}  // namespace sinew::app
