#include "app/value.h"

#include <fmt/format.h>

#include "base/text.h"
#include "json/value.h"

namespace sinew::app {
namespace {

json::Value as_json(const Value& value) {
  const auto convert = []<typename T>(const T& held) -> json::Value {
    if constexpr (std::same_as<T, std::monostate>) {
      return {};
    } else if constexpr (std::same_as<T, Value::List>) {
      json::Value::Array array;
      for (const Value& item : held)
        array.push_back(as_json(item));
      return array;
    } else if constexpr (std::same_as<T, Value::Record>) {
      json::Value::Object object;
      for (const Value::Field& field : held)
        object.push_back({.name = field.name, .value = as_json(field.value)});
      return object;
    } else {
      return held;
    }
  };
  return std::visit(convert, value.held());
}

}  // namespace

Value Value::record(std::initializer_list<Field> fields) {
  return Value(Record(fields));
}

bool operator==(const Value& left, const Value& right) {
  return left.held_ == right.held_;
}

bool Value::is_number() const {
  return std::holds_alternative<std::int64_t>(held_) ||
         std::holds_alternative<std::uint64_t>(held_) || std::holds_alternative<double>(held_);
}

const Value* Value::find(std::string_view field) const {
  const Record* record = as_record();
  if (record == nullptr) return nullptr;
  for (const Field& candidate : *record) {
    if (candidate.name == field) return &candidate.value;
  }
  return nullptr;
}

std::string Value::to_line() const {
  const auto show = []<typename T>(const T& value) -> std::string {
    std::string out;
    if constexpr (std::same_as<T, std::monostate>) {
      out = "-";
    } else if constexpr (std::same_as<T, bool>) {
      out = value ? "yes" : "no";
    } else if constexpr (std::same_as<T, std::string>) {
      out = escape_for_terminal(value);
    } else if constexpr (std::same_as<T, List>) {
      for (const Value& item : value)
        out += (out.empty() ? "" : ", ") + item.to_line();
    } else if constexpr (std::same_as<T, Record>) {
      for (const Field& field : value)
        out += fmt::format("{}{}={}", out.empty() ? "" : " ", escape_for_terminal(field.name),
                           field.value.to_line());
    } else {
      out = fmt::format("{}", value);
    }
    return out.empty() ? "-" : out;
  };
  return std::visit(show, held_);
}

std::string Value::to_json() const {
  return json::write(as_json(*this), json::Layout::kIndented);
}

}  // namespace sinew::app
