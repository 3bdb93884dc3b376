// The systemd unit that keeps a node running: what it says, and how paths stand in it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sinew::app {

// How a unit of ours begins; a file that begins otherwise is somebody else's.
inline constexpr std::string_view kUnitMark = "# Written by 'sinew service install'.\n";

struct UnitPlan {
  std::string program;       // absolute
  std::string state_folder;  // absolute
};

// It may do what a node has to and nothing else: three capabilities, /dev/net/tun, sockets, and
// writing to its state folder. kInvalid for paths that no unit can hold.
Result<std::string> systemd_unit(const UnitPlan& plan);

// "sinew", "sinew-lab": letters, digits, '-', '_' and '.', not at the beginning; at most
// kMaxUnitName.
inline constexpr std::size_t kMaxUnitName = 64;
bool is_unit_name(std::string_view name);

}  // namespace sinew::app
