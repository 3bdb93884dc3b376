#include "json/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>  // the library itself: this is its only .cpp
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "base/verify.h"

namespace sinew::json {
namespace {

namespace boost_json = boost::json;
using ErrorCode = boost::system::error_code;

// Builds the Value from what Boost's parser tells of the text. Each on_x answers whether to go on.
class Builder {
 public:
  // The parser's own bounds are those of the text.
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  explicit Builder(const Limits& limits) : limits_(limits) {}

  // Why the Builder wanted no more; nothing when it was the parser that stopped.
  const std::optional<Error>& objection() const { return objection_; }
  Value release() { return std::move(root_); }

  bool on_document_begin(ErrorCode&) { return true; }
  bool on_document_end(ErrorCode&) { return true; }

  bool on_object_begin(ErrorCode& code) { return open(Value::Object(), code); }
  bool on_object_end(std::size_t, ErrorCode& code) {
    const Value::Object& object = *open_.back().value.as_object();
    if (has_duplicates(object)) return object_to(ErrorKind::kInvalid, "duplicate member", code);
    return close(code);
  }
  bool on_array_begin(ErrorCode& code) { return open(Value::Array(), code); }
  bool on_array_end(std::size_t, ErrorCode& code) { return close(code); }

  bool on_key_part(std::string_view part, std::size_t, ErrorCode&) { return keep(part); }
  bool on_key(std::string_view rest, std::size_t, ErrorCode&) {
    keep(rest);
    open_.back().name = std::exchange(text_, {});
    return true;
  }
  bool on_string_part(std::string_view part, std::size_t, ErrorCode&) { return keep(part); }
  bool on_string(std::string_view rest, std::size_t, ErrorCode& code) {
    keep(rest);
    return add(std::exchange(text_, {}), code);
  }

  bool on_number_part(std::string_view part, ErrorCode&) { return keep(part); }
  bool on_int64(std::int64_t value, std::string_view, ErrorCode& code) {
    text_.clear();
    return add(value, code);
  }
  bool on_uint64(std::uint64_t value, std::string_view, ErrorCode& code) {
    text_.clear();
    return add(value, code);
  }
  // Boost's value may be off in the last digit, so it only says on which side an extreme one lies.
  bool on_double(double about, std::string_view rest, ErrorCode& code) {
    keep(rest);
    const std::string digits = std::exchange(text_, {});
    double value = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (read.ec == std::errc::result_out_of_range && std::abs(about) < 1) return add(0.0, code);
    if (read.ec != std::errc()) return object_to(ErrorKind::kInvalid, "number too large", code);
    constexpr double kWithoutSign =
        0.0;  // -0 would be written as what is read as the whole number 0
    return add(value + kWithoutSign, code);
  }
  bool on_bool(bool value, ErrorCode& code) { return add(value, code); }
  bool on_null(ErrorCode& code) { return add(Value(), code); }
  bool on_comment_part(std::string_view, ErrorCode&) { return true; }
  bool on_comment(std::string_view, ErrorCode&) { return true; }

 private:
  // A list or object whose end has not been seen.
  struct Open {
    Value value;
    std::string name;  // of the member that comes next
  };

  bool keep(std::string_view part) {
    text_ += part;
    return true;
  }

  bool object_to(ErrorKind kind, std::string_view what, ErrorCode& code) {
    objection_ = Error{kind, std::string(what)};
    code = boost_json::error::syntax;
    return false;
  }

  bool open(Value empty, ErrorCode& code) {
    if (open_.size() >= limits_.depth)
      return object_to(ErrorKind::kOverloaded, "nested too deeply", code);
    if (!count(code)) return false;
    open_.push_back({.value = std::move(empty), .name = {}});
    return true;
  }

  bool close(ErrorCode&) {
    Value closed = std::move(open_.back().value);
    open_.pop_back();
    place(std::move(closed));
    return true;
  }

  bool add(Value value, ErrorCode& code) {
    if (!count(code)) return false;
    place(std::move(value));
    return true;
  }

  bool count(ErrorCode& code) {
    if (++values_ <= limits_.values) return true;
    return object_to(ErrorKind::kOverloaded, "too many values", code);
  }

  void place(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    if (Value::Array* array = parent.value.as_array()) {
      array->push_back(std::move(value));
    } else {
      parent.value.as_object()->push_back(
          {.name = std::exchange(parent.name, {}), .value = std::move(value)});
    }
  }

  static bool has_duplicates(const Value::Object& object) {
    std::vector<std::string_view> names;
    names.reserve(object.size());
    for (const Value::Member& member : object)
      names.push_back(member.name);
    std::ranges::sort(names);
    return std::ranges::adjacent_find(names) != names.end();
  }

  const Limits& limits_;
  std::vector<Open> open_;
  std::string text_;  // of a string, name or number that comes in parts
  std::size_t values_ = 0;
  Value root_;
  std::optional<Error> objection_;
};

Error at_byte(std::size_t position, ErrorKind kind, std::string_view what) {
  return {kind, fmt::format("byte {}: {}", position, what)};
}

}  // namespace

Result<Value> parse(std::string_view text, const Limits& limits) {
  VERIFY(limits.depth <= kMaxDepth);
  if (text.size() > limits.bytes)
    return Error{ErrorKind::kOverloaded, fmt::format("longer than {} bytes", limits.bytes)};
  boost_json::parse_options options;
  options.max_depth = kMaxDepth + 1;  // the Builder has the say
  boost_json::basic_parser<Builder> parser(options, limits);
  ErrorCode code;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), code);
  Builder& builder = parser.handler();
  if (const auto& objection = builder.objection())
    return at_byte(used, objection->kind, objection->message);
  if (code) return at_byte(used, ErrorKind::kInvalid, code.message());
  if (used < text.size()) return at_byte(used, ErrorKind::kInvalid, "more behind the value");
  return builder.release();
}

}  // namespace sinew::json
