#include "app/completion.h"

#include <fmt/format.h>

#include <algorithm>

#include "app/options.h"

namespace sinew::app {
namespace {

// The option that waits for its value at the end of `words`.
const Option* open_option(const std::vector<const Option*>& options, Words words) {
  if (words.empty() || !words.back().starts_with('-')) return nullptr;
  for (const Option* option : options) {
    const bool is_named = words.back() == fmt::format("--{}", option->name) ||
                          (option->letter != 0 && words.back().back() == option->letter &&
                           !words.back().starts_with("--"));
    if (is_named && !option->value.empty()) return option;
  }
  return nullptr;
}

std::vector<Candidate> from_choices(Words choices, std::string_view prefix = {}) {
  std::vector<Candidate> out;
  for (const std::string_view choice : choices)
    out.push_back({fmt::format("{}{}", prefix, choice), ""});
  return out;
}

// Those after "--name=".
std::vector<Candidate> attached_values(const std::vector<const Option*>& options,
                                       std::string_view typed) {
  for (const Option* option : options) {
    const std::string prefix = fmt::format("--{}=", option->name);
    if (typed.starts_with(prefix)) return from_choices(option->choices, prefix);
  }
  return {};
}

std::vector<Candidate> option_names(const std::vector<const Option*>& options) {
  std::vector<Candidate> out;
  for (const Option* option : options)
    out.push_back({fmt::format("--{}", option->name), std::string(option->summary)});
  return out;
}

// The words of `words` that are arguments.
std::vector<std::string_view> arguments_in(const std::vector<const Option*>& options, Words words) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (open_option(options, words.first(i)) != nullptr) continue;
    if (!words[i].starts_with('-')) out.push_back(words[i]);
  }
  return out;
}

std::vector<Candidate> all_behind_verb(const VerbTable& verbs, const Verb& verb, Words before,
                                       std::string_view typed) {
  const std::vector<const Option*> options = options_of(verb);
  const bool is_past_options = std::ranges::find(before, "--") != before.end();
  if (!is_past_options) {
    if (const Option* open = open_option(options, before)) return from_choices(open->choices);
    if (typed.starts_with("--") && typed.contains('=')) return attached_values(options, typed);
    if (typed.starts_with('-')) return option_names(options);
  }
  const std::vector<std::string_view> given = arguments_in(options, before);
  if (verb.arguments.empty()) return {};
  const Argument& argument = verb.arguments[std::min(given.size(), verb.arguments.size() - 1)];
  if (given.size() >= verb.arguments.size() && !argument.is_repeatable) return {};
  if (argument.candidates != nullptr) return argument.candidates(verbs, given);
  return from_choices(argument.choices);
}

// Asks with the name under which the shell knows the program, so that a build that is not in PATH
// completes itself. Readline breaks words at '='; the script joins them again, and answers with
// what stands behind it.
constexpr std::string_view kBash = R"sh(# bash completion for sinew: source <(sinew completion bash)
_sinew() {
  local words=() word line prefix i last
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    last=$((${#words[@]} - 1))
    if ((last >= 0)) && [[ $word == "=" || ${COMP_WORDS[i - 1]} == "=" ]]; then
      words[last]+=$word
    else
      words+=("$word")
    fi
  done
  prefix=
  if [[ $word != "${words[-1]}" ]]; then
    prefix=${words[-1]%%=*}=
  fi
  COMPREPLY=()
  while IFS= read -r line; do
    line=${line%%$'\t'*}
    COMPREPLY+=("${line#"$prefix"}")
  done < <("${COMP_WORDS[0]}" complete -- "${words[@]}" 2>/dev/null)
}
complete -o default -F _sinew sinew
)sh";

constexpr std::string_view kZsh = R"sh(#compdef sinew
# zsh completion for sinew: source <(sinew completion zsh), or a file _sinew in fpath
_sinew() {
  local -a candidates
  local line tab=$'\t'
  for line in ${(f)"$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
    candidates+=("${${line%%$tab*}//:/\\:}:${line#*$tab}")
  done
  if (( ${#candidates} > 0 )); then
    _describe 'sinew' candidates
  else
    _files
  fi
}
if [[ ${funcstack[1]:-} == _sinew ]]; then
  _sinew "$@"
else
  compdef _sinew sinew
fi
)sh";

constexpr std::string_view kFish = R"sh(# fish completion for sinew: sinew completion fish | source
function __sinew_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    $words[1] complete -- $words[2..] "$typed" 2>/dev/null
end
complete -c sinew -f -a '(__sinew_complete)'
)sh";

}  // namespace

std::vector<Candidate> complete(const VerbTable& verbs, Words words) {
  if (words.empty()) return {};
  const std::string_view typed = words.back();
  const Words before = words.first(words.size() - 1);
  const auto [verb, word_count] = verbs.find(before);
  std::vector<Candidate> found = verbs.next_words(before);
  if (verb != nullptr) {
    const auto more = all_behind_verb(verbs, *verb, before.subspan(word_count), typed);
    found.insert(found.end(), more.begin(), more.end());
  }
  std::erase_if(found, [&](const Candidate& each) { return !each.word.starts_with(typed); });
  return found;
}

std::optional<std::string_view> completion_script(std::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return std::nullopt;
}

}  // namespace sinew::app
