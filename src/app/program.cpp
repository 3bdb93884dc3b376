#include "app/program.h"

#include <fmt/format.h>

#include <array>

#include "app/help.h"
#include "app/options.h"
#include "base/text.h"

namespace sinew::app {
namespace {

// "sinew: what: why" and the next step, or the same as JSON for who asked for JSON.
Finished fail(const Failure& failure, bool as_json, bool has_colour) {
  const auto& [kind, message] = failure.error;
  const ExitCode code = exit_code_of(kind);
  const std::string_view next_step =
      failure.next_step.empty() ? next_step_of(kind) : failure.next_step;
  if (as_json) {
    const Value error = Value::record({{"kind", name_of(kind)},
                                       {"message", message},
                                       {"next_step", next_step},
                                       {"exit_code", static_cast<int>(code)}});
    return {.code = code, .errors = Value::record({{"error", error}}).to_json() + '\n'};
  }
  const std::string_view name = has_colour ? "\x1b[31msinew:\x1b[0m" : "sinew:";
  return {.code = code,
          .errors = fmt::format("{} {}\n{}\n", name, escape_for_terminal(message),
                                escape_for_terminal(next_step))};
}

// The ways of asking that are not verbs.
Words as_verb(Words words) {
  static constexpr std::array<std::string_view, 1> kHelp = {"help"};
  static constexpr std::array<std::string_view, 1> kVersion = {"version"};
  if (words.empty()) return kHelp;
  if (words.size() == 1 && (words[0] == "--help" || words[0] == "-h")) return kHelp;
  if (words.size() == 1 && (words[0] == "--version" || words[0] == "-V")) return kVersion;
  return words;
}

Failure misplaced_option(std::string_view word) {
  return {.error = {ErrorKind::kInvalid, fmt::format("option before the verb: {}", word)},
          .next_step = "Options stand behind the verb: sinew VERB [options]."};
}

Outcome run_verb(const VerbTable& verbs, Words words, Console& console, Format& format) {
  const auto [verb, word_count] = verbs.find(words);
  if (verb == nullptr) {
    if (words[0].starts_with('-')) return misplaced_option(words[0]);
    const bool is_group = words.size() > 1 && asks_for_help(words.subspan(1)) &&
                          !verbs.next_words(words.first(1)).empty();
    if (is_group) return Answer{.value = {}, .text = help_on_group(verbs, words.first(1))};
    return verbs.explain_unknown(words);
  }
  auto invocation = parse(verbs, *verb, words.subspan(word_count));
  if (!invocation) return invocation.error();
  invocation->set_console(console);
  format = invocation->format();
  if (invocation->has("help")) {
    format = Format::kTable;
    return Answer{.value = {}, .text = help_on_verb(*verb)};
  }
  Outcome outcome = verb->run(*invocation);
  const bool is_unexplained = !outcome && outcome.error().next_step.empty();
  if (is_unexplained && outcome.error().error.kind == ErrorKind::kInvalid)
    outcome.error().next_step =
        fmt::format("Correct it; 'sinew help {}' shows what it takes.", verb->name);
  return outcome;
}

}  // namespace

Finished run_program(const VerbTable& verbs, Words words, Surroundings surroundings) {
  words = as_verb(words);
  Format format = Format::kTable;
  SilentConsole silent;
  Console& console = surroundings.console != nullptr ? *surroundings.console : silent;
  const Outcome outcome = run_verb(verbs, words, console, format);
  if (!outcome) return fail(outcome.error(), asks_for_json(words), surroundings.colours_errors);
  return {.output = render(*outcome, format, surroundings.colours_output)};
}

}  // namespace sinew::app
