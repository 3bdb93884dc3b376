// From the words of a command line to what is written and how the program ends. No I/O but what
// verbs do.
#pragma once

#include <string>

#include "app/exit_code.h"
#include "app/verbs.h"

namespace sinew::app {

// Where the answers go, as far as it changes how they look.
struct Surroundings {
  bool colours_output = false;
  bool colours_errors = false;
  Console* console = nullptr;  // null: nobody looks
};

struct Finished {
  ExitCode code = ExitCode::kOk;
  std::string output = {};  // for standard output
  std::string errors = {};  // for standard error
};

// Runs the verb that `words`, without the program's name, start with.
Finished run_program(const VerbTable& verbs, Words words, Surroundings surroundings);

}  // namespace sinew::app
