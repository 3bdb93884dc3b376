// The loop of a checksum kernel over vectors of kBytes. Each 64-bit lane sums all of its numbers,
// letting carries go, and beside that their upper halves, which has room for all. The lower halves
// are what is missing between the two. So no carry has to be looked for, at three operations a
// vector. Everything here has internal linkage, because it is compiled for several kinds of
// processors (checksum_kernel.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/checksum_kernel.h"

namespace sinew::packet {
namespace {

template <std::size_t kBytes>
struct ChecksumEngine {
  using Vector = std::uint64_t __attribute__((vector_size(kBytes)));

  static std::uint64_t sum(const std::uint8_t* from, std::size_t size) {
    return run<false>(nullptr, from, size);
  }
  static std::uint64_t copy_and_sum(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
    return run<true>(to, from, size);
  }

 private:
  template <bool kCopies>
  static std::uint64_t run(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
    Vector all[2] = {};
    Vector upper[2] = {};
    const auto add = [&](std::size_t at, std::size_t lane) {
      const auto vector = take<kCopies, Vector>(to + (kCopies ? at : 0), from + at);
      all[lane] += vector;
      upper[lane] += vector >> 32;
    };
    std::size_t at = 0;
    for (; size - at >= 4 * kBytes; at += 4 * kBytes) {
      add(at, 0);
      add(at + kBytes, 1);
      add(at + 2 * kBytes, 0);
      add(at + 3 * kBytes, 1);
    }
    for (; size - at >= kBytes; at += kBytes)
      add(at, 0);
    const Vector uppers = upper[0] + upper[1];
    const Vector sums = all[0] + all[1] - (uppers << 32) + uppers;
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kBytes / 8; ++i)
      sum += sums[i];
    return sum + tail<kCopies>(kCopies ? to + at : nullptr, from + at, size - at);
  }

  // Less than a vector.
  template <bool kCopies>
  static std::uint64_t tail(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
    std::uint64_t sum = 0;
    std::size_t at = 0;
    for (; size - at >= 8; at += 8) {
      const auto number = take<kCopies, std::uint64_t>(to + (kCopies ? at : 0), from + at);
      sum += (number & 0xffff'ffff) + (number >> 32);
    }
    if (size - at >= 4) {
      sum += take<kCopies, std::uint32_t>(to + (kCopies ? at : 0), from + at);
      at += 4;
    }
    if (size - at >= 2) {
      sum += take<kCopies, std::uint16_t>(to + (kCopies ? at : 0), from + at);
      at += 2;
    }
    if (at == size) return sum;
    // The missing half of the last number is a zero.
    const std::uint8_t last[2] = {from[at], 0};
    if constexpr (kCopies) to[at] = last[0];
    return sum + take<false, std::uint16_t>(nullptr, last);
  }

  template <bool kCopies, typename T>
  static T take(std::uint8_t* to, const std::uint8_t* from) {
    T value;
    __builtin_memcpy(&value, from, sizeof value);
    if constexpr (kCopies) __builtin_memcpy(to, &value, sizeof value);
    return value;
  }
};

}  // namespace
}  // namespace sinew::packet
