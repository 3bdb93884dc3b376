// Reads a Value as what it is expected to be, and says where it is not: "peers[3].name: expected a
// string". A Cursor is a place in a Value: the value, which it borrows, and the way to it.
//
//     const json::Cursor root(value);
//     const std::string_view name = TRY(TRY(root.at("name")).string());
//     for (const json::Cursor& peer : TRY(TRY(root.at("peers")).items())) …
//     if (const auto port = TRY(root.find("port"))) out.port = TRY(port->integer<std::uint16_t>());
//
// Errors are kInvalid. Names in them are made harmless and short. Pure; any thread.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace sinew::json {

class Cursor {
 public:
  explicit Cursor(const Value& root) : value_(&root) {}

  const Value& value() const { return *value_; }
  // "peers[3].name"; empty for the root.
  const std::string& path() const { return path_; }
  bool is_null() const { return value_->is_null(); }

  // The member of an object; an error when it has none of that name.
  Result<Cursor> at(std::string_view name) const;
  // The same, but nothing when there is none or it is null.
  Result<std::optional<Cursor>> find(std::string_view name) const;
  // The items of a list, and the members of an object with their names.
  Result<std::vector<Cursor>> items() const;
  Result<std::vector<std::pair<std::string_view, Cursor>>> members() const;
  // Refuses an object with a member of any other name.
  Result<> allow_only(std::initializer_list<std::string_view> names) const;

  Result<bool> boolean() const;
  // Valid as long as the Value.
  Result<std::string_view> string() const;
  // Any number; a large whole one is rounded.
  Result<double> number() const;
  // A whole number that T can hold, written without fraction and exponent.
  template <std::integral T>
  Result<T> integer() const {
    if constexpr (std::signed_integral<T>) {
      const auto value =
          signed_between(std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
      return value ? Result<T>(static_cast<T>(*value)) : Result<T>(value.error());
    } else {
      const auto value = unsigned_up_to(std::numeric_limits<T>::max());
      return value ? Result<T>(static_cast<T>(*value)) : Result<T>(value.error());
    }
  }

  // "peers[3].name: what", for what the reader of the value has to object to.
  Error error(std::string_view what) const;

 private:
  Cursor(const Value& value, std::string path) : value_(&value), path_(std::move(path)) {}
  Cursor member(const Value::Member& member) const;
  Result<const Value::Object*> object() const;
  Result<std::int64_t> signed_between(std::int64_t least, std::int64_t most) const;
  Result<std::uint64_t> unsigned_up_to(std::uint64_t most) const;

  const Value* value_;
  std::string path_;
};

}  // namespace sinew::json
