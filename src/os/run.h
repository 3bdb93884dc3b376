// Runs a program to its end, as a call. Any thread; blocks.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "os/child.h"

namespace sinew::os {

struct RunLimits {
  Duration time = 30s;
  std::size_t out_size = 1 << 20;
  std::size_t err_size = 1 << 16;
};

struct RunOutcome {
  ExitStatus status;
  std::string out;
  std::string err;
  bool is_cut = false;  // more than the limits was written; the rest was read and dropped
};

// Feeds `input` and collects both outputs at once, so that no side waits for the other; the three
// Stdio of `options` are replaced. kTimeout when it takes too long: the program and its group are
// dead by then. What it left running in the background dies when it ends.
Result<RunOutcome> run(ChildOptions options, std::string_view input = {}, RunLimits limits = {});

// run() for a program whose failure is our failure: its output, or an Error with the exit status
// and the first line it wrote to standard error.
Result<std::string> run_checked(ChildOptions options, std::string_view input = {},
                                RunLimits limits = {});

}  // namespace sinew::os
