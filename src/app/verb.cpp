#include "app/verb.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew::app {
namespace {

bool declares(const Verb& verb, std::string_view option) {
  const auto is_it = [option](const Option& declared) { return declared.name == option; };
  return std::ranges::any_of(verb.options, is_it) || std::ranges::any_of(common_options(), is_it);
}

}  // namespace

std::span<const Option> common_options() {
  static const std::vector<Option> kOptions = {
      {.name = "output",
       .letter = 'o',
       .value = "FORMAT",
       .summary = "How to answer",
       .choices = {"table", "wide", "json"}},
      {.name = "help", .letter = 'h', .summary = "Show help on this verb"},
  };
  return kOptions;
}

std::string synopsis_of(const Verb& verb) {
  std::string out = "sinew " + std::string(verb.name);
  for (const Argument& argument : verb.arguments) {
    std::string shown(argument.name);
    if (argument.is_repeatable) shown += "...";
    out += argument.is_optional ? " [" + shown + "]" : " " + shown;
  }
  return out + " [options]";
}

std::optional<std::string_view> Invocation::value(std::string_view option) const {
  const std::span<const std::string> all = values(option);
  if (all.empty()) return std::nullopt;
  return all.back();
}

std::span<const std::string> Invocation::values(std::string_view option) const {
  VERIFY(declares(*verb_, option));
  const auto found = options_.find(option);
  if (found == options_.end()) return {};
  return found->second;
}

Format Invocation::format() const {
  const std::string_view name = value("output").value_or("table");
  if (name == "json") return Format::kJson;
  return name == "wide" ? Format::kWide : Format::kTable;
}

void Invocation::add_value(std::string_view option, std::string_view value) {
  VERIFY(declares(*verb_, option));
  options_[std::string(option)].emplace_back(value);
}

}  // namespace sinew::app
