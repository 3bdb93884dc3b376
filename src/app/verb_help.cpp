#include "app/build_info.h"
#include "app/help.h"

namespace sinew::app {
namespace {

Value list_of(std::span<const Verb> verbs) {
  Value::List list;
  for (const Verb& verb : verbs) {
    if (verb.is_hidden) continue;
    list.push_back(Value::record(
        {{"verb", verb.name}, {"summary", verb.summary}, {"synopsis", synopsis_of(verb)}}));
  }
  return list;
}

Outcome run(const Invocation& invocation) {
  const VerbTable& verbs = invocation.verbs();
  Answer answer{.value = list_of(verbs.verbs())};
  if (invocation.has("man")) {
    answer.text = manual_page(verbs, build_info().version);
    return answer;
  }
  const auto arguments = invocation.arguments();
  const std::vector<std::string_view> words(arguments.begin(), arguments.end());
  const auto [verb, word_count] = verbs.find(words);
  if (words.empty()) {
    answer.text = help_on_program(verbs);
  } else if (verb != nullptr && word_count == words.size()) {
    answer.value = list_of({verb, 1});
    answer.text = help_on_verb(*verb);
  } else if (!verbs.next_words(words).empty()) {
    answer.text = help_on_group(verbs, words);
  } else {
    return verbs.explain_unknown(words);
  }
  return answer;
}

std::vector<Candidate> verb_words(const VerbTable& verbs, Words before) {
  return verbs.next_words(before);
}

}  // namespace

Verb help_verb() {
  return {
      .name = "help",
      .summary = "Show what verbs there are and what each takes",
      .description = "Without a verb, lists all of them.",
      .arguments = {{.name = "VERB",
                     .summary = "The verb to explain",
                     .is_optional = true,
                     .is_repeatable = true,
                     .candidates = verb_words}},
      .options = {{.name = "man", .summary = "Write the manual page sinew(1) instead"}},
      .examples = {{"sinew help version", "Explain one verb; sinew version --help is the same"},
                   {"sinew help --man | man -l -", "Read the manual"}},
      .run = run,
  };
}

}  // namespace sinew::app
