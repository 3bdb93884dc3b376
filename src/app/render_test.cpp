#include "app/render.h"

#include <doctest/doctest.h>

namespace sinew::app {
namespace {

Answer two_peers() {
  return {.value = Value::List{Value::record({{"name", "edge1"}, {"rtt_ms", 7}, {"key", "k1"}}),
                               Value::record({{"name", "gärtnerei"}, {"rtt_ms", 120}})},
          .columns = {{.field = "name", .title = "NAME"},
                      {.field = "rtt_ms", .title = "RTT"},
                      {.field = "key", .title = "KEY", .is_wide = true}}};
}

TEST_CASE("a table aligns text left and numbers right, by characters and not by bytes") {
  CHECK(render(two_peers(), Format::kTable, false) ==
        "NAME       RTT\n"
        "edge1        7\n"
        "gärtnerei  120\n");
}

TEST_CASE("a wide table shows all columns, and a dash for what is missing") {
  CHECK(render(two_peers(), Format::kWide, false) ==
        "NAME       RTT  KEY\n"
        "edge1        7  k1\n"
        "gärtnerei  120  -\n");
}

TEST_CASE("only the titles of a table are coloured") {
  CHECK(render(two_peers(), Format::kTable, true) ==
        "\x1b[1mNAME       RTT\x1b[0m\n"
        "edge1        7\n"
        "gärtnerei  120\n");
}

TEST_CASE("a list of records without columns uses the fields of the first") {
  Answer answer = two_peers();
  answer.columns.clear();
  CHECK(render(answer, Format::kTable, false) ==
        "name       rtt_ms  key\n"
        "edge1           7  k1\n"
        "gärtnerei     120  -\n");
}

TEST_CASE("names of fields are as harmless as their values") {
  const Value hostile = Value::record({{"\x1b[2Jlabel\n", "x"}});
  CHECK(render({.value = hostile}, Format::kTable, false) == "\\x1b[2Jlabel\\n  x\n");
  CHECK(render({.value = Value::List{hostile}}, Format::kTable, false) == "\\x1b[2Jlabel\\n\nx\n");
  CHECK(render({.value = hostile}, Format::kJson, false) ==
        "{\n  \"\\u001b[2Jlabel\\u000a\": \"x\"\n}\n");
}

TEST_CASE("an empty table still shows its titles") {
  Answer answer = two_peers();
  answer.value = Value::List{};
  CHECK(render(answer, Format::kTable, false) == "NAME  RTT\n");
}

TEST_CASE("a record is shown a field a line") {
  const Answer answer{.value = Value::record({{"name", "edge1"}, {"id", 5}})};
  CHECK(render(answer, Format::kTable, false) ==
        "name  edge1\n"
        "id    5\n");
}

TEST_CASE("a list of plain values is shown a value a line") {
  CHECK(render({.value = Value::List{"a", "b"}}, Format::kTable, false) == "a\nb\n");
  CHECK(render({.value = Value::List{}}, Format::kTable, false).empty());
}

TEST_CASE("nothing is shown as nothing, a plain value as itself") {
  CHECK(render({}, Format::kTable, false).empty());
  CHECK(render({.value = 5}, Format::kTable, false) == "5\n");
}

TEST_CASE("text takes the place of a table, never of JSON") {
  const Answer answer{.value = Value::List{}, .text = "as it is\n"};
  CHECK(render(answer, Format::kWide, false) == "as it is\n");
  CHECK(render(answer, Format::kJson, false) == "[]\n");
}

}  // namespace
}  // namespace sinew::app
