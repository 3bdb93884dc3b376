// JSON as a value: null, yes or no, a number, a text, a list, or an object whose members keep their
// order. It is built in place, parsed by json/parse.h, read through json/cursor.h and shown by
// write(). Copied and compared.
//
// A whole number has one form: what fits std::int64_t is held as one, whatever type it came from,
// so that equal numbers are equal values. Only larger ones are std::uint64_t.
//
// Destroying, comparing and writing a value take as much stack as it is deep; parse() bounds that
// for what strangers send.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sinew::json {

// A template, so that it can hold the class that is about to be defined.
template <typename T>
struct Named {
  std::string name;
  T value;

  friend bool operator==(const Named&, const Named&) = default;
};

class Value {
 public:
  using Member = Named<Value>;
  using Array = std::vector<Value>;
  using Object = std::vector<Member>;
  using Held = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                            Array, Object>;

  Value() = default;  // null
  Value(std::same_as<bool> auto value) : held_(value) {}
  Value(std::signed_integral auto value) : held_(static_cast<std::int64_t>(value)) {}
  Value(std::unsigned_integral auto value)
    requires(!std::same_as<decltype(value), bool>)
  {
    if (std::in_range<std::int64_t>(value)) {
      held_ = static_cast<std::int64_t>(value);
    } else {
      held_ = static_cast<std::uint64_t>(value);
    }
  }
  Value(double value) : held_(value) {}
  Value(std::string value) : held_(std::move(value)) {}
  Value(std::string_view value) : held_(std::string(value)) {}
  Value(const char* value) : held_(std::string(value)) {}
  Value(Array array) : held_(std::move(array)) {}
  Value(Object object) : held_(std::move(object)) {}
  // {{"name", "edge1"}, {"rtt_ms", 12}}
  static Value object(std::initializer_list<Member> members) { return {Object(members)}; }

  const Held& held() const { return held_; }
  bool is_null() const { return std::holds_alternative<std::monostate>(held_); }
  // Nullptr when it is something else.
  const std::string* as_string() const { return std::get_if<std::string>(&held_); }
  const Array* as_array() const { return std::get_if<Array>(&held_); }
  const Object* as_object() const { return std::get_if<Object>(&held_); }
  Array* as_array() { return std::get_if<Array>(&held_); }
  Object* as_object() { return std::get_if<Object>(&held_); }
  // The first member of that name; nullptr when there is none, or when this is no object. Takes
  // time in proportion to the number of members.
  const Value* find(std::string_view name) const;

  friend bool operator==(const Value&, const Value&);

 private:
  Held held_;
};

enum class Layout {
  kCompact,   // without any blank
  kIndented,  // a line for each item, two spaces a level
};

// Always valid UTF-8 and valid JSON. Characters that control or deceive a reader are escaped, bytes
// that are not UTF-8 become U+FFFD, and a number that JSON cannot say, such as infinity, is null.
// Names are written as they are: who builds an object keeps them different.
std::string write(const Value& value, Layout layout = Layout::kCompact);

}  // namespace sinew::json
