// Signals as values.
#pragma once

namespace sinew::os {

// Makes a write to a closed pipe or socket report EPIPE instead of ending the program. Called once,
// first thing in main(); children get the default back.
void ignore_broken_pipes();

}  // namespace sinew::os
