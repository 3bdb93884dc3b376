#include "json/cursor.h"

#include <algorithm>

#include "base/text.h"

namespace sinew::json {
namespace {

constexpr std::size_t kMaxNameShown = 40;  // bytes of a name in a message

std::string shown(std::string_view name) {
  if (name.size() <= kMaxNameShown) return escape_for_terminal(name);
  return escape_for_terminal(name.substr(0, kMaxNameShown)) + "...";
}

}  // namespace

Error Cursor::error(std::string_view what) const {
  const std::string where = path_.empty() ? "" : path_ + ": ";
  return {ErrorKind::kInvalid, where + std::string(what)};
}

Cursor Cursor::member(const Value::Member& member) const {
  const std::string before = path_.empty() ? "" : path_ + '.';
  return {member.value, before + shown(member.name)};
}

Result<const Value::Object*> Cursor::object() const {
  const Value::Object* object = value_->as_object();
  if (object == nullptr) return error("expected an object");
  return object;
}

Result<std::optional<Cursor>> Cursor::find(std::string_view name) const {
  const Value::Object* members = TRY(object());
  const auto found = std::ranges::find(*members, name, &Value::Member::name);
  if (found == members->end() || found->value.is_null()) return std::optional<Cursor>();
  return std::optional(member(*found));
}

Result<Cursor> Cursor::at(std::string_view name) const {
  const Value::Object* members = TRY(object());
  const auto found = std::ranges::find(*members, name, &Value::Member::name);
  if (found == members->end()) return member({std::string(name), {}}).error("missing");
  return member(*found);
}

Result<std::vector<Cursor>> Cursor::items() const {
  const Value::Array* array = value_->as_array();
  if (array == nullptr) return error("expected a list");
  std::vector<Cursor> items;
  items.reserve(array->size());
  for (const Value& item : *array)
    items.push_back(Cursor(item, path_ + '[' + std::to_string(items.size()) + ']'));
  return items;
}

Result<std::vector<std::pair<std::string_view, Cursor>>> Cursor::members() const {
  const Value::Object* all = TRY(object());
  std::vector<std::pair<std::string_view, Cursor>> members;
  members.reserve(all->size());
  for (const Value::Member& each : *all)
    members.emplace_back(each.name, member(each));
  return members;
}

Result<> Cursor::allow_only(std::initializer_list<std::string_view> names) const {
  for (const Value::Member& each : *TRY(object())) {
    const bool is_known = std::ranges::find(names, each.name) != names.end();
    if (!is_known) return member(each).error("unknown member");
  }
  return {};
}

Result<bool> Cursor::boolean() const {
  const auto* value = std::get_if<bool>(&value_->held());
  if (value == nullptr) return error("expected true or false");
  return *value;
}

Result<std::string_view> Cursor::string() const {
  const std::string* value = value_->as_string();
  if (value == nullptr) return error("expected a string");
  return std::string_view(*value);
}

Result<double> Cursor::number() const {
  const Value::Held& held = value_->held();
  if (const auto* value = std::get_if<double>(&held)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&held)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&held)) return static_cast<double>(*value);
  return error("expected a number");
}

Result<std::int64_t> Cursor::signed_between(std::int64_t least, std::int64_t most) const {
  const auto* value = std::get_if<std::int64_t>(&value_->held());
  if (value != nullptr && *value >= least && *value <= most) return *value;
  return error("expected a whole number from " + std::to_string(least) + " to " +
               std::to_string(most));
}

Result<std::uint64_t> Cursor::unsigned_up_to(std::uint64_t most) const {
  const Value::Held& held = value_->held();
  if (const auto* value = std::get_if<std::uint64_t>(&held); value != nullptr && *value <= most)
    return *value;
  const auto* small = std::get_if<std::int64_t>(&held);
  if (small != nullptr && *small >= 0 && static_cast<std::uint64_t>(*small) <= most)
    return static_cast<std::uint64_t>(*small);
  return error("expected a whole number from 0 to " + std::to_string(most));
}

}  // namespace sinew::json
