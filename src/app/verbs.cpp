#include "app/verbs.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace sinew::app {
namespace {

bool starts_with(Words words, Words prefix) {
  return words.size() >= prefix.size() && std::ranges::equal(words.first(prefix.size()), prefix);
}

}  // namespace

VerbTable VerbTable::of_program() {
  return VerbTable({
      start_verb(),
      stop_verb(),
      status_verb(),
      peers_verb(),
      ping_verb(),
      netcheck_verb(),
      doctor_verb(),
      logs_verb(),
      config_verb(),
      service_install_verb(),
      service_uninstall_verb(),
      nucleus_status_verb(),
      nucleus_nodes_verb(),
      nucleus_forget_verb(),
      bugreport_verb(),
      version_verb(),
      help_verb(),
      completion_verb(),
      complete_verb(),
      wg_verb(),
      relay_verb(),
  });
}

VerbTable::Match VerbTable::find(Words words) const {
  Match best;
  for (const Verb& verb : verbs_) {
    const std::vector<std::string_view> name = split_words(verb.name);
    if (name.size() > best.word_count && starts_with(words, name))
      best = {.verb = &verb, .word_count = name.size()};
  }
  return best;
}

std::vector<Candidate> VerbTable::next_words(Words words) const {
  std::vector<Candidate> found;
  for (const Verb& verb : verbs_) {
    const std::vector<std::string_view> name = split_words(verb.name);
    if (verb.is_hidden || name.size() <= words.size() || !starts_with(name, words)) continue;
    const bool is_last = name.size() == words.size() + 1;
    const std::string word(name[words.size()]);
    const auto known = std::ranges::find(found, word, &Candidate::word);
    if (known != found.end()) {
      known->summary += fmt::format(", {}", name.back());
    } else {
      found.push_back({word, is_last ? std::string(verb.summary) : std::string(name.back())});
    }
  }
  return found;
}

Failure VerbTable::explain_unknown(Words words) const {
  std::size_t known = 0;
  while (known < words.size() && !next_words(words.first(known + 1)).empty())
    ++known;
  const std::vector<Candidate> following = next_words(words.first(known));
  const std::vector<std::string_view> candidates = [&] {
    std::vector<std::string_view> names;
    for (const Candidate& candidate : following)
      names.push_back(candidate.word);
    return names;
  }();
  const std::string group = "sinew " + join_words(words.first(known));
  if (known == words.size()) {
    return {.error = {ErrorKind::kInvalid, "incomplete verb: " + group},
            .next_step = fmt::format("Say which: {}.", fmt::join(candidates, ", "))};
  }
  Error error{ErrorKind::kInvalid, fmt::format("unknown verb: {}", words[known])};
  if (const auto guess = closest(words[known], candidates)) {
    const std::string space = known == 0 ? "" : " ";
    return {.error = std::move(error),
            .next_step = fmt::format("Did you mean '{}{}{}'?", group, space, *guess)};
  }
  const std::string of_group = known == 0 ? "" : " " + join_words(words.first(known));
  return {.error = std::move(error),
          .next_step = fmt::format("'sinew help{}' lists the verbs.", of_group)};
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

std::string join_words(Words words) {
  return fmt::format("{}", fmt::join(words, " "));
}

std::optional<std::string_view> closest(std::string_view word, Words candidates) {
  std::optional<std::string_view> best;
  // A third of the letters may be wrong, so that short words are not guessed from nothing.
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace sinew::app
