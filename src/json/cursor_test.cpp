#include "json/cursor.h"

#include <doctest/doctest.h>

#include "json/parse.h"

namespace sinew::json {
namespace {

Value sample() {
  return *parse(R"({"peers": [{"name": "a"}, {"name": 7, "port": 51820, "note": null}], "rate": 2,
                    "half": 0.5, "on": true, "big": 18446744073709551615})");
}

template <typename T>
std::string message_of(const Result<T>& result) {
  return result ? "no error" : result.error().message;
}

TEST_CASE("a value is read as what it is") {
  const Value value = sample();
  const Cursor root(value);
  CHECK(root.at("peers")->items()->at(0).at("name")->string().value() == "a");
  CHECK(root.at("on")->boolean().value() == true);
  CHECK(root.at("half")->number().value() == 0.5);
  CHECK(root.at("rate")->number().value() == 2.0);
  CHECK(root.at("rate")->integer<int>().value() == 2);
  CHECK(root.at("big")->integer<std::uint64_t>().value() == 18'446'744'073'709'551'615U);
}

TEST_CASE("an error names the place and what was expected there") {
  const Value value = sample();
  const Cursor root(value);
  const Cursor second = root.at("peers")->items()->at(1);
  CHECK(message_of(second.at("name")->string()) == "peers[1].name: expected a string");
  CHECK(message_of(second.at("key")) == "peers[1].key: missing");
  CHECK(message_of(second.at("name")->at("x")) == "peers[1].name: expected an object");
  CHECK(message_of(second.items()) == "peers[1]: expected a list");
  CHECK(message_of(root.items()) == "expected a list");
  CHECK(message_of(root.at("half")->boolean()) == "half: expected true or false");
  CHECK(message_of(root.at("on")->number()) == "on: expected a number");
  CHECK(second.error("odd").message == "peers[1]: odd");
  CHECK(second.at("key").error().kind == ErrorKind::kInvalid);
}

TEST_CASE("a whole number fits its type, edges included, or is refused") {
  const Value value = *parse("[255, 256, -1, -128, -129, 1.0, 18446744073709551615]");
  const auto items = *Cursor(value).items();
  CHECK(items[0].integer<std::uint8_t>().value() == 255);
  CHECK(message_of(items[1].integer<std::uint8_t>()) ==
        "[1]: expected a whole number from 0 to 255");
  CHECK_FALSE(items[2].integer<std::uint64_t>());
  CHECK(items[3].integer<std::int8_t>().value() == -128);
  CHECK(message_of(items[4].integer<std::int8_t>()) ==
        "[4]: expected a whole number from -128 to 127");
  CHECK_FALSE(items[5].integer<int>());
  CHECK_FALSE(items[6].integer<std::int64_t>());
}

TEST_CASE("a member that may be missing may be null too") {
  const Value value = sample();
  const Cursor root(value);
  const Cursor second = root.at("peers")->items()->at(1);
  CHECK(second.find("port")->value().integer<std::uint16_t>().value() == 51820);
  CHECK_FALSE(second.find("key")->has_value());
  CHECK_FALSE(second.find("note")->has_value());
  CHECK(second.at("note")->is_null());
  CHECK_FALSE(root.at("rate")->find("x"));
}

TEST_CASE("members are told in order, and unknown ones refused") {
  const Value value = *parse(R"({"a": {"b": 1, "c": 2}})");
  const Cursor a = *Cursor(value).at("a");
  const auto members = a.members();
  REQUIRE(members);
  REQUIRE(members->size() == 2);
  CHECK((*members)[1].first == "c");
  CHECK((*members)[1].second.path() == "a.c");
  CHECK(a.allow_only({"c", "b", "d"}));
  CHECK(message_of(a.allow_only({"b"})) == "a.c: unknown member");
}

TEST_CASE("a stranger's name in an error is short and harmless") {
  const Value value = Value::object({{"\x1b[2J" + std::string(1000, 'x'), 1}});
  const std::string message = message_of(Cursor(value).allow_only({}));
  CHECK(message.starts_with("\\x1b[2Jxxx"));
  CHECK(message.size() < 80);
}

}  // namespace
}  // namespace sinew::json
