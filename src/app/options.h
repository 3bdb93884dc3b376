// The words behind a verb become an Invocation. Options and arguments may mix; `--name value`,
// `--name=value`, `-n value`, `-nvalue` and `-ab` for two switches mean what they mean elsewhere,
// and everything behind `--` is an argument. An option is never abbreviated, so that adding one
// breaks no script.
#pragma once

#include <expected>

#include "app/verb.h"
#include "app/verbs.h"

namespace sinew::app {

// What is wrong, and the nearest thing that is right. When the words ask for --help nothing else
// matters: the invocation has "help", and arguments may be missing.
std::expected<Invocation, Failure> parse(const VerbTable& verbs, const Verb& verb, Words words);

// The options a verb takes, its own first.
std::vector<const Option*> options_of(const Verb& verb);

// Whether the words ask for JSON, also when they do not parse: an error then is JSON as well.
bool asks_for_json(Words words);
bool asks_for_help(Words words);

}  // namespace sinew::app
