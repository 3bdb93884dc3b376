// Poly1305 (RFC 8439 section 2.5) on 64-bit words, and the form of a message under
// ChaCha20-Poly1305. Runs anywhere; the vector kernels use it for short messages, and to finish.
// Everything has internal linkage: see chacha20_lanes.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "crypto/aead_kernel.h"

namespace sinew::crypto {
namespace {

constexpr std::size_t kPolyKeySize = 32;
constexpr std::size_t kPolyBlockSize = 16;
constexpr std::size_t kPolyTagSize = sizeof(PolyMessage::tag);

__extension__ typedef unsigned __int128 Uint128;

[[gnu::always_inline]] inline std::uint64_t load_u64(const std::uint8_t* from) {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

constexpr std::uint64_t kPolyClampLow = 0x0ffffffc0fffffff;
constexpr std::uint64_t kPolyClampHigh = 0x0ffffffc0ffffffc;

// The accumulator h, in words of 64, 64 and a few bits, and the factor r. h is kept below 2^130 + a
// little.
struct PolyState {
  std::uint64_t h0 = 0;
  std::uint64_t h1 = 0;
  std::uint64_t h2 = 0;
  std::uint64_t r0 = 0;
  std::uint64_t r1 = 0;

  PolyState() = default;
  explicit PolyState(const std::uint8_t* key)
      : r0(load_u64(key) & kPolyClampLow), r1(load_u64(key + 8) & kPolyClampHigh) {}
};

// h = (h + low + high * 2^64 + top * 2^128) * r mod 2^130 - 5, not fully reduced. As r1 is a
// multiple of 4, what r1 carries beyond 2^130 comes back as s1 = 5 * r1 / 4.
[[gnu::always_inline]] inline void poly_step(PolyState& state, std::uint64_t low,
                                             std::uint64_t high, std::uint64_t top) {
  const Uint128 sum0 = Uint128{state.h0} + low;
  const Uint128 sum1 = Uint128{state.h1} + high + static_cast<std::uint64_t>(sum0 >> 64);
  const auto h0 = static_cast<std::uint64_t>(sum0);
  const auto h1 = static_cast<std::uint64_t>(sum1);
  const std::uint64_t h2 = state.h2 + top + static_cast<std::uint64_t>(sum1 >> 64);
  const std::uint64_t s1 = state.r1 + (state.r1 >> 2);

  const Uint128 d0 = Uint128{h0} * state.r0 + Uint128{h1} * s1;
  const Uint128 d1 = Uint128{h0} * state.r1 + Uint128{h1} * state.r0 + h2 * s1 +
                     static_cast<std::uint64_t>(d0 >> 64);
  const std::uint64_t d2 = h2 * state.r0 + static_cast<std::uint64_t>(d1 >> 64);

  const std::uint64_t carry = (d2 >> 2) + (d2 & ~std::uint64_t{3});  // 5 * (d2 / 4)
  const Uint128 n0 = Uint128{static_cast<std::uint64_t>(d0)} + carry;
  const Uint128 n1 = Uint128{static_cast<std::uint64_t>(d1)} + static_cast<std::uint64_t>(n0 >> 64);
  state.h0 = static_cast<std::uint64_t>(n0);
  state.h1 = static_cast<std::uint64_t>(n1);
  state.h2 = (d2 & 3) + static_cast<std::uint64_t>(n1 >> 64);
}

inline void poly_absorb_blocks(PolyState& state, const std::uint8_t* data, std::size_t blocks) {
  PolyState local = state;
  for (; blocks > 0; --blocks, data += kPolyBlockSize) {
    poly_step(local, load_u64(data), load_u64(data + 8), 1);
  }
  state = local;
}

// Blocks of one message to absorb beside something else, a portion at each call. The steps wait for
// each other and need scalar units alone, so that beside vector code they cost next to nothing. A
// value: a loop that calls it works on a copy of its own, which the compiler keeps in registers.
struct PolyBeside {
  PolyState state;
  const std::uint8_t* data;
  std::size_t left;
  std::size_t portion;

  [[gnu::always_inline]] void operator()() {
    const std::size_t count = portion < left ? portion : left;
    left -= count;
    for (std::size_t i = 0; i < count; ++i, data += kPolyBlockSize) {
      poly_step(state, load_u64(data), load_u64(data + 8), 1);
    }
  }
};

// Sets h to low + high * 2^64, bringing what lies above 2^130 around the prime, so that poly_step()
// takes it.
inline void poly_set(PolyState& state, Uint128 low, Uint128 high) {
  high += static_cast<std::uint64_t>(low >> 64);
  const auto top = static_cast<std::uint64_t>(high >> 64);
  const Uint128 n0 = Uint128{static_cast<std::uint64_t>(low)} + 5 * (top >> 2);
  const Uint128 n1 =
      Uint128{static_cast<std::uint64_t>(high)} + static_cast<std::uint64_t>(n0 >> 64);
  state.h0 = static_cast<std::uint64_t>(n0);
  state.h1 = static_cast<std::uint64_t>(n1);
  state.h2 = (top & 3) + static_cast<std::uint64_t>(n1 >> 64);
}

// r^1 to r^count, in words like h: for kernels that take several blocks in one step.
inline void poly_powers(const PolyState& state, std::uint64_t (*powers)[3], std::size_t count) {
  PolyState power = state;
  power.h0 = state.r0, power.h1 = state.r1, power.h2 = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) poly_step(power, 0, 0, 0);
    powers[i][0] = power.h0, powers[i][1] = power.h1, powers[i][2] = power.h2;
  }
}

// The last `size` bytes of a part, fewer than a block, padded with zeros.
inline void poly_absorb_padded(PolyState& state, const std::uint8_t* data, std::size_t size) {
  if (size == 0) return;
  std::uint8_t block[kPolyBlockSize] = {};
  std::memcpy(block, data, size);
  poly_absorb_blocks(state, block, 1);
}

// tag = (h mod 2^130 - 5) + s, where s is the second half of the key.
inline void poly_finish(const PolyState& state, const std::uint8_t* key, std::uint8_t* tag) {
  // h + 5 reaches 2^130 exactly when h is not below the prime; then h - p is h + 5 without its top.
  const Uint128 g0 = Uint128{state.h0} + 5;
  const Uint128 g1 = Uint128{state.h1} + static_cast<std::uint64_t>(g0 >> 64);
  const std::uint64_t g2 = state.h2 + static_cast<std::uint64_t>(g1 >> 64);
  const std::uint64_t is_above = std::uint64_t{0} - (g2 >> 2 & 1);
  const std::uint64_t h0 = (state.h0 & ~is_above) | (static_cast<std::uint64_t>(g0) & is_above);
  const std::uint64_t h1 = (state.h1 & ~is_above) | (static_cast<std::uint64_t>(g1) & is_above);

  const Uint128 t0 = Uint128{h0} + load_u64(key + 16);
  const Uint128 t1 = Uint128{h1} + load_u64(key + 24) + static_cast<std::uint64_t>(t0 >> 64);
  const std::uint64_t words[2] = {static_cast<std::uint64_t>(t0), static_cast<std::uint64_t>(t1)};
  std::memcpy(tag, words, sizeof words);
}

// A message on its way through Poly1305.
struct PolyProgress {
  PolyState state;
  std::size_t absorbed = 0;  // bytes of the data

