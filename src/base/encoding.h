// Bytes as text: hexadecimal and base64 (RFC 4648, with padding). Decoders are strict: one text for
// each value, but that hexadecimal may be written in either case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace sinew {

std::string to_hex(ByteView bytes);
std::optional<Bytes> from_hex(std::string_view text);

std::string to_base64(ByteView bytes);
// Refuses missing or surplus padding, white space and bits behind the last byte that are not zero.
std::optional<Bytes> from_base64(std::string_view text);

}  // namespace sinew
