// Memory that holds a secret: wiped when it dies or moves away, without == and without printing.
// Compare with crypto::equal_constant_time. The bytes are reached only through expose(), so that a
// review finds every use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace sinew {

// Overwrites memory in a way the optimiser may not remove.
inline void wipe(ByteSpan bytes) {
  if (bytes.empty()) return;
  std::memset(bytes.data(), 0, bytes.size());
  asm volatile("" : : "r"(bytes.data()) : "memory");
}

// A secret of a fixed size, such as a key. Copies are explicit: clone().
template <std::size_t N>
class SecretArray {
 public:
  static constexpr std::size_t kSize = N;

  SecretArray() = default;
  explicit SecretArray(std::span<const std::uint8_t, N> bytes) {
    std::memcpy(bytes_.data(), bytes.data(), N);
  }
  SecretArray(const SecretArray&) = delete;
  SecretArray& operator=(const SecretArray&) = delete;
  SecretArray(SecretArray&& other) noexcept : bytes_(other.bytes_) { wipe(other.bytes_); }
  SecretArray& operator=(SecretArray&& other) noexcept {
    if (this != &other) {
      bytes_ = other.bytes_;
      wipe(other.bytes_);
    }
    return *this;
  }
  ~SecretArray() { wipe(bytes_); }

  SecretArray clone() const { return SecretArray(std::span<const std::uint8_t, N>(bytes_)); }

  std::span<const std::uint8_t, N> expose() const { return bytes_; }
  std::span<std::uint8_t, N> expose_mutable() { return bytes_; }

 private:
  std::array<std::uint8_t, N> bytes_{};
};

// A secret of any size, such as a password or a token.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(ByteView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  explicit SecretBytes(std::string_view text) : SecretBytes(as_bytes(text)) {}
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  SecretBytes(SecretBytes&& other) noexcept = default;
  SecretBytes& operator=(SecretBytes&& other) noexcept {
    if (this != &other) {
      wipe(bytes_);
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }
  ~SecretBytes() { wipe(bytes_); }

  SecretBytes clone() const { return SecretBytes(ByteView(bytes_)); }
  bool is_empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }

  ByteView expose() const { return bytes_; }
  std::string_view expose_text() const { return as_text(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace sinew
