#include "app/value.h"

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"

namespace sinew::app {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  append_json_escaped(out, text);
  out += '"';
  return out;
}

// Appends opening, the items each on a line of its own, closing.
template <typename Items, typename AppendItem>
void append_block(std::string& out, std::string_view brackets, std::size_t depth,
                  const Items& items, AppendItem append_item) {
  out += brackets[0];
  bool is_first = true;
  for (const auto& item : items) {
    out += is_first ? "\n" : ",\n";
    is_first = false;
    out.append(2 * (depth + 1), ' ');
    append_item(item);
  }
  if (!is_first) {
    out += '\n';
    out.append(2 * depth, ' ');
  }
  out += brackets[1];
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
  std::string out;
  append_json(out, 0);
  return out;
}

void Value::append_json(std::string& out, std::size_t depth) const {
  const auto append = [&]<typename T>(const T& value) {
    if constexpr (std::same_as<T, std::monostate>) {
      out += "null";
    } else if constexpr (std::same_as<T, std::string>) {
      out += quoted(value);
    } else if constexpr (std::same_as<T, double>) {
      out += std::isfinite(value) ? fmt::format("{}", value) : "null";
    } else if constexpr (std::same_as<T, List>) {
      append_block(out, "[]", depth, value,
                   [&](const Value& item) { item.append_json(out, depth + 1); });
    } else if constexpr (std::same_as<T, Record>) {
      append_block(out, "{}", depth, value, [&](const Field& field) {
        out += quoted(field.name) + ": ";
        field.value.append_json(out, depth + 1);
      });
    } else {
      out += fmt::format("{}", value);
    }
  };
  std::visit(append, held_);
}

}  // namespace sinew::app
