// Test vectors as they are printed in their standards.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/rng.h"
#include "base/verify.h"

namespace sinew::test {

inline Bytes unhex(std::string_view text) {
  const auto bytes = from_hex(text);
  VERIFY(bytes.has_value());
  return *bytes;
}

template <std::size_t N>
std::array<std::uint8_t, N> unhex(std::string_view text) {
  const Bytes bytes = unhex(text);
  VERIFY(bytes.size() == N);
  std::array<std::uint8_t, N> out;
  std::ranges::copy(bytes, out.begin());
  return out;
}

inline Bytes random_bytes(Rng& rng, std::size_t size) {
  Bytes bytes(size);
  rng.fill(bytes);
  return bytes;
}

template <std::size_t N>
std::array<std::uint8_t, N> random_array(Rng& rng) {
  std::array<std::uint8_t, N> bytes;
  rng.fill(bytes);
  return bytes;
}

// first, first + 1, ...
inline Bytes counting(std::size_t size, std::uint8_t first = 0) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes)
    byte = first++;
  return bytes;
}

}  // namespace sinew::test
