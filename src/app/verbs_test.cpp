#include "app/verbs.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "app/completion.h"
#include "app/help.h"
#include "app/options.h"
#include "app/testing.h"

namespace sinew::app {
namespace {

using Typed = std::vector<std::string_view>;

TEST_CASE("every verb has a summary, an example of itself, and says what each word of it means") {
  std::set<std::string_view> names;
  for (const Verb& verb : VerbTable::of_program().verbs()) {
    CAPTURE(verb.name);
    CHECK(names.insert(verb.name).second);
    CHECK(!verb.summary.empty());
    CHECK(!verb.summary.ends_with('.'));
    CHECK(verb.summary.size() <= 70);
    CHECK(verb.description.ends_with('.'));
    REQUIRE(!verb.examples.empty());
    for (const Example& example : verb.examples) {
      CHECK(example.command.contains("sinew " + std::string(verb.name)));
      CHECK(!example.effect.empty());
    }
    for (const Argument& argument : verb.arguments)
      CHECK(!argument.summary.empty());
    for (const Option& option : verb.options)
      CHECK(!option.summary.empty());
  }
}

TEST_CASE("every example is a command line that its verb understands") {
  const VerbTable verbs = VerbTable::of_program();
  for (const Verb& verb : verbs.verbs()) {
    for (const Example& example : verb.examples) {
      CAPTURE(example.command);
      std::string_view command = example.command;
      command = command.substr(command.find("sinew "));
      command = command.substr(0, command.find(" |"));
      if (command.ends_with(')')) command.remove_suffix(1);
      std::vector<std::string_view> words = split_words(command);
      // A shell's business: what follows in the same line.
      for (const std::string_view end : {"&&", ">", "<(sinew", ">>"})
        words.erase(std::ranges::find(words, end), words.end());
      words.erase(words.begin());
      const auto [found, count] = verbs.find(words);
      REQUIRE(found != nullptr);
      CHECK(found->name == verb.name);
      const auto parsed = parse(verbs, *found, Words(words).subspan(count));
      if (!parsed) FAIL_CHECK(parsed.error().error.message);
    }
  }
}

TEST_CASE("every verb that asks a node can be told which") {
  for (const Verb& verb : VerbTable::of_program().verbs()) {
    const std::set<std::string_view> local = {"version",  "help", "completion",
                                              "complete", "wg",   "service uninstall"};
    CAPTURE(verb.name);
    const bool can_be_told = std::ranges::any_of(
        verb.options, [](const Option& option) { return option.name == "state-dir"; });
    CHECK(can_be_told != local.contains(verb.name));
  }
}

TEST_CASE("every verb is offered by completion and explained by help") {
  const VerbTable verbs = VerbTable::of_program();
  for (const Verb& verb : verbs.verbs()) {
    CAPTURE(verb.name);
    const std::string help = help_on_verb(verb);
    CHECK(help.contains("examples:\n  "));
    CHECK(help.contains("--output FORMAT"));
    if (verb.is_hidden) continue;
    std::vector<std::string_view> words = split_words(verb.name);
    const std::string last(words.back());
    const std::vector<Candidate> offered = complete(verbs, words);
    CHECK(std::ranges::find(offered, last, &Candidate::word) != offered.end());
    CHECK(help_on_program(verbs).contains(verb.summary));
  }
}

TEST_CASE("the longest verb that the words start with is meant, in whatever order they stand") {
  const auto named = [](std::string_view name) {
    return Verb{.name = name, .summary = "", .description = "", .examples = {}, .run = nullptr};
  };
  for (const VerbTable& either : {VerbTable({named("peer"), named("peer list")}),
                                  VerbTable({named("peer list"), named("peer")})}) {
    CHECK(either.find(Typed{"peer", "list"}).verb->name == "peer list");
    CHECK(either.find(Typed{"peer", "x"}).verb->name == "peer");
  }
  const VerbTable verbs = peer_verbs();
  CHECK(verbs.find(Typed{"peer", "list", "x"}).verb->name == "peer list");
  CHECK(verbs.find(Typed{"peer", "list", "x"}).word_count == 2);
  CHECK(verbs.find(Typed{"peer"}).verb == nullptr);
  CHECK(verbs.find(Typed{}).verb == nullptr);
}

TEST_CASE("the words that follow are those of the level, without hidden verbs") {
  const VerbTable verbs = peer_verbs();
  CHECK(verbs.next_words({}) == std::vector<Candidate>{{"peer", "list, set"}});
  CHECK(verbs.next_words(Typed{"peer"}) ==
        std::vector<Candidate>{{"list", "List peers"}, {"set", "Change a peer"}});
  CHECK(verbs.next_words(Typed{"peer", "list"}).empty());
}

TEST_CASE("an unknown verb is explained with a guess at its level") {
  const VerbTable verbs = peer_verbs();
  const auto explain = [&](const Typed& words) {
    const Failure failure = verbs.explain_unknown(words);
    return failure.error.message + " / " + failure.next_step;
  };
  CHECK(explain({"pere", "list"}) == "unknown verb: pere / Did you mean 'sinew peer'?");
  CHECK(explain({"peer", "lst"}) == "unknown verb: lst / Did you mean 'sinew peer list'?");
  CHECK(explain({"peer"}) == "incomplete verb: sinew peer / Say which: list, set.");
  CHECK(explain({"xyzzy"}) == "unknown verb: xyzzy / 'sinew help' lists the verbs.");
}

TEST_CASE("a guess is not made from nothing") {
  const Typed candidates = {"peer", "relay"};
  CHECK(closest("peers", candidates) == "peer");
  CHECK(closest("rleay", candidates) == "relay");
  CHECK(closest("xx", candidates) == std::nullopt);
  CHECK(closest("", candidates) == std::nullopt);
}

TEST_CASE("names split into words and join again") {
  CHECK(split_words("peer list") == Typed{"peer", "list"});
  CHECK(split_words("").empty());
  CHECK(join_words(Typed{"peer", "list"}) == "peer list");
}

}  // namespace
}  // namespace sinew::app
