// The table of verbs as text: for the terminal and as a manual page.
#pragma once

#include <string>

#include "app/verbs.h"

namespace sinew::app {

// All verbs, a line each.
std::string help_on_program(const VerbTable& verbs);
// The verbs below a word such as "peer".
std::string help_on_group(const VerbTable& verbs, Words group);
std::string help_on_verb(const Verb& verb);

// sinew(1) in roff, for man(1). Depends on nothing but the table, so that packages are repeatable.
std::string manual_page(const VerbTable& verbs, std::string_view version);

}  // namespace sinew::app
