// A verb of the command line, declared once: parsing, help, manual, completion and the guesses at
// mistyped words are all made from this declaration.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/console.h"
#include "app/render.h"
#include "base/result.h"

namespace sinew::app {

class Invocation;
class VerbTable;

using Words = std::span<const std::string_view>;

// A word that can stand at some place of a command line, and what it means.
struct Candidate {
  std::string word;
  std::string summary;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// --name VALUE, or a switch when `value` is empty.
struct Option {
  std::string_view name;
  char letter = 0;
  std::string_view value = {};
  std::string_view summary;
  std::vector<std::string_view> choices = {};  // when not empty, nothing else is accepted
  bool is_repeatable = false;
};

struct Argument {
  std::string_view name;
  std::string_view summary;
  std::vector<std::string_view> choices = {};
  bool is_optional = false;
  bool is_repeatable = false;  // the last one may be
  // What completion offers here, given the arguments before, where it cannot be listed beforehand.
  std::vector<Candidate> (*candidates)(const VerbTable& verbs, Words before) = nullptr;
};

struct Example {
  std::string_view command;
  std::string_view effect;
};

// An error and what to do next; the advice for the error's kind when `next_step` is empty.
struct Failure {
  Error error;
  std::string next_step = {};
};

// What running a verb gives. TRY works in a function that returns one.
class [[nodiscard]] Outcome : public std::expected<Answer, Failure> {
 public:
  using expected::expected;
  Outcome(Error error) : expected(std::unexpected(Failure{std::move(error)})) {}
  Outcome(Failure failure) : expected(std::unexpected(std::move(failure))) {}
};

struct Verb {
  std::string_view name;         // "version", or "peer list": a word for each level
  std::string_view summary;      // one line without a dot at its end
  std::string_view description;  // more, in sentences
  std::vector<Argument> arguments = {};
  std::vector<Option> options = {};  // beside those that every verb has
  std::vector<Example> examples;
  bool is_hidden = false;  // works, but help and completion do not offer it
  Outcome (*run)(const Invocation&);
};

// --output and --help.
std::span<const Option> common_options();

// "sinew completion SHELL [options]"
std::string synopsis_of(const Verb& verb);

// One use of a verb: its options and arguments, checked against the declaration. Asking for an
// option that the verb does not declare is a bug.
class Invocation {
 public:
  Invocation(const VerbTable& verbs, const Verb& verb) : verbs_(&verbs), verb_(&verb) {}

  const VerbTable& verbs() const { return *verbs_; }
  // Lives as long as the verb runs.
  Console& console() const { return *console_; }
  const Verb& verb() const { return *verb_; }
  bool has(std::string_view option) const { return !values(option).empty(); }
  std::optional<std::string_view> value(std::string_view option) const;
  // In the order given. A switch has an empty text for each time it was given.
  std::span<const std::string> values(std::string_view option) const;
  std::span<const std::string> arguments() const { return arguments_; }
  Format format() const;

  void set_console(Console& console) { console_ = &console; }
  void add_value(std::string_view option, std::string_view value);
  void add_argument(std::string_view word) { arguments_.emplace_back(word); }

 private:
  const VerbTable* verbs_;
  const Verb* verb_;
  Console* console_ = nullptr;
  std::map<std::string, std::vector<std::string>, std::less<>> options_;
  std::vector<std::string> arguments_;
};

}  // namespace sinew::app
