// Comparison of secrets.
#pragma once

#include "base/bytes.h"

namespace sinew::crypto {

// Whether two strings of bytes are the same, in a time that depends on their length only. Lengths
// are no secret: different ones are unequal at once.
[[nodiscard]] bool equal_constant_time(ByteView left, ByteView right);

}  // namespace sinew::crypto
