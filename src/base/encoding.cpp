#include "base/encoding.h"

#include <algorithm>

namespace sinew {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<std::uint8_t> hex_value(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<std::uint8_t>(c - 'A' + 10);
  return std::nullopt;
}

// Four characters become up to three bytes. `padding` is how many of them are '='.
bool decode_quad(std::string_view quad, std::size_t padding, Bytes& out) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    std::size_t digit = 0;
    if (i < 4 - padding) {
      digit = kBase64Digits.find(quad[i]);
      if (digit == std::string_view::npos) return false;
    }
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
  }
  if (padding == 1 && (bits & 0xff) != 0) return false;
  if (padding == 2 && (bits & 0xffff) != 0) return false;
  for (std::size_t i = 0; i < 3 - padding; ++i) {
    out.push_back(static_cast<std::uint8_t>(bits >> (16 - 8 * i)));
  }
  return true;
}

}  // namespace

std::string to_hex(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 15]);
  }
  return text;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = hex_value(text[i]);
    const auto low = hex_value(text[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<std::uint8_t>(*high << 4 | *low));
  }
  return bytes;
}

std::string to_base64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const ByteView group = bytes.subspan(i, std::min<std::size_t>(3, bytes.size() - i));
    std::uint32_t bits = std::uint32_t{group[0]} << 16;
    if (group.size() > 1) bits |= std::uint32_t{group[1]} << 8;
    if (group.size() > 2) bits |= group[2];
    for (std::size_t digit = 0; digit < 4; ++digit) {
      const bool is_padding = digit > group.size();
      text.push_back(is_padding ? '=' : kBase64Digits[bits >> (18 - 6 * digit) & 63]);
    }
  }
  return text;
}

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  if (text.ends_with("==")) {
    padding = 2;
  } else if (text.ends_with('=')) {
    padding = 1;
  }
  Bytes bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool is_last = i + 4 == text.size();
    if (!decode_quad(text.substr(i, 4), is_last ? padding : 0, bytes)) return std::nullopt;
  }
  return bytes;
}

}  // namespace sinew
