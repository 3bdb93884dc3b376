#include "app/completion.h"

namespace sinew::app {
namespace {

Outcome run(const Invocation& invocation) {
  const auto arguments = invocation.arguments();
  const std::vector<std::string_view> words(arguments.begin(), arguments.end());
  Value::List list;
  std::string text;
  for (const Candidate& candidate : complete(invocation.verbs(), words)) {
    list.push_back(Value::record({{"word", candidate.word}, {"summary", candidate.summary}}));
    text += candidate.word + '\t' + candidate.summary + '\n';
  }
  return Answer{.value = std::move(list), .text = std::move(text)};
}

}  // namespace

Verb complete_verb() {
  return {
      .name = "complete",
      .summary = "List what the last word of a command line can become",
      .description = "The completion scripts ask this. A line is a word, a tab and what it means.",
      .arguments = {{.name = "WORD",
                     .summary = "The words of the command line up to the cursor",
                     .is_optional = true,
                     .is_repeatable = true}},
      .examples = {{"sinew complete -- ver", "What 'ver' can become"}},
      .is_hidden = true,
      .run = run,
  };
}

}  // namespace sinew::app
