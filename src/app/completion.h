// Completion of command lines. The shells' scripts are a few lines that ask `sinew complete`; what
// fits is decided here, once for all shells.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "app/verbs.h"

namespace sinew::app {

// What the last of `words` can become; it may be empty. `words` is the command line up to the
// cursor without the program's name.
std::vector<Candidate> complete(const VerbTable& verbs, Words words);

// The script for "bash", "zsh" or "fish".
std::optional<std::string_view> completion_script(std::string_view shell);

}  // namespace sinew::app
