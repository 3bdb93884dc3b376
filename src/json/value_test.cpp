#include "json/value.h"

#include <doctest/doctest.h>

#include <cmath>

namespace sinew::json {
namespace {

Value sample() {
  return Value::object({
      {"name", "edge1"},
      {"up", true},
      {"rtt_ms", 1.5},
      {"sent", 18'446'744'073'709'551'615U},
      {"relay", Value()},
      {"tags", Value::Array{"a", -3}},
      {"none", Value::Array{}},
      {"nothing", Value::Object{}},
  });
}

TEST_CASE("a value is written compactly with its members in order") {
  CHECK(write(sample()) ==
        R"({"name":"edge1","up":true,"rtt_ms":1.5,"sent":18446744073709551615,"relay":null,)"
        R"("tags":["a",-3],"none":[],"nothing":{}})");
}

TEST_CASE("a value is written with a line for each item") {
  CHECK(write(sample(), Layout::kIndented) == R"({
  "name": "edge1",
  "up": true,
  "rtt_ms": 1.5,
  "sent": 18446744073709551615,
  "relay": null,
  "tags": [
    "a",
    -3
  ],
  "none": [],
  "nothing": {}
})");
}

TEST_CASE("text cannot leave its JSON string") {
  const Value value = Value::object({{"a\"b", "x\"\n\x1b[31m\xff"}});
  CHECK(write(value) == R"({"a\"b":"x\"\u000a\u001b[31m\ufffd"})");
}

TEST_CASE("a number that JSON cannot say is written as null") {
  CHECK(write(std::nan("")) == "null");
  CHECK(write(-HUGE_VAL) == "null");
}

TEST_CASE("equal whole numbers are equal values whatever type they came from") {
  CHECK(Value(7U) == Value(7));
  CHECK(Value(std::uint8_t{7}) == Value(std::int64_t{7}));
  CHECK(Value(std::uint64_t{1} << 63).held().index() != Value(7).held().index());
  CHECK(Value(true) != Value(1));
  CHECK(Value(1.0) != Value(1));
}

TEST_CASE("a member is found by its name") {
  const Value value = Value::object({{"a", 1}, {"b", 2}});
  REQUIRE(value.find("b") != nullptr);
  CHECK(*value.find("b") == Value(2));
  CHECK(value.find("c") == nullptr);
  CHECK(Value("b").find("b") == nullptr);
}

TEST_CASE("the order of members is part of a value") {
  CHECK(Value::object({{"a", 1}, {"b", 2}}) != Value::object({{"b", 2}, {"a", 1}}));
}

}  // namespace
}  // namespace sinew::json
