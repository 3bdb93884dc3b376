// What the program tells the shell. Scripts rely on these numbers; they never change their meaning.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace sinew::app {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,
  kUsage = 2,
  kNotRunning = 3,
  kDenied = 4,
  kNotFound = 5,
};

ExitCode exit_code_of(ErrorKind kind);

// The line of help below an error that brings no advice of its own.
std::string_view next_step_of(ErrorKind kind);

struct ExitCodeMeaning {
  ExitCode code;
  std::string_view meaning;
};

// All of them, for help and manual.
std::span<const ExitCodeMeaning> exit_code_meanings();

}  // namespace sinew::app
