#include "base/result.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <string>

using namespace sinew;

namespace {

Error broken() {
  return Error{ErrorKind::kTimeout, "no answer"};
}

Result<int> half_of(int number) {
  if (number % 2 != 0) return Error{ErrorKind::kInvalid, "odd"};
  return number / 2;
}

Result<int> quarter_of(int number) {
  const int half = TRY(half_of(number));
  return TRY(half_of(half));
}

Result<> refuse_odd(int number) {
  TRY(half_of(number));
  return {};
}

Result<std::string> even_or_odd(int number) {
  TRY(refuse_odd(number));
  return std::string("even");
}

}  // namespace

TEST_CASE("a result holds a value or an error") {
  CHECK(half_of(8).value() == 4);
  const Result<int> odd = half_of(7);
  REQUIRE_FALSE(odd.has_value());
  CHECK(odd.error() == Error{ErrorKind::kInvalid, "odd"});
}

TEST_CASE("TRY yields the value, or returns the error from the function it stands in") {
  CHECK(quarter_of(12).value() == 3);
  CHECK(quarter_of(6).error().message == "odd");
  CHECK(quarter_of(7).error().message == "odd");
}

TEST_CASE("TRY carries an error through results of different types and of none") {
  CHECK(refuse_odd(2).has_value());
  CHECK(even_or_odd(2).value() == "even");
  CHECK(even_or_odd(3).error() == Error{ErrorKind::kInvalid, "odd"});
}

TEST_CASE("TRY may stand inside TRY") {
  const auto half = [](int number) -> Result<int> {
    if (number % 2 != 0) return Error{ErrorKind::kInvalid, "odd"};
    return number / 2;
  };
  const auto quarter = [&](int number) -> Result<int> { return TRY(half(TRY(half(number)))); };
  CHECK(quarter(12).value() == 3);
  CHECK(quarter(6).error().message == "odd");
  CHECK(quarter(5).error().message == "odd");
}

TEST_CASE("TRY moves a value that cannot be copied") {
  const auto make = []() -> Result<std::unique_ptr<int>> { return std::make_unique<int>(7); };
  const auto use = [&]() -> Result<int> { return *TRY(make()); };
  CHECK(use().value() == 7);
}

TEST_CASE("an error says what was being done, outermost first") {
  const Error error = broken().while_doing("ask relay").while_doing("join cluster");
  CHECK(error.kind == ErrorKind::kTimeout);
  CHECK(error.message == "join cluster: ask relay: no answer");
}

TEST_CASE("each kind of error has its own name") {
  std::set<std::string_view> names;
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kInternal); ++kind) {
    names.insert(name_of(static_cast<ErrorKind>(kind)));
  }
  CHECK(names.size() == static_cast<std::size_t>(ErrorKind::kInternal) + 1);
  CHECK(name_of(ErrorKind::kNotFound) == "not_found");
}
