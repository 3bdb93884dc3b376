#include "app/value.h"

#include <doctest/doctest.h>

#include <cmath>

namespace sinew::app {
namespace {

TEST_CASE("a value shows itself as JSON with its fields in order") {
  const Value value = Value::record({
      {"name", "edge1"},
      {"up", true},
      {"rtt_ms", 1.5},
      {"sent", 18'446'744'073'709'551'615U},
      {"offset", -3},
      {"relay", Value()},
      {"tags", Value::List{"a", "b"}},
      {"none", Value::List{}},
  });
  CHECK(value.to_json() == R"({
  "name": "edge1",
  "up": true,
  "rtt_ms": 1.5,
  "sent": 18446744073709551615,
  "offset": -3,
  "relay": null,
  "tags": [
    "a",
    "b"
  ],
  "none": []
})");
}

TEST_CASE("text in a value cannot leave its JSON string") {
  const Value value = Value::record({{"a\"b", "x\"\n\x1b[31m\xff"}});
  CHECK(value.to_json() == "{\n  \"a\\\"b\": \"x\\\"\\u000a\\u001b[31m\\ufffd\"\n}");
}

TEST_CASE("a number that JSON cannot say is null") {
  CHECK(Value(std::nan("")).to_json() == "null");
  CHECK(Value(HUGE_VAL).to_json() == "null");
}

TEST_CASE("a value fits on a line of a table") {
  CHECK(Value().to_line() == "-");
  CHECK(Value("").to_line() == "-");
  CHECK(Value(false).to_line() == "no");
  CHECK(Value(Value::List{"a", 2}).to_line() == "a, 2");
  CHECK(Value(Value::List{}).to_line() == "-");
  CHECK(Value::record({{"a", 1}, {"b", "x"}}).to_line() == "a=1 b=x");
}

TEST_CASE("text in a line of a table cannot steer the terminal") {
  CHECK(Value("a\x1b[2Jb\nc").to_line() == "a\\x1b[2Jb\\nc");
  CHECK(Value::record({{"a\x1b[2J", "b\nc"}}).to_line() == "a\\x1b[2J=b\\nc");
}

TEST_CASE("a field is found by its name") {
  const Value value = Value::record({{"a", 1}, {"b", 2}});
  REQUIRE(value.find("b") != nullptr);
  CHECK(*value.find("b") == Value(2));
  CHECK(value.find("c") == nullptr);
  CHECK(Value("b").find("b") == nullptr);
}

}  // namespace
}  // namespace sinew::app
