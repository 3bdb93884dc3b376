// What a verb found out, before it is decided how to show it: null, yes or no, a number, a text, a
// list, or a record whose fields keep their order. A value: copied and compared.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sinew::app {

// A template, so that it can hold the class that is about to be defined.
template <typename T>
struct Named {
  std::string name;
  T value;

  friend bool operator==(const Named&, const Named&) = default;
};

class Value {
 public:
  using Field = Named<Value>;
  using List = std::vector<Value>;
  using Record = std::vector<Field>;

  Value() = default;
  Value(std::same_as<bool> auto value) : held_(value) {}
  Value(std::signed_integral auto value) : held_(static_cast<std::int64_t>(value)) {}
  Value(std::unsigned_integral auto value)
    requires(!std::same_as<decltype(value), bool>)
      : held_(static_cast<std::uint64_t>(value)) {}
  Value(double value) : held_(value) {}
  Value(std::string value) : held_(std::move(value)) {}
  Value(std::string_view value) : held_(std::string(value)) {}
  Value(const char* value) : held_(std::string(value)) {}
  Value(List list) : held_(std::move(list)) {}
  Value(Record record) : held_(std::move(record)) {}
  // {{"name", "edge1"}, {"rtt_ms", 12}}
  static Value record(std::initializer_list<Field> fields);

  using Held = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string,
                            List, Record>;
  const Held& held() const { return held_; }

  // Nullptr when it is something else.
  const List* as_list() const { return std::get_if<List>(&held_); }
  const Record* as_record() const { return std::get_if<Record>(&held_); }
  bool is_number() const;
  // The field of a record; nullptr when there is none, or when this is no record.
  const Value* find(std::string_view field) const;

  // On one line, for a cell of a table: "-" for null, "a, b" for a list, "a=1 b=2" for a record.
  // Harmless on a terminal whatever the texts inside hold.
  std::string to_line() const;
  // Indented by two spaces a level. A double that JSON cannot say is null.
  std::string to_json() const;

  friend bool operator==(const Value&, const Value&);

 private:
  Held held_;
};

}  // namespace sinew::app
