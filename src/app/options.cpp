#include "app/options.h"

#include <fmt/format.h>

#include <algorithm>

namespace sinew::app {
namespace {

using Checked = std::expected<void, Failure>;

std::unexpected<Failure> usage_error(const Verb& verb, std::string message,
                                     std::string next_step = {}) {
  if (next_step.empty()) next_step = fmt::format("'sinew help {}' shows what it takes.", verb.name);
  return std::unexpected(Failure{.error = {ErrorKind::kInvalid, std::move(message)},
                                 .next_step = std::move(next_step)});
}

Checked check_choice(const Verb& verb, std::string_view what, std::string_view value,
                     Words choices) {
  if (choices.empty() || std::ranges::find(choices, value) != choices.end()) return {};
  const auto guess = closest(value, choices);
  return usage_error(verb,
                     fmt::format("{}: '{}' is none of {}", what, value, fmt::join(choices, ", ")),
                     guess ? fmt::format("Did you mean '{}'?", *guess) : "");
}

class Parser {
 public:
  Parser(const VerbTable& verbs, const Verb& verb, Words words)
      : verb_(verb), options_(options_of(verb)), rest_(words), result_(verbs, verb) {}

  std::expected<Invocation, Failure> run() {
    const bool wants_help = asks_for_help(rest_);
    while (!rest_.empty()) {
      if (Checked taken = take_next(); !taken && !wants_help)
        return std::unexpected(std::move(taken).error());
    }
    if (wants_help) {
      if (!result_.has("help")) result_.add_value("help", "");
      return std::move(result_);
    }
    if (Checked counted = check_arguments(); !counted)
      return std::unexpected(std::move(counted).error());
    return std::move(result_);
  }

 private:
  std::string_view take_word() {
    const std::string_view word = rest_.front();
    rest_ = rest_.subspan(1);
    return word;
  }

  Checked take_next() {
    const std::string_view word = take_word();
    if (is_past_options_ || !word.starts_with('-') || word == "-") {
      result_.add_argument(word);
      return {};
    }
    if (word == "--") {
      is_past_options_ = true;
      return {};
    }
    return word.starts_with("--") ? take_long(word) : take_letters(word);
  }

  Checked take_long(std::string_view word) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(2, equals - 2);
    const auto found = std::ranges::find(options_, name, &Option::name);
    if (found == options_.end()) return unknown_option(word.substr(0, equals), name);
    const Option& option = **found;
    if (equals == std::string_view::npos) return take_value(option, word);
    if (option.value.empty())
      return usage_error(verb_, fmt::format("--{} takes no value", option.name));
    return add(option, word.substr(equals + 1));
  }

  // "-o", "-ojson", or several switches.
  Checked take_letters(std::string_view word) {
    for (std::size_t i = 1; i < word.size(); ++i) {
      const auto found = std::ranges::find(options_, word[i], &Option::letter);
      const std::string_view shown = word.substr(i, 1);
      if (found == options_.end()) return unknown_option("-" + std::string(shown), "");
      const Option& option = **found;
      if (option.value.empty()) {
        if (Checked added = add(option, ""); !added) return added;
        continue;
      }
      if (i + 1 < word.size()) return add(option, word.substr(i + 1));
      return take_value(option, "-" + std::string(shown));
    }
    return {};
  }

  Checked take_value(const Option& option, std::string_view shown) {
    if (option.value.empty()) return add(option, "");
    if (rest_.empty())
      return usage_error(verb_, fmt::format("{} needs a value: {}", shown, option.value));
    return add(option, take_word());
  }

  Checked add(const Option& option, std::string_view value) {
    const std::string shown = fmt::format("--{}", option.name);
    if (!option.is_repeatable && !option.value.empty() && result_.has(option.name))
      return usage_error(verb_, fmt::format("{} is given twice", shown), "Leave one of them out.");
    if (Checked checked = check_choice(verb_, shown, value, option.choices); !checked)
      return checked;
    result_.add_value(option.name, value);
    return {};
  }

  Checked unknown_option(std::string_view shown, std::string_view name) {
    std::vector<std::string_view> names;
    for (const Option* option : options_)
      names.push_back(option->name);
    const auto guess = name.empty() ? std::nullopt : closest(name, names);
    return usage_error(verb_, fmt::format("unknown option: {}", shown),
                       guess ? fmt::format("Did you mean '--{}'?", *guess) : "");
  }

  Checked check_arguments() {
    const std::span<const std::string> given = result_.arguments();
    const std::vector<Argument>& declared = verb_.arguments;
    const bool takes_more = !declared.empty() && declared.back().is_repeatable;
    if (given.size() > declared.size() && !takes_more) {
      return usage_error(verb_, fmt::format("not expected: {}", given[declared.size()]));
    }
    for (std::size_t i = 0; i < declared.size(); ++i) {
      if (i >= given.size() && !declared[i].is_optional)
        return usage_error(verb_, fmt::format("{} is missing", declared[i].name));
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      const Argument& argument = declared[std::min(i, declared.size() - 1)];
      if (Checked checked = check_choice(verb_, argument.name, given[i], argument.choices);
          !checked)
        return checked;
    }
    return {};
  }

  const Verb& verb_;
  std::vector<const Option*> options_;
  Words rest_;
  Invocation result_;
  bool is_past_options_ = false;
};

Words before_separator(Words words) {
  const auto end = std::ranges::find(words, "--");
  return {words.begin(), end};
}

}  // namespace

std::expected<Invocation, Failure> parse(const VerbTable& verbs, const Verb& verb, Words words) {
  return Parser(verbs, verb, words).run();
}

std::vector<const Option*> options_of(const Verb& verb) {
  std::vector<const Option*> all;
  for (const Option& option : verb.options)
    all.push_back(&option);
  for (const Option& option : common_options())
    all.push_back(&option);
  return all;
}

bool asks_for_json(Words words) {
  words = before_separator(words);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "-ojson" || words[i] == "--output=json") return true;
    const bool takes_next = words[i] == "-o" || words[i] == "--output";
    if (takes_next && i + 1 < words.size() && words[i + 1] == "json") return true;
  }
  return false;
}

bool asks_for_help(Words words) {
  words = before_separator(words);
  return std::ranges::find(words, "--help") != words.end() ||
         std::ranges::find(words, "-h") != words.end();
}

}  // namespace sinew::app
