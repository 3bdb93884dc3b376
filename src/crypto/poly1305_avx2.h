// Poly1305 with AVX2: four blocks of one message at a time, one in each 64-bit lane, as five limbs
// of 26 bits. Everything has internal linkage: see chacha20_lanes.h.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>

#include "crypto/chacha20_lanes.h"
#include "crypto/poly1305.h"

namespace sinew::crypto {
namespace {

// One number in each lane. Between carries a limb may grow to 32 bits, the width of the multiplier.
struct Limbs26 {
  __m256i v[5];
};

// A factor, and five times its upper limbs: limb 5 has the weight 2^130, which is 5 modulo the
// prime.
struct Factor26 {
  __m256i r[5];
  __m256i r5[5];
};

[[gnu::always_inline]] inline __m256i splat26(std::uint64_t value) {
  return _mm256_set1_epi64x(static_cast<long long>(value));
}
constexpr std::uint64_t kMask26 = (std::uint64_t{1} << 26) - 1;

// Numbers of 64, 64 and a few bits, one in each lane.
[[gnu::always_inline]] inline Limbs26 to_limbs26(__m256i w0, __m256i w1, __m256i w2) {
  const __m256i mask = splat26(kMask26);
  const auto low26 = [mask](__m256i v) { return _mm256_and_si256(v, mask); };
  return {{low26(w0), low26(_mm256_srli_epi64(w0, 26)),
           low26(_mm256_or_si256(_mm256_srli_epi64(w0, 52), _mm256_slli_epi64(w1, 12))),
           low26(_mm256_srli_epi64(w1, 14)),
           _mm256_or_si256(_mm256_srli_epi64(w1, 40), _mm256_slli_epi64(w2, 24))}};
}

[[gnu::always_inline]] inline __m256i times5_26(__m256i v) {
  return _mm256_add_epi64(v, _mm256_slli_epi64(v, 2));
}

// The product of the lower halves of each lane. Spelled out, because the compiler takes the
// intrinsic for a product of 64-bit numbers and at times computes all of it.
[[gnu::always_inline]] inline __m256i multiply32(__m256i a, const __m256i& b) {
  __m256i product;
  asm("vpmuludq %2, %1, %0" : "=x"(product) : "x"(a), "x"(b));
  return product;
}

[[gnu::always_inline]] inline Factor26 to_factor26(const Limbs26& limbs) {
  Factor26 factor;
  for (int i = 0; i < 5; ++i) {
    factor.r[i] = limbs.v[i];
    factor.r5[i] = times5_26(limbs.v[i]);
  }
  return factor;
}

// sum += a * f, in limbs of up to 64 bits.
[[gnu::always_inline]] inline void multiply_add26(Limbs26& sum, const Limbs26& a,
                                                  const Factor26& f) {
#pragma clang loop unroll(full)
  for (int j = 0; j < 5; ++j) {
#pragma clang loop unroll(full)
    for (int i = 0; i < 5; ++i) {
      const __m256i factor = j <= i ? f.r[i - j] : f.r5[5 + i - j];
      sum.v[i] = _mm256_add_epi64(sum.v[i], multiply32(a.v[j], factor));
    }
  }
}

// Back to limbs below 2^26 plus a little: two carry chains side by side.
[[gnu::always_inline]] inline Limbs26 carry26(Limbs26 sum) {
  const __m256i mask = splat26(kMask26);
  const auto carry = [&](int from, int to) {
    __m256i over = _mm256_srli_epi64(sum.v[from], 26);
    sum.v[from] = _mm256_and_si256(sum.v[from], mask);
    if (to == 0) over = times5_26(over);
    sum.v[to] = _mm256_add_epi64(sum.v[to], over);
  };
  carry(0, 1), carry(3, 4);
  carry(1, 2), carry(4, 0);
  carry(2, 3), carry(0, 1);
  carry(3, 4);
  return sum;
}

[[gnu::always_inline]] inline Limbs26 multiply26(const Limbs26& a, const Factor26& f) {
  Limbs26 sum = {};
  multiply_add26(sum, a, f);
  return carry26(sum);
}

[[gnu::always_inline]] inline Limbs26 load_blocks26(const std::uint8_t* data) {
  const __m256i front = load_vector<__m256i>(data);
  const __m256i back = load_vector<__m256i>(data + 2 * kPolyBlockSize);
  // The blocks come to lie in the order 0, 2, 1, 3.
  return to_limbs26(_mm256_unpacklo_epi64(front, back), _mm256_unpackhi_epi64(front, back),
                    splat26(1));
}

[[gnu::always_inline]] inline Limbs26 add26(const Limbs26& a, const Limbs26& b) {
  Limbs26 sum;
  for (int i = 0; i < 5; ++i)
    sum.v[i] = _mm256_add_epi64(a.v[i], b.v[i]);
  return sum;
}

// Adds the lanes up and puts the sum into h.
inline void gather26(PolyState& state, const Limbs26& lanes) {
  std::uint64_t sum[5];
  for (int i = 0; i < 5; ++i) {
    std::uint64_t lane[4];
    store_vector(lane, lanes.v[i]);
    sum[i] = lane[0] + lane[1] + lane[2] + lane[3];
  }
  poly_set(state, Uint128{sum[0]} + (Uint128{sum[1]} << 26) + (Uint128{sum[2]} << 52),
           (Uint128{sum[3]} << 14) + (Uint128{sum[4]} << 40));
}

// The same as poly_absorb_blocks(). Lane i takes every fourth block times r^4, two of them (r^8 and
// r^4) in a step; at the end the lanes are brought to their places by r^4, r^3, r^2 and r.
inline void poly_absorb_avx2(PolyState& state, const std::uint8_t* data, std::size_t blocks) {
  constexpr std::size_t kWorthwhile = 16;
  constexpr std::size_t kRow = 4 * kPolyBlockSize;
  const std::size_t alone = blocks < kWorthwhile ? blocks : blocks % 4;
  poly_absorb_blocks(state, data, alone);
  data += alone * kPolyBlockSize;
  blocks -= alone;
  if (blocks == 0) return;

  std::uint64_t powers[4][3];  // r^1 to r^4
  poly_powers(state, powers, 4);
  const auto by_lane = [&](int word) {
    // Lanes hold blocks 0, 2, 1 and 3 of four.
    return _mm256_setr_epi64x(
        static_cast<long long>(powers[3][word]), static_cast<long long>(powers[1][word]),
        static_cast<long long>(powers[2][word]), static_cast<long long>(powers[0][word]));
  };
  const Factor26 last = to_factor26(to_limbs26(by_lane(0), by_lane(1), by_lane(2)));
  const Limbs26 r4 =
      to_limbs26(splat26(powers[3][0]), splat26(powers[3][1]), splat26(powers[3][2]));
  const Factor26 factor4 = to_factor26(r4);
  const Factor26 factor8 = to_factor26(multiply26(r4, factor4));

  const auto first_lane = [](std::uint64_t v) {
    return _mm256_setr_epi64x(static_cast<long long>(v), 0, 0, 0);
  };
  Limbs26 h = to_limbs26(first_lane(state.h0), first_lane(state.h1), first_lane(state.h2));
  for (; blocks > 8; blocks -= 8, data += 2 * kRow) {
    Limbs26 sum = {};
    multiply_add26(sum, load_blocks26(data + kRow), factor4);
    multiply_add26(sum, add26(h, load_blocks26(data)), factor8);
    h = carry26(sum);
  }
  if (blocks == 8) {
    h = multiply26(add26(h, load_blocks26(data)), factor4);
    data += kRow;
  }
  gather26(state, multiply26(add26(h, load_blocks26(data)), last));
}

}  // namespace
}  // namespace sinew::crypto
#endif  // __AVX2__
