#include "json/parse.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "base/rng.h"
#include "json/cursor.h"

namespace sinew::json {
namespace {

std::string repeated(std::string_view what, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i)
    out += what;
  return out;
}

std::string nested(std::size_t depth) {
  return repeated("[", depth) + repeated("]", depth);
}

ErrorKind kind_of(const Result<Value>& result) {
  REQUIRE_FALSE(result);
  return result.error().kind;
}

TEST_CASE("every kind of value is parsed") {
  const Result<Value> value = parse(R"( {"a": [null, true, false, "x", 1, -2.5, {}], "b": []} )");
  REQUIRE(value);
  CHECK(*value == Value::object({
                      {"a", Value::Array{Value(), true, false, "x", 1, -2.5, Value::Object{}}},
                      {"b", Value::Array{}},
                  }));
  CHECK(parse("7").value() == Value(7));
  CHECK(parse("\"\"").value() == Value(""));
}

TEST_CASE("whole numbers keep every digit up to 64 bits") {
  CHECK(parse("9223372036854775807").value() == Value(std::numeric_limits<std::int64_t>::max()));
  CHECK(parse("9223372036854775808").value() == Value(std::uint64_t{1} << 63));
  CHECK(parse("18446744073709551615").value() == Value(std::numeric_limits<std::uint64_t>::max()));
  CHECK(parse("18446744073709551616").value() == Value(18446744073709551616.0));
  CHECK(parse("-9223372036854775808").value() == Value(std::numeric_limits<std::int64_t>::min()));
}

TEST_CASE("a double is read back as the same double") {
  SeededRng rng(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(rng.number<std::uint64_t>());
    if (!std::isfinite(number)) continue;
    const Result<Value> value = parse(write(number));
    REQUIRE(value);
    CHECK(Cursor(*value).number().value() == number);
  }
}

TEST_CASE("a number beyond a double is refused, one too close to zero is zero") {
  CHECK(parse("1.7976931348623157e308").value() == Value(std::numeric_limits<double>::max()));
  CHECK(kind_of(parse("1.8e308")) == ErrorKind::kInvalid);
  CHECK(kind_of(parse("-1e999999999999")) == ErrorKind::kInvalid);
  CHECK(kind_of(parse("1" + repeated("0", 400) + ".5e-1")) == ErrorKind::kInvalid);
  CHECK(parse("1e-400").value() == Value(0.0));
  CHECK(parse("0." + repeated("0", 400) + "1").value() == Value(0.0));
  CHECK(parse("5e-324").value() == Value(std::numeric_limits<double>::denorm_min()));
}

TEST_CASE("escapes in texts and names are resolved") {
  CHECK(parse(R"("a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00")").value() ==
        Value("a\"\\/\b\f\n\r\t\u00e9\U0001f600"));
  CHECK(parse(R"({"\u0061\u0062": 1})").value() == Value::object({{"ab", 1}}));
  CHECK(parse(R"("\u0000")").value() == Value(std::string(1, '\0')));
}

TEST_CASE("L85 a name that comes twice is refused, however it is written") {
  for (const std::string_view text : {
           R"({"a":1,"a":1})",
           R"({"a":1,"b":2,"\u0061":3})",
           R"([{"x":{"a":1,"b":2,"a":3}}])",
       }) {
    const Result<Value> value = parse(text);
    REQUIRE_FALSE(value);
    CHECK(value.error().kind == ErrorKind::kInvalid);
    CHECK(value.error().message.ends_with("duplicate member"));
  }
  CHECK(parse(R"({"a":{"a":1},"b":{"a":1}})"));
}

TEST_CASE("L85 names that differ in case are different names") {
  const Result<Value> value = parse(R"({"Key":1,"key":2})");
  REQUIRE(value);
  CHECK(*value->find("key") == Value(2));
}

TEST_CASE("L85 what other parsers would tolerate is refused") {
  for (const std::string_view text : {
           "",
           " ",
           "{",
           "[1,]",
           R"({"a":1,})",
           R"({"a" 1})",
           R"({a:1})",
           "{'a':1}",
           "[1] // comment",
           "/**/1",
           "1 2",
           "nul",
           "True",
           "NaN",
           "Infinity",
           "-",
           "01",
           "+1",
           "1.",
           ".5",
           "1e",
           "0x10",
           "\"a",
           "\"a\nb\"",
           "\"\\x41\"",
           "\"\\ud800\"",
           "\"\\udc00\"",
           "\"\xff\"",
           "\"\xc0\xaf\"",
           "\"\xed\xa0\x80\"",
           "\xef\xbb\xbf{}",
       }) {
    CAPTURE(text);
    const Result<Value> value = parse(text);
    CHECK_FALSE(value);
    if (!value) CHECK(value.error().kind == ErrorKind::kInvalid);
  }
  CHECK_FALSE(parse(std::string_view("1\0", 2)));
}

TEST_CASE("an error names the byte it was found at") {
  CHECK(parse("[1, x]").error().message.starts_with("byte 4: "));
  CHECK(parse("[1] 2").error().message.starts_with("byte 4: "));
}

TEST_CASE("nesting is allowed up to its limit and not beyond") {
  const Limits limits{.depth = 5};
  CHECK(parse(nested(5), limits));
  CHECK(kind_of(parse(nested(6), limits)) == ErrorKind::kOverloaded);
  CHECK(parse(R"([[[[{"a":1}]]]])", limits));
  CHECK(kind_of(parse(R"([[[[{"a":[]}]]]])", limits)) == ErrorKind::kOverloaded);
  CHECK(parse(nested(kMaxDepth), {.depth = kMaxDepth}));
  CHECK(kind_of(parse(nested(kMaxDepth + 1), {.depth = kMaxDepth})) == ErrorKind::kOverloaded);
}

TEST_CASE("L85 a million brackets cost no stack") {
  const Limits limits{.bytes = 2'000'000};
  CHECK(kind_of(parse(repeated("[", 1'000'000), limits)) == ErrorKind::kOverloaded);
  CHECK(kind_of(parse(repeated("{\"a\":", 300'000), limits)) == ErrorKind::kOverloaded);
}

TEST_CASE("the text is as long as its limit and no longer") {
  CHECK(parse("[1,2]", {.bytes = 5}));
  CHECK(kind_of(parse("[1,2]", {.bytes = 4})) == ErrorKind::kOverloaded);
}

TEST_CASE("values are as many as their limit and no more") {
  CHECK(parse("[1,{\"a\":2}]", {.values = 4}));
  CHECK(kind_of(parse("[1,{\"a\":2}]", {.values = 3})) == ErrorKind::kOverloaded);
}

TEST_CASE("what is written is parsed as the same value") {
  const Value value = Value::object({
      {"", "\x01 \"\\/ \u202e \U0001f600"},
      {"list", Value::Array{Value::Array{}, Value::Object{}, -1, 0.1, Value()}},
      {"\n", true},
  });
  CHECK(parse(write(value)).value() == value);
  CHECK(parse(write(value, Layout::kIndented)).value() == value);
}

}  // namespace
}  // namespace sinew::json
