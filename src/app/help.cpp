#include "app/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/exit_code.h"
#include "app/options.h"

namespace sinew::app {
namespace {

constexpr std::size_t kTextWidth = 80;

// "  left   right" lines with all the right sides in one column.
std::string two_columns(const std::vector<Candidate>& rows) {
  std::size_t width = 0;
  for (const Candidate& row : rows)
    width = std::max(width, row.word.size());
  std::string out;
  for (const Candidate& row : rows)
    out += fmt::format("  {:<{}}  {}\n", row.word, width, row.summary);
  return out;
}

std::string wrap(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  for (const std::string_view word : split_words(text)) {
    if (column > 0 && column + 1 + word.size() > kTextWidth) {
      out += '\n';
      column = 0;
    }
    if (column > 0) out += ' ';
    out += word;
    column += word.size() + (column > 0 ? 1 : 0);
  }
  return out + '\n';
}

std::string with_choices(std::string_view summary, Words choices) {
  if (choices.empty()) return std::string(summary);
  return fmt::format("{}: {}", summary, fmt::join(choices, ", "));
}

std::string flags_of(const Option& option) {
  std::string out =
      option.letter == 0 ? "    --" : fmt::format("-{}, --", std::string_view(&option.letter, 1));
  out += option.name;
  if (!option.value.empty()) out += fmt::format(" {}", option.value);
  return out;
}

std::vector<Candidate> argument_rows(const Verb& verb) {
  std::vector<Candidate> rows;
  for (const Argument& argument : verb.arguments)
    rows.push_back({std::string(argument.name), with_choices(argument.summary, argument.choices)});
  return rows;
}

std::vector<Candidate> option_rows(const Verb& verb) {
  std::vector<Candidate> rows;
  for (const Option* option : options_of(verb)) {
    std::string summary = with_choices(option->summary, option->choices);
    if (option->is_repeatable) summary += " (may be repeated)";
    rows.push_back({flags_of(*option), std::move(summary)});
  }
  return rows;
}

std::vector<Candidate> verb_rows(const VerbTable& verbs, Words group) {
  std::vector<Candidate> rows;
  for (const Verb& verb : verbs.verbs()) {
    const std::vector<std::string_view> name = split_words(verb.name);
    const bool is_inside =
        name.size() >= group.size() && std::equal(group.begin(), group.end(), name.begin());
    if (!verb.is_hidden && is_inside)
      rows.push_back({std::string(verb.name), std::string(verb.summary)});
  }
  return rows;
}

std::vector<Candidate> exit_code_rows() {
  std::vector<Candidate> rows;
  for (const auto& [code, meaning] : exit_code_meanings())
    rows.push_back({std::to_string(static_cast<int>(code)), std::string(meaning)});
  return rows;
}

}  // namespace

std::string help_on_program(const VerbTable& verbs) {
  return "sinew: one private network for machines nobody can walk up to\n\n"
         "usage: sinew VERB [arguments] [options]\n\n"
         "verbs:\n" +
         two_columns(verb_rows(verbs, {})) +
         "\n'sinew help VERB' shows what a verb takes, with examples. Every verb answers in JSON\n"
         "with -o json.\n\nexit codes:\n" +
         two_columns(exit_code_rows());
}

std::string help_on_group(const VerbTable& verbs, Words group) {
  return fmt::format("usage: sinew {} VERB [arguments] [options]\n\nverbs:\n", join_words(group)) +
         two_columns(verb_rows(verbs, group));
}

std::string help_on_verb(const Verb& verb) {
  std::string out = fmt::format("{}\n\nusage: {}\n", verb.summary, synopsis_of(verb));
  if (!verb.description.empty()) out += '\n' + wrap(verb.description);
  if (!verb.arguments.empty()) out += "\narguments:\n" + two_columns(argument_rows(verb));
  out += "\noptions:\n" + two_columns(option_rows(verb)) + "\nexamples:\n";
  for (const Example& example : verb.examples)
    out += fmt::format("  {}\n      {}\n", example.command, example.effect);
  return out;
}

namespace {

// Text in roff: a backslash, a hyphen that must stay one, and a dot or quote that starts a line.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool starts_line = out.empty() || out.back() == '\n';
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (starts_line && (c == '.' || c == '\'')) {
      out += fmt::format("\\&{}", c);
    } else {
      out += c;
    }
  }
  return out;
}

std::string roff_list(const std::vector<Candidate>& rows) {
  std::string out;
  for (const Candidate& row : rows)
    out += fmt::format(".TP\n.B {}\n{}\n", roff(row.word), roff(row.summary));
  return out;
}

std::string roff_verb(const Verb& verb) {
  std::string out = fmt::format(".SS {}\n.B {}\n.PP\n{}.\n", roff(verb.name),
                                roff(synopsis_of(verb)), roff(verb.summary));
  if (!verb.description.empty()) out += roff(verb.description) + '\n';
  out += roff_list(argument_rows(verb));
  std::vector<Candidate> own = option_rows(verb);
  own.resize(verb.options.size());
  out += roff_list(own);
  for (const Example& example : verb.examples)
    out += fmt::format(".PP\n{}:\n.RS\n.B {}\n.RE\n", roff(example.effect), roff(example.command));
  return out;
}

}  // namespace

std::string manual_page(const VerbTable& verbs, std::string_view version) {
  std::string out = fmt::format(
      ".TH SINEW 1 \"\" \"sinew {}\" \"User Commands\"\n"
      ".SH NAME\nsinew \\- one private network for machines nobody can walk up to\n"
      ".SH SYNOPSIS\n.B sinew\n.I VERB\n[arguments] [options]\n.SH VERBS\n",
      roff(version));
  for (const Verb& verb : verbs.verbs())
    if (!verb.is_hidden) out += roff_verb(verb);
  const Verb none{.name = "", .summary = "", .description = "", .examples = {}, .run = nullptr};
  out += ".SH OPTIONS\nEvery verb takes these.\n" + roff_list(option_rows(none));
  out += ".SH EXIT STATUS\n" + roff_list(exit_code_rows());
  return out;
}

}  // namespace sinew::app