  PolyProgress() = default;
  explicit PolyProgress(const PolyMessage& message) : state(message.key) {
    const std::size_t blocks = message.aad_size / kPolyBlockSize;
    poly_absorb_blocks(state, message.aad, blocks);
    poly_absorb_padded(state, message.aad + blocks * kPolyBlockSize,
                       message.aad_size % kPolyBlockSize);
  }
};

// The rest of a message, and its tag. `absorb` is poly_absorb_blocks or a faster one with the same
// effect.
template <typename Absorb>
inline void poly_complete(PolyMessage& message, PolyProgress& progress, Absorb absorb) {
  const std::size_t rest = message.size - progress.absorbed;
  const std::uint8_t* data = message.data + progress.absorbed;
  absorb(progress.state, data, rest / kPolyBlockSize);
  poly_absorb_padded(progress.state, data + rest / kPolyBlockSize * kPolyBlockSize,
                     rest % kPolyBlockSize);
  poly_step(progress.state, message.aad_size, message.size, 1);
  poly_finish(progress.state, message.key, message.tag);
}

template <typename Absorb>
inline void poly_authenticate(PolyMessage& message, Absorb absorb) {
  PolyProgress progress(message);
  poly_complete(message, progress, absorb);
}

}  // namespace
}  // namespace sinew::crypto
