#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <vector>

namespace sinew {
namespace {

struct CodePoint {
  char32_t value = 0;
  std::size_t size = 1;   // bytes consumed
  bool is_valid = false;  // false: one byte that is not UTF-8
};

// The first code point of `text`, which is not empty. Refuses overlong forms, surrogates and values
// above U+10FFFF.
CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return {.value = first, .size = 1, .is_valid = true};
  std::size_t size = 0;
  char32_t value = 0;
  char32_t smallest = 0;
  if ((first & 0xe0) == 0xc0) {
    size = 2, value = first & 0x1f, smallest = 0x80;
  } else if ((first & 0xf0) == 0xe0) {
    size = 3, value = first & 0x0f, smallest = 0x800;
  } else if ((first & 0xf8) == 0xf0) {
    size = 4, value = first & 0x07, smallest = 0x10000;
  }
  if (size == 0 || size > text.size()) return {};
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3f);
  }
  const bool is_surrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < smallest || value > 0x10ffff || is_surrogate) return {};
  return {.value = value, .size = size, .is_valid = true};
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

struct CodePointRange {
  char32_t first;
  char32_t last;
};

// What a reader does not see, although it may change what he does see: Unicode's property
// Default_Ignorable_Code_Point, the two separators of lines and paragraphs, and the marks of
// annotations. In ascending order.
constexpr CodePointRange kDeceptive[] = {
    {0x00ad, 0x00ad},   {0x034f, 0x034f},   {0x061c, 0x061c}, {0x115f, 0x1160}, {0x17b4, 0x17b5},
    {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},
    {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3},
    {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

bool is_deceptive(char32_t c) {
  const auto* range = std::ranges::lower_bound(kDeceptive, c, {}, &CodePointRange::last);
  return range != std::end(kDeceptive) && c >= range->first;
}

// \u0041, and the pair of surrogates that stands for a character above U+FFFF (RFC 8259, 7).
void append_json_unicode(std::string& out, char32_t c) {
  const auto code = static_cast<std::uint32_t>(c);
  if (code <= 0xffff) {
    out += fmt::format("\\u{:04x}", code);
  } else {
    const std::uint32_t above = code - 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
  }
}

}  // namespace

std::string escape_for_terminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    const std::string_view raw = text.substr(0, point.size);
    text.remove_prefix(point.size);
    if (!point.is_valid) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint8_t>(raw[0]));
    } else if (point.value == '\\') {
      out += "\\\\";
    } else if (point.value == '\n') {
      out += "\\n";
    } else if (point.value == '\r') {
      out += "\\r";
    } else if (point.value == '\t') {
      out += "\\t";
    } else if (is_control(point.value)) {
      out += fmt::format("\\x{:02x}", static_cast<std::uint32_t>(point.value));
    } else if (is_deceptive(point.value)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(point.value));
    } else {
      out += raw;
    }
  }
  return out;
}

void append_json_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    const std::string_view raw = text.substr(0, point.size);
    text.remove_prefix(point.size);
    if (!point.is_valid) {
      out += "\\ufffd";
    } else if (point.value == '"' || point.value == '\\') {
      out += '\\';
      out += raw;
    } else if (is_control(point.value) || is_deceptive(point.value)) {
      append_json_unicode(out, point.value);
    } else {
      out += raw;
    }
  }
}

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  append_json_escaped(out, text);
  out += '"';
}

void append_json_number(std::string& out, std::int64_t value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}

void append_json_number(std::string& out, std::uint64_t value) {
  fmt::format_to(std::back_inserter(out), "{}", value);
}

void append_json_number(std::string& out, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out), "{}", value);
  } else {
    out += "null";
  }
}

std::size_t edit_distance(std::string_view from, std::string_view to) {
  // Three rows of the table of distances between prefixes: the one before last, the last, the
  // current.
  std::vector<std::size_t> older(to.size() + 1);
  std::vector<std::size_t> last(to.size() + 1);
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j)
    last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      const bool is_swap = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (is_swap) row[j] = std::min(row[j], older[j - 2] + 1);
    }
    std::swap(older, last);
    std::swap(last, row);
  }
  return last[to.size()];
}

}  // namespace sinew
