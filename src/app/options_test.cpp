#include "app/options.h"

#include <doctest/doctest.h>

#include <array>

#include "app/testing.h"

namespace sinew::app {
namespace {

struct Parsed {
  VerbTable verbs = peer_verbs();
  std::expected<Invocation, Failure> result;

  explicit Parsed(const std::vector<std::string_view>& words)
      : result(parse(verbs, *verbs.find(std::array<std::string_view, 2>{"peer", "set"}).verb,
                     words)) {}

  std::vector<std::string> values(std::string_view option) const {
    REQUIRE(result.has_value());
    const auto all = result->values(option);
    return {all.begin(), all.end()};
  }
  std::vector<std::string> arguments() const {
    REQUIRE(result.has_value());
    return {result->arguments().begin(), result->arguments().end()};
  }
  std::string error() const {
    REQUIRE(!result.has_value());
    CHECK(result.error().error.kind == ErrorKind::kInvalid);
    return result.error().error.message + " / " + result.error().next_step;
  }
};

using Texts = std::vector<std::string>;
constexpr std::string_view kSeeHelp = " / 'sinew help peer set' shows what it takes.";

TEST_CASE("an option's value may be apart, behind an equals sign or behind its letter") {
  CHECK(Parsed({"a", "--port", "1"}).values("port") == Texts{"1"});
  CHECK(Parsed({"a", "--port=1"}).values("port") == Texts{"1"});
  CHECK(Parsed({"a", "-p", "1"}).values("port") == Texts{"1"});
  CHECK(Parsed({"a", "-p1"}).values("port") == Texts{"1"});
  CHECK(Parsed({"a", "--port="}).values("port") == Texts{""});
  CHECK(Parsed({"a", "--port=x=y"}).values("port") == Texts{"x=y"});
}

TEST_CASE("a value that looks like an option is a value") {
  CHECK(Parsed({"a", "--tag", "--force"}).values("tag") == Texts{"--force"});
}

TEST_CASE("letters of switches may share a dash, the last may take a value") {
  const Parsed parsed({"a", "-fp1"});
  CHECK(parsed.result->has("force"));
  CHECK(parsed.values("port") == Texts{"1"});
}

TEST_CASE("a repeatable option keeps all its values in order") {
  CHECK(Parsed({"-t", "x", "a", "--tag=y"}).values("tag") == Texts{"x", "y"});
}

TEST_CASE("options and arguments mix, and everything behind two dashes is an argument") {
  CHECK(Parsed({"-f", "a", "-t", "x", "direct"}).arguments() == Texts{"a", "direct"});
  CHECK(Parsed({"--", "--force"}).arguments() == Texts{"--force"});
  CHECK(Parsed({"-"}).arguments() == Texts{"-"});
}

TEST_CASE("an option that was not given has no value") {
  const Parsed parsed({"a"});
  CHECK(!parsed.result->has("force"));
  CHECK(parsed.result->value("port") == std::nullopt);
  CHECK(parsed.result->format() == Format::kTable);
}

TEST_CASE("an unknown option is refused with a guess") {
  CHECK(Parsed({"a", "--prot=1"}).error() == "unknown option: --prot / Did you mean '--port'?");
  CHECK(Parsed({"a", "--zzzzzz"}).error() == "unknown option: --zzzzzz" + std::string(kSeeHelp));
  CHECK(Parsed({"a", "-fx"}).error() == "unknown option: -x" + std::string(kSeeHelp));
}

TEST_CASE("an option is not abbreviated") {
  CHECK(!Parsed({"a", "--por", "1"}).result.has_value());
}

TEST_CASE("a missing, unwanted or second value is refused") {
  CHECK(Parsed({"a", "--port"}).error() == "--port needs a value: PORT" + std::string(kSeeHelp));
  CHECK(Parsed({"a", "-p"}).error() == "-p needs a value: PORT" + std::string(kSeeHelp));
  CHECK(Parsed({"a", "--force=1"}).error() == "--force takes no value" + std::string(kSeeHelp));
  CHECK(Parsed({"a", "-p1", "--port=2"}).error() ==
        "--port is given twice / Leave one of them out.");
}

TEST_CASE("a value that is no choice is refused with a guess") {
  CHECK(Parsed({"a", "-o", "jsn"}).error() ==
        "--output: 'jsn' is none of table, wide, json / Did you mean 'json'?");
  CHECK(Parsed({"a", "drect"}).error() ==
        "MODE: 'drect' is none of direct, relayed / Did you mean 'direct'?");
}

TEST_CASE("missing and surplus arguments are refused") {
  CHECK(Parsed({}).error() == "NAME is missing" + std::string(kSeeHelp));
  CHECK(Parsed({"a", "direct", "b"}).error() == "not expected: b" + std::string(kSeeHelp));
}

TEST_CASE("help is help whatever else is wrong, but not behind two dashes") {
  CHECK(Parsed({"--bogus", "--help"}).result->has("help"));
  CHECK(Parsed({"-h"}).result->has("help"));
  CHECK(!Parsed({"--", "--help"}).result->has("help"));
}

TEST_CASE("who asks for JSON is found before parsing") {
  using Typed = std::vector<std::string_view>;
  CHECK(asks_for_json(Typed{"bogus", "-o", "json"}));
  CHECK(asks_for_json(Typed{"-ojson"}));
  CHECK(asks_for_json(Typed{"--output=json"}));
  CHECK(!asks_for_json(Typed{"-o", "wide", "json"}));
  CHECK(!asks_for_json(Typed{"--", "-o", "json"}));
  CHECK(!asks_for_json(Typed{"-o"}));
}

}  // namespace
}  // namespace sinew::app
