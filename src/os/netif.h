// Names of network interfaces. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sinew::os {

// The kernel's number of an interface in our network namespace. Serves as ZoneLookup (base/ip.h).
std::optional<std::uint32_t> interface_number(std::string_view name);

}  // namespace sinew::os
