// The end of laboratories, also of those whose owner was killed. Everything a laboratory leaves
// outside its own process is found by name: namespaces /run/netns/<lab>-* and the folder
// /tmp/<lab>, where <lab> is "sinewlab-<pid of the owner>-<number>". Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sinew::lab {

inline constexpr std::string_view kLabPrefix = "sinewlab-";

// A new name with its folder, for a laboratory of this process.
Result<std::string> claim_lab_name();
std::string folder_of(std::string_view lab);

// The processes inside the laboratory's namespaces but this one, whoever started them. A process
// counts as inside by the identity of its namespace, never by its name.
std::vector<pid_t> processes_inside(std::string_view lab);

// Kills processes_inside(), each through a descriptor that cannot mean another one, and removes the
// namespaces and the folder.
void remove_lab(std::string_view lab);

// remove_lab() for every laboratory whose owner no longer runs.
void remove_abandoned_labs();

}  // namespace sinew::lab
