#include "app/program.h"

#include <doctest/doctest.h>

#include <set>

#include "app/help.h"
#include "app/testing.h"

namespace sinew::app {
namespace {

Finished run(const std::vector<std::string_view>& words, Surroundings surroundings = {}) {
  return run_program(peer_verbs(), words, surroundings);
}

TEST_CASE("a verb's answer goes to standard output in the format asked for") {
  const Finished table = run({"peer", "list"});
  CHECK(table.code == ExitCode::kOk);
  CHECK(table.output == "ran  peer list\n");
  CHECK(table.errors.empty());
  CHECK(run({"peer", "list", "-o", "json"}).output == "{\n  \"ran\": \"peer list\"\n}\n");
}

TEST_CASE("an error goes to standard error with its next step and its exit code") {
  const Finished finished = run({"probe"});
  CHECK(finished.code == ExitCode::kNotRunning);
  CHECK(finished.output.empty());
  CHECK(finished.errors ==
        "sinew: probe: no node\nCheck that the other side runs and can be reached.\n");
}

TEST_CASE("an error is JSON for who asked for JSON, also when the words do not parse") {
  CHECK(run({"probe", "-o", "json"}).errors == R"({
  "error": {
    "kind": "unavailable",
    "message": "probe: no node",
    "next_step": "Check that the other side runs and can be reached.",
    "exit_code": 3
  }
}
)");
  CHECK(run({"prbe", "-o", "json"}).errors.starts_with("{"));
  CHECK(run({"peer", "list", "--bogus", "-ojson"}).errors.starts_with("{"));
}

TEST_CASE("what was typed comes back harmless") {
  CHECK(run({"\x1b[2J"}).errors.starts_with("sinew: unknown verb: \\x1b[2J\n"));
  CHECK(!run({"-\x1b"}).errors.contains('\x1b'));
  CHECK(!run({"peer", "list", "--\x1b=1"}).errors.contains('\x1b'));
}

TEST_CASE("only the name in an error is coloured") {
  CHECK(run({"probe"}, {.colours_errors = true}).errors.starts_with("\x1b[31msinew:\x1b[0m probe"));
}

TEST_CASE("help is reached with and without the verb") {
  const VerbTable verbs = VerbTable::of_program();
  const std::string overview = help_on_program(verbs);
  const auto output = [&](std::vector<std::string_view> words) {
    return run_program(verbs, words, {}).output;
  };
  CHECK(output({}) == overview);
  CHECK(output({"--help"}) == overview);
  CHECK(output({"-h"}) == overview);
  CHECK(output({"help"}) == overview);
  CHECK(output({"version", "--help"}) == output({"help", "version"}));
  CHECK(output({"--version"}) == output({"version"}));
  CHECK(output({"help", "-o", "json"}).starts_with("[\n"));
}

TEST_CASE("help on the first word of several verbs lists them") {
  const std::string list = run({"peer", "--help"}).output;
  CHECK(list.contains("peer list  List peers"));
  CHECK(list.contains("peer set   Change a peer"));
}

TEST_CASE("an option before the verb is refused with the right order") {
  const Finished finished = run({"-f", "peer", "list"});
  CHECK(finished.code == ExitCode::kUsage);
  CHECK(finished.errors.contains("Options stand behind the verb"));
}

TEST_CASE("every kind of error has an exit code that help explains, and a next step") {
  std::set<ExitCode> explained;
  for (const auto& [code, meaning] : exit_code_meanings())
    explained.insert(code);
  for (int i = 0; i <= static_cast<int>(ErrorKind::kInternal); ++i) {
    const auto kind = static_cast<ErrorKind>(i);
    CHECK(exit_code_of(kind) != ExitCode::kOk);
    CHECK(explained.contains(exit_code_of(kind)));
    CHECK(!next_step_of(kind).empty());
  }
}

TEST_CASE("the manual page keeps hyphens, and no line of text is taken for a request") {
  const VerbTable verbs({{.name = "x",
                          .summary = ".start",
                          .description = "Takes --all. A \\ too.",
                          .examples = {{"sinew x", "'quoted"}},
                          .run = nullptr}});
  const std::string page = manual_page(verbs, "1.2.3");
  CHECK(page.starts_with(".TH SINEW 1 \"\" \"sinew 1.2.3\""));
  CHECK(page.contains("\n\\&.start.\n"));
  CHECK(page.contains("Takes \\-\\-all. A \\e too.\n"));
  CHECK(page.contains("\n\\&'quoted:\n"));
  CHECK(page.contains(".SH EXIT STATUS"));
}

}  // namespace
}  // namespace sinew::app
