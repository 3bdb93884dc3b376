// A strict reader for the JSON our own writers make: one object, no nesting. For tests, as a second
// opinion on what was escaped; values come out as text, strings decoded to UTF-8.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sinew::test {

class FlatJson {
 public:
  using Object = std::map<std::string, std::string>;

  // The members of the object that `text` is; nothing when it is not exactly one JSON object, holds
  // a name twice, or is not UTF-8.
  static std::optional<Object> parse(std::string_view text) {
    FlatJson parser(text);
    Object object;
    if (!parser.read_object(object) || !parser.rest_.empty()) return std::nullopt;
    return object;
  }

 private:
  explicit FlatJson(std::string_view text) : rest_(text) {}

  bool accept(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  bool read_object(Object& object) {
    if (!accept("{")) return false;
    if (accept("}")) return true;
    do {
      std::string name;
      std::string value;
      if (!read_string(name) || !accept(":") || !read_value(value)) return false;
      if (!object.emplace(name, value).second) return false;
    } while (accept(","));
    return accept("}");
  }

  bool read_value(std::string& value) {
    if (rest_.starts_with('"')) return read_string(value);
    const std::size_t size = rest_.find_first_not_of("+-.0123456789abcdefghijklmnopqrstuvwxyz");
    value = rest_.substr(0, size);
    rest_.remove_prefix(value.size());
    const bool is_word = value == "true" || value == "false" || value == "null";
    return is_word || value.find_first_of("0123456789") <= 1;
  }

  bool read_string(std::string& value) {
    if (!accept("\"")) return false;
    while (!rest_.empty() && !rest_.starts_with('"')) {
      if (accept("\\")) {
        if (!read_escape(value)) return false;
      } else if (!read_plain(value)) {
        return false;
      }
    }
    return accept("\"");
  }

  bool read_escape(std::string& value) {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (accept("u")) return read_unicode(value);
    if (rest_.empty()) return false;
    const std::size_t letter = kLetters.find(rest_[0]);
    if (letter == std::string_view::npos) return false;
    value += kMeanings[letter];
    rest_.remove_prefix(1);
    return true;
  }

  // The four digits of \uXXXX.
  std::optional<std::uint32_t> read_code_unit() {
    if (rest_.size() < 4) return std::nullopt;
    std::uint32_t unit = 0;
    for (const char c : rest_.substr(0, 4)) {
      const std::size_t digit = std::string_view("0123456789abcdef").find(c);
      if (digit == std::string_view::npos) return std::nullopt;
      unit = unit << 4 | static_cast<std::uint32_t>(digit);
    }
    rest_.remove_prefix(4);
    return unit;
  }

  // \uXXXX, or two of them that are a pair of surrogates.
  bool read_unicode(std::string& value) {
    const auto unit = read_code_unit();
    if (!unit) return false;
    if (*unit < 0xd800 || *unit > 0xdfff) return append_utf8(value, *unit);
    if (*unit > 0xdbff || !accept("\\u")) return false;
    const auto low = read_code_unit();
    if (!low || *low < 0xdc00 || *low > 0xdfff) return false;
    return append_utf8(value, 0x10000 + ((*unit - 0xd800) << 10) + (*low - 0xdc00));
  }

  static bool append_utf8(std::string& value, std::uint32_t unit) {
    const auto append = [&value](std::uint32_t byte) { value += static_cast<char>(byte); };
    if (unit < 0x80) {
      append(unit);
    } else if (unit < 0x800) {
      append(0xc0 | unit >> 6);
      append(0x80 | (unit & 0x3f));
    } else if (unit < 0x10000) {
      append(0xe0 | unit >> 12);
      append(0x80 | (unit >> 6 & 0x3f));
      append(0x80 | (unit & 0x3f));
    } else {
      append(0xf0 | unit >> 18);
      append(0x80 | (unit >> 12 & 0x3f));
      append(0x80 | (unit >> 6 & 0x3f));
      append(0x80 | (unit & 0x3f));
    }
    return true;
  }

  // One character that stands for itself.
  bool read_plain(std::string& value) {
    const auto first = static_cast<std::uint8_t>(rest_[0]);
    if (first < 0x20 || (first >= 0x80 && first < 0xc2) || first > 0xf4) return false;
    const std::size_t size = first < 0x80 ? 1U : first < 0xe0 ? 2U : first < 0xf0 ? 3U : 4U;
    if (size > rest_.size()) return false;
    for (const char c : rest_.substr(1, size - 1)) {
      if ((static_cast<std::uint8_t>(c) & 0xc0) != 0x80) return false;
    }
    value += rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  std::string_view rest_;
};

}  // namespace sinew::test
