// The verbs of the program, and finding one by what was typed.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/verb.h"

namespace sinew::app {

// Each is defined in verb_<name>.cpp.
Verb bugreport_verb();
Verb complete_verb();
Verb completion_verb();
Verb config_verb();
Verb doctor_verb();
Verb help_verb();
Verb logs_verb();
Verb netcheck_verb();
Verb nucleus_forget_verb();
Verb nucleus_nodes_verb();
Verb nucleus_status_verb();
Verb peers_verb();
Verb ping_verb();
Verb service_install_verb();
Verb service_uninstall_verb();
Verb start_verb();
Verb status_verb();
Verb stop_verb();
Verb relay_verb();
Verb version_verb();
Verb wg_verb();

class VerbTable {
 public:
  explicit VerbTable(std::vector<Verb> verbs) : verbs_(std::move(verbs)) {}
  // The verbs above.
  static VerbTable of_program();

  std::span<const Verb> verbs() const { return verbs_; }

  struct Match {
    const Verb* verb = nullptr;
    std::size_t word_count = 0;  // of the verb's name
  };
  // The verb that `words` start with: of "peer" and "peer list" the longer one.
  Match find(Words words) const;

  // The words that can follow `words` on the way to a verb, without hidden verbs.
  std::vector<Candidate> next_words(Words words) const;

  // Why `words` name no verb, with a guess at what was meant.
  Failure explain_unknown(Words words) const;

 private:
  std::vector<Verb> verbs_;
};

// "peer list" as {"peer", "list"}.
std::vector<std::string_view> split_words(std::string_view text);
std::string join_words(Words words);

// The candidate nearest to `word`, unless all are too far away to be a slip of the fingers.
std::optional<std::string_view> closest(std::string_view word, Words candidates);

}  // namespace sinew::app
