// JSON text (RFC 8259) from strangers. Strict where parsers differ, because what two parsers read
// differently one of them was deceived by (L85): one value and nothing but white space behind it,
// no comments, no trailing commas, no second member of a name already seen, only UTF-8 outside and
// whole surrogate pairs inside escapes, no number beyond a double; one closer to zero than any
// double is zero. Names are compared byte by byte.
// U+0000 in a text is let through as \u0000; who hands texts to C looks for it.
//
// Bounds: the text, the nesting and the number of values. The tree takes at most the size of the
// text and kBytesAValue for each value; time is n log n in the size of the text. Any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "json/value.h"

namespace sinew::json {

struct Limits {
  std::size_t bytes = 1 << 20;   // of the text
  std::size_t depth = 32;        // of lists and objects within one another; at most kMaxDepth
  std::size_t values = 100'000;  // of all kinds, the lists and objects among them
};
inline constexpr std::size_t kMaxDepth = 256;
inline constexpr std::size_t kBytesAValue = 256;  // a member with its name, in a list that grew

// A text that is wrong is kInvalid and names the byte, counted from 0: "byte 17: duplicate member";
// one beyond a limit is kOverloaded.
Result<Value> parse(std::string_view text, const Limits& limits = {});

}  // namespace sinew::json
