// Names of machines to addresses, by whatever the machine is configured to ask. Blocks, for as long
// as its name servers make it wait; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "base/result.h"

namespace sinew::os {

// At least one address, in the order in which they should be tried. An address as `host` is itself.
Result<std::vector<IpAddress>> resolve(const std::string& host);

}  // namespace sinew::os
