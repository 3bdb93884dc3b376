#include "app/exit_code.h"

#include <array>

#include "base/verify.h"

namespace sinew::app {

ExitCode exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid: return ExitCode::kUsage;
    case ErrorKind::kDenied: return ExitCode::kDenied;
    case ErrorKind::kNotFound: return ExitCode::kNotFound;
    case ErrorKind::kUnavailable: return ExitCode::kNotRunning;
    case ErrorKind::kConflict:
    case ErrorKind::kOverloaded:
    case ErrorKind::kTimeout:
    case ErrorKind::kUnsupported:
    case ErrorKind::kInternal: return ExitCode::kFailed;
  }
  VERIFY_NOT_REACHED();
}

std::string_view next_step_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid: return "Correct it; 'sinew help VERB' shows what each verb takes.";
    case ErrorKind::kDenied: return "Run it as root, or with credentials that allow it.";
    case ErrorKind::kNotFound: return "Check the name.";
    case ErrorKind::kConflict: return "Look at what is there now, then decide.";
    case ErrorKind::kOverloaded: return "Try again later.";
    case ErrorKind::kTimeout: return "Look whether it happened before trying again.";
    case ErrorKind::kUnavailable: return "Check that the other side runs and can be reached.";
    case ErrorKind::kUnsupported: return "This build or machine cannot do it; see 'sinew version'.";
    case ErrorKind::kInternal: return "This is a bug; report it with what 'sinew version' says.";
  }
  VERIFY_NOT_REACHED();
}

std::span<const ExitCodeMeaning> exit_code_meanings() {
  static constexpr std::array kMeanings = {
      ExitCodeMeaning{ExitCode::kOk, "done"},
      ExitCodeMeaning{ExitCode::kFailed, "failed"},
      ExitCodeMeaning{ExitCode::kUsage, "the command line or a value in it is wrong"},
      ExitCodeMeaning{ExitCode::kNotRunning, "the other side does not run or is not connected"},
      ExitCodeMeaning{ExitCode::kDenied, "not allowed"},
      ExitCodeMeaning{ExitCode::kNotFound, "the named thing does not exist"},
  };
  return kMeanings;
}

}  // namespace sinew::app
