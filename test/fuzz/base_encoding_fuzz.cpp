// Hexadecimal and base64: bytes survive both, and an accepted text is the only one for its bytes.
#include <algorithm>
#include <cctype>
#include <string>

#include "base/encoding.h"
#include "base/verify.h"

using namespace sinew;

namespace {

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const std::string_view text = as_text(bytes);
  const auto from_own_hex = from_hex(to_hex(bytes));
  VERIFY(from_own_hex && std::ranges::equal(*from_own_hex, bytes));
  const auto from_own_base64 = from_base64(to_base64(bytes));
  VERIFY(from_own_base64 && std::ranges::equal(*from_own_base64, bytes));
  if (const auto decoded = from_hex(text)) VERIFY(to_hex(*decoded) == lower_case(text));
  if (const auto decoded = from_base64(text)) VERIFY(to_base64(*decoded) == text);
  return 0;
}
