// Bytes in and out of wire formats. A ByteReader or ByteWriter never leaves its span: the first
// access that would sets `failed()`, yields zeros from then on and moves nothing, so that a parser
// reads straight through and asks once at the end. Pure; one thread.
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sinew {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using ByteSpan = std::span<std::uint8_t>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Unaligned integers at a known place. The caller vouches that sizeof(T) bytes are there.
template <std::unsigned_integral T>
T load_le(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  return value;
}
template <std::unsigned_integral T>
T load_be(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  return value;
}
template <std::unsigned_integral T>
void store_le(std::uint8_t* to, T value) {
  if constexpr (std::endian::native == std::endian::big) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}
template <std::unsigned_integral T>
void store_be(std::uint8_t* to, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(to, &value, sizeof value);
}

class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes) {}

  bool failed() const { return failed_; }
  // True when every access so far was inside and nothing is left over.
  bool finished() const { return !failed_ && rest_.empty(); }
  std::size_t remaining() const { return rest_.size(); }

  std::uint8_t u8() { return le<std::uint8_t>(); }
  template <std::unsigned_integral T>
  T le() {
    const ByteView bytes = take(sizeof(T));
    return bytes.empty() ? T{0} : load_le<T>(bytes.data());
  }
  template <std::unsigned_integral T>
  T be() {
    const ByteView bytes = take(sizeof(T));
    return bytes.empty() ? T{0} : load_be<T>(bytes.data());
  }

  // The next `size` bytes as a view into the input; empty when they are not all there.
  ByteView take(std::size_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const ByteView taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }
  void skip(std::size_t size) { static_cast<void>(take(size)); }
  ByteView rest() { return take(rest_.size()); }

  // The next N bytes copied out; zeros when they are not all there.
  template <std::size_t N>
  std::array<std::uint8_t, N> array() {
    std::array<std::uint8_t, N> out{};
    const ByteView bytes = take(N);
    if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), N);
    return out;
  }

 private:
  ByteView rest_;
  bool failed_ = false;
};

class ByteWriter {
 public:
  explicit ByteWriter(ByteSpan room) : room_(room) {}

  bool failed() const { return failed_; }
  std::size_t size() const { return used_; }
  std::size_t room() const { return room_.size() - used_; }
  // What was written. Empty after a failure, so that a cut message is never sent.
  ByteView written() const { return failed_ ? ByteView{} : ByteView(room_.first(used_)); }

  void u8(std::uint8_t value) { le(value); }
  template <std::unsigned_integral T>
  void le(T value) {
    if (std::uint8_t* to = reserve(sizeof(T)).data()) store_le(to, value);
  }
  template <std::unsigned_integral T>
  void be(T value) {
    if (std::uint8_t* to = reserve(sizeof(T)).data()) store_be(to, value);
  }
  void bytes(ByteView value) {
    const ByteSpan to = reserve(value.size());
    if (!to.empty()) std::memcpy(to.data(), value.data(), value.size());
  }
  void zeros(std::size_t size) {
    const ByteSpan to = reserve(size);
    if (!to.empty()) std::memset(to.data(), 0, to.size());
  }

  // The next `size` bytes to be filled in by the caller; empty when they do not fit.
  ByteSpan reserve(std::size_t size) {
    if (failed_ || size > room()) {
      failed_ = true;
      return {};
    }
    const ByteSpan taken = room_.subspan(used_, size);
    used_ += size;
    return taken;
  }

 private:
  ByteSpan room_;
  std::size_t used_ = 0;
  bool failed_ = false;
};

}  // namespace sinew
