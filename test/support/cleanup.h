// The end of laboratories, also of those whose owner was killed. Everything a laboratory leaves
// outside its own process is found by name: namespaces /run/netns/<lab>-* and the folder
// /tmp/<lab>, where <lab> is "sinewlab-<pid of the owner>-<number>". Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace sinew::lab {

inline constexpr std::string_view kLabPrefix = "sinewlab-";

// A new name with its folder, for a laboratory of this process.
Result<std::string> claim_lab_name();
std::string folder_of(std::string_view lab);

// Kills the processes inside the laboratory's namespaces, whoever started them, and removes the
// namespaces and the folder. A process counts as inside by the identity of its namespace, never by
// its name, and is killed through a descriptor that cannot mean another one.
void remove_lab(std::string_view lab);

// remove_lab() for every laboratory whose owner no longer runs.
void remove_abandoned_labs();

}  // namespace sinew::lab
