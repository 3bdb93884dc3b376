// Poly1305 with AVX-512 IFMA. Numbers are held in limbs of 44, 44 and 42 bits, one message (or one
// part of a message) in each of eight 64-bit lanes. The instruction multiplies 52-bit numbers and
// adds the low or the high half of the product, so a limb may grow to 52 bits between carries.
//
// Everything has internal linkage: see chacha20_lanes.h.
#pragma once

#if defined(__AVX512IFMA__)
#include <immintrin.h>

#include "crypto/chacha20_lanes.h"
#include "crypto/poly1305.h"

namespace sinew::crypto {
namespace {

constexpr std::size_t kPolyLanes = 8;

struct Limbs {
  __m512i v0, v1, v2;
};

// A factor, and the multiples of its upper limbs that come back around the prime: limb 3 has the
// weight 2^132, which is 20 mod 2^130 - 5.
struct Factor {
  Limbs r;
  __m512i s1, s2;
};

// Sums of products. `low` limb i has the weight 2^(44 i), `high` limb i that times 2^52.
struct Products {
  Limbs low, high;
};

[[gnu::always_inline]] inline __m512i splat(std::uint64_t value) {
  return _mm512_set1_epi64(static_cast<long long>(value));
}
[[gnu::always_inline]] inline __m512i mask44(__m512i v) {
  return _mm512_and_si512(v, splat((std::uint64_t{1} << 44) - 1));
}
[[gnu::always_inline]] inline __m512i mask42(__m512i v) {
  return _mm512_and_si512(v, splat((std::uint64_t{1} << 42) - 1));
}
[[gnu::always_inline]] inline __m512i times5(__m512i v) {
  return _mm512_add_epi64(v, _mm512_slli_epi64(v, 2));
}

// A 128-bit number as limbs. The funnel shift that would give the middle limb in one instruction
// runs on the units that multiply, which have no time left.
[[gnu::always_inline]] inline Limbs to_limbs(__m512i low, __m512i high) {
  const __m512i middle = _mm512_or_si512(_mm512_srli_epi64(low, 44), _mm512_slli_epi64(high, 20));
  return {mask44(low), mask44(middle), _mm512_srli_epi64(high, 24)};
}

[[gnu::always_inline]] inline Limbs add(const Limbs& a, const Limbs& b) {
  return {_mm512_add_epi64(a.v0, b.v0), _mm512_add_epi64(a.v1, b.v1), _mm512_add_epi64(a.v2, b.v2)};
}

[[gnu::always_inline]] inline Factor to_factor(const Limbs& r) {
  const auto times20 = [](__m512i v) { return _mm512_slli_epi64(times5(v), 2); };
  return {r, times20(r.v1), times20(r.v2)};
}

[[gnu::always_inline]] inline void multiply_add(Products& sum, const Limbs& a, const Factor& f) {
  const auto low = [](__m512i& to, __m512i x, __m512i y) { to = _mm512_madd52lo_epu64(to, x, y); };
  const auto high = [](__m512i& to, __m512i x, __m512i y) { to = _mm512_madd52hi_epu64(to, x, y); };
  low(sum.low.v0, a.v0, f.r.v0), high(sum.high.v0, a.v0, f.r.v0);
  low(sum.low.v1, a.v0, f.r.v1), high(sum.high.v1, a.v0, f.r.v1);
  low(sum.low.v2, a.v0, f.r.v2), high(sum.high.v2, a.v0, f.r.v2);
  low(sum.low.v0, a.v1, f.s2), high(sum.high.v0, a.v1, f.s2);
  low(sum.low.v1, a.v1, f.r.v0), high(sum.high.v1, a.v1, f.r.v0);
  low(sum.low.v2, a.v1, f.r.v1), high(sum.high.v2, a.v1, f.r.v1);
  low(sum.low.v0, a.v2, f.s1), high(sum.high.v0, a.v2, f.s1);
  low(sum.low.v1, a.v2, f.s2), high(sum.high.v1, a.v2, f.s2);
  low(sum.low.v2, a.v2, f.r.v0), high(sum.high.v2, a.v2, f.r.v0);
}

// Back to limbs below 2^44, 2^44 + 2^12 and 2^42 + 2^12. The three carries are taken side by side;
// only what comes around the prime into limb 0 is carried once more. With a sum of four products of
// such limbs (plus a message) no limb of `low` passes 2^56 and none of `high` 2^44, so nothing
// overflows on the way.
[[gnu::always_inline]] inline Limbs carry(const Products& p) {
  const __m512i t0 = p.low.v0;
  const __m512i t1 = _mm512_add_epi64(p.low.v1, _mm512_slli_epi64(p.high.v0, 8));
  const __m512i t2 = _mm512_add_epi64(p.low.v2, _mm512_slli_epi64(p.high.v1, 8));
  const __m512i around =
      _mm512_add_epi64(_mm512_srli_epi64(t2, 42), _mm512_slli_epi64(p.high.v2, 10));
  const __m512i n0 = _mm512_add_epi64(mask44(t0), times5(around));
  const __m512i n1 = _mm512_add_epi64(mask44(t1), _mm512_srli_epi64(t0, 44));
  const __m512i n2 = _mm512_add_epi64(mask42(t2), _mm512_srli_epi64(t1, 44));
  return {mask44(n0), _mm512_add_epi64(n1, _mm512_srli_epi64(n0, 44)), n2};
}

[[gnu::always_inline]] inline Limbs multiply(const Limbs& a, const Factor& f) {
  Products sum = {};
  multiply_add(sum, a, f);
  return carry(sum);
}

// Eight vectors of eight 64-bit words become the eight vectors of their columns.
[[gnu::always_inline]] inline void transpose(__m512i (&m)[8]) {
  __m512i pairs[8];
  __m512i quads[8];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; ++i) {
    pairs[2 * i] = _mm512_unpacklo_epi64(m[2 * i], m[2 * i + 1]);
    pairs[2 * i + 1] = _mm512_unpackhi_epi64(m[2 * i], m[2 * i + 1]);
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 2; ++i) {
    for (int odd = 0; odd < 2; ++odd) {
      quads[4 * i + odd] = _mm512_shuffle_i32x4(pairs[4 * i + odd], pairs[4 * i + 2 + odd], 0x88);
      quads[4 * i + 2 + odd] =
          _mm512_shuffle_i32x4(pairs[4 * i + odd], pairs[4 * i + 2 + odd], 0xdd);
    }
  }
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; ++i) {
    m[i] = _mm512_shuffle_i32x4(quads[i], quads[i + 4], 0x88);
    m[i + 4] = _mm512_shuffle_i32x4(quads[i], quads[i + 4], 0xdd);
  }
}

// Eight 128-bit numbers, one in each lane.
struct Columns {
  __m512i low, high;
};

[[gnu::always_inline]] inline Columns load_columns(const std::uint8_t* const (&from)[kPolyLanes],
                                                   std::size_t offset) {
  const auto four = [&](std::size_t first) {
    __m512i slots = _mm512_castsi128_si512(load_vector<__m128i>(from[first] + offset));
    slots = _mm512_inserti64x2(slots, load_vector<__m128i>(from[first + 2] + offset), 1);
    slots = _mm512_inserti64x2(slots, load_vector<__m128i>(from[first + 4] + offset), 2);
    return _mm512_inserti64x2(slots, load_vector<__m128i>(from[first + 6] + offset), 3);
  };
  const __m512i even = four(0);
  const __m512i odd = four(1);
  return {_mm512_unpacklo_epi64(even, odd), _mm512_unpackhi_epi64(even, odd)};
}

[[gnu::always_inline]] inline void store_columns(std::uint8_t* to, const Columns& columns) {
  const __m512i even = _mm512_unpacklo_epi64(columns.low, columns.high);
  const __m512i odd = _mm512_unpackhi_epi64(columns.low, columns.high);
  const __m512i order_front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
  const __m512i order_back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
  store_vector(to, _mm512_permutex2var_epi64(even, order_front, odd));
  store_vector(to + 64, _mm512_permutex2var_epi64(even, order_back, odd));
}

// tag = (h mod 2^130 - 5) + s mod 2^128: poly_finish() in each lane.
[[gnu::always_inline]] inline Columns finish(Limbs h, const Columns& s) {
  const auto carry_up = [](Limbs& n) {
    n.v1 = _mm512_add_epi64(n.v1, _mm512_srli_epi64(n.v0, 44)), n.v0 = mask44(n.v0);
    n.v2 = _mm512_add_epi64(n.v2, _mm512_srli_epi64(n.v1, 44)), n.v1 = mask44(n.v1);
  };
  carry_up(h);
  h.v0 = _mm512_add_epi64(h.v0, times5(_mm512_srli_epi64(h.v2, 42))), h.v2 = mask42(h.v2);
  carry_up(h);
  // h + 5 reaches 2^130 exactly when h is not below the prime; then h - p is h + 5 without its top.
  Limbs g = {_mm512_add_epi64(h.v0, splat(5)), h.v1, h.v2};
  carry_up(g);
  const __mmask8 is_above = _mm512_test_epi64_mask(g.v2, splat(std::uint64_t{1} << 42));
  h.v0 = _mm512_mask_mov_epi64(h.v0, is_above, g.v0);
  h.v1 = _mm512_mask_mov_epi64(h.v1, is_above, g.v1);
  h.v2 = _mm512_mask_mov_epi64(h.v2, is_above, g.v2);

  const __m512i low = _mm512_or_si512(h.v0, _mm512_slli_epi64(h.v1, 44));
  const __m512i high = _mm512_or_si512(_mm512_srli_epi64(h.v1, 20), _mm512_slli_epi64(h.v2, 24));
  const __m512i sum_low = _mm512_add_epi64(low, s.low);
  const __m512i sum_high = _mm512_add_epi64(high, s.high);
  const __mmask8 carries = _mm512_cmplt_epu64_mask(sum_low, low);
  return {sum_low, _mm512_mask_add_epi64(sum_high, carries, sum_high, splat(1))};
}

// Eight messages at once, all of which end in the same step. A shorter one starts later: until then
// its h stays zero, because zeros without the bit above the block leave it so.
class PolyLanes {
 public:
  PolyLanes(const PolyMessage* messages, std::size_t count) {
    std::size_t longest = 0;
    for (std::size_t lane = 0; lane < kPolyLanes; ++lane) {
      // A lane without a message repeats the first.
      const PolyMessage& message = messages[lane < count ? lane : 0];
      data_[lane] = reinterpret_cast<std::uintptr_t>(message.data);
      size_[lane] = message.size;
      keys_[lane] = message.key;
      blocks_[lane] = (message.size + kPolyBlockSize - 1) / kPolyBlockSize;
      longest = blocks_[lane] > longest ? blocks_[lane] : longest;
    }
    chunks_ = (longest + kChunkBlocks - 1) / kChunkBlocks;
    for (std::size_t lane = 0; lane < kPolyLanes; ++lane) {
      lead_[lane] = chunks_ * kChunkBlocks - blocks_[lane];
      // The first chunk that starts inside the message.
      const std::size_t first = (lead_[lane] + kChunkBlocks - 1) / kChunkBlocks;
      first_full_ = first > first_full_ ? first : first_full_;
      // The last chunk may end in part of a block.
      ends_in_full_ = ends_in_full_ && size_[lane] % kPolyBlockSize == 0;
    }
  }

  // Puts the tags one behind the other.
  void run(std::uint8_t* tags) {
    const Columns r_words = load_columns(keys_, 0);
    const Limbs r = to_limbs(_mm512_and_si512(r_words.low, splat(kPolyClampLow)),
                             _mm512_and_si512(r_words.high, splat(kPolyClampHigh)));
    const Factor r1 = to_factor(r);
    const Factor r2 = to_factor(multiply(r, r1));
    const Factor powers[4] = {to_factor(multiply(r2.r, r2)), to_factor(multiply(r2.r, r1)), r2, r1};
    const std::size_t plain_end = ends_in_full_ || chunks_ == 0 ? chunks_ : chunks_ - 1;

    Limbs h = {};
    std::size_t chunk = 0;
    for (; chunk < chunks_ && chunk < first_full_; ++chunk)
      absorb_partial(h, powers, chunk);
    if (chunk < plain_end) {
      h = absorb_whole(h, powers, chunk, plain_end);
      chunk = plain_end;
    }
    for (; chunk < chunks_; ++chunk)
      absorb_partial(h, powers, chunk);

    // The last block holds the lengths; no additional data here.
    const Limbs lengths = to_limbs(_mm512_setzero_si512(), _mm512_load_si512(size_));
    h = multiply(with_top(add(h, lengths), 0xff), r1);
    store_columns(tags, finish(h, load_columns(keys_, kPolyBlockSize)));
  }

 private:
  static constexpr std::size_t kChunkBlocks = 4;
  static constexpr std::size_t kChunkSize = kChunkBlocks * kPolyBlockSize;

  // Sets the bit above the block, 2^128, in the lanes of `mask`. (It is never set yet.)
  [[gnu::always_inline]] static Limbs with_top(const Limbs& a, __mmask8 mask) {
    const __m512i top = splat(std::uint64_t{1} << 40);
    return {a.v0, a.v1, _mm512_mask_add_epi64(a.v2, mask, a.v2, top)};
  }

  [[gnu::always_inline]] const std::uint8_t* at(std::size_t lane, std::size_t chunk) const {
    return reinterpret_cast<const std::uint8_t*>(data_[lane] + chunk * kChunkSize -
                                                 lead_[lane] * kPolyBlockSize);
  }

  // h = (h + m0) r^4 + m1 r^3 + m2 r^2 + m3 r, where `columns` holds the words of the four blocks.
  // The product that waits for the last h comes last.
  [[gnu::always_inline]] static void absorb(Limbs& h, const Factor (&powers)[4],
                                            const __m512i (&columns)[8],
                                            const __mmask8 (&tops)[4]) {
    Products sum = {};
#pragma clang loop unroll(full)
    for (int block = 3; block >= 0; --block) {
      Limbs m = with_top(to_limbs(columns[2 * block], columns[2 * block + 1]), tops[block]);
      if (block == 0) m = add(m, h);
      multiply_add(sum, m, powers[block]);
    }
    h = carry(sum);
  }

  // Chunks that lie inside every message.
  [[gnu::always_inline]] Limbs absorb_whole(Limbs h, const Factor (&powers)[4], std::size_t chunk,
                                            std::size_t end) const {
    const std::uint8_t* from[kPolyLanes];
    for (std::size_t lane = 0; lane < kPolyLanes; ++lane)
      from[lane] = at(lane, chunk);
    for (std::size_t offset = 0; chunk < end; ++chunk, offset += kChunkSize) {
      __m512i columns[8];
#pragma clang loop unroll(full)
      for (std::size_t lane = 0; lane < kPolyLanes; ++lane) {
        columns[lane] = _mm512_loadu_si512(from[lane] + offset);
      }
      transpose(columns);
      absorb(h, powers, columns, {0xff, 0xff, 0xff, 0xff});
    }
    return h;
  }

  // A chunk that starts before a message or ends behind one: what lies outside reads as zero and is
  // not touched.
  void absorb_partial(Limbs& h, const Factor (&powers)[4], std::size_t chunk) const {
    [[clang::uninitialized]] __m512i columns[8];
    __mmask8 tops[4] = {};
    for (std::size_t lane = 0; lane < kPolyLanes; ++lane) {
      const std::size_t start = chunk * kChunkSize;
      const std::size_t lead = lead_[lane] * kPolyBlockSize;
      const std::size_t skipped = lead > start ? lead - start : 0;
      const std::size_t end =
          lead + size_[lane] - start;  // of the message, from the start of the chunk
      std::uint64_t inside = skipped < kChunkSize ? ~std::uint64_t{0} << skipped : 0;
      if (end < kChunkSize) inside &= (std::uint64_t{1} << end) - 1;
      columns[lane] = _mm512_maskz_loadu_epi8(inside, at(lane, chunk));
      for (std::size_t block = 0; block < kChunkBlocks; ++block) {
        const bool is_inside = (chunk * kChunkBlocks + block) >= lead_[lane];
        tops[block] = static_cast<__mmask8>(tops[block] | (is_inside ? 1U << lane : 0U));
      }
    }
    transpose(columns);
    absorb(h, powers, columns, tops);
  }

  const std::uint8_t* keys_[kPolyLanes];
  alignas(64) std::uint64_t size_[kPolyLanes];
  std::uintptr_t data_[kPolyLanes];
  std::size_t blocks_[kPolyLanes];
  std::size_t lead_[kPolyLanes];  // blocks before the message starts
  std::size_t chunks_ = 0;
  std::size_t first_full_ = 0;
  bool ends_in_full_ = true;
};

// The tags of up to eight messages without additional data.
inline void poly_authenticate_lanes(PolyMessage* messages, std::size_t count) {
  [[clang::uninitialized]] alignas(64) std::uint8_t tags[kPolyLanes][kPolyTagSize];
  [[clang::uninitialized]] PolyLanes lanes(messages, count);
  lanes.run(tags[0]);
  for (std::size_t lane = 0; lane < count; ++lane) {
    std::memcpy(messages[lane].tag, tags[lane], kPolyTagSize);
  }
}

[[gnu::always_inline]] inline Limbs words_to_limbs(__m512i w0, __m512i w1, __m512i w2) {
  Limbs limbs = to_limbs(w0, w1);
  limbs.v2 = _mm512_or_si512(limbs.v2, _mm512_slli_epi64(w2, 40));
  return limbs;
}

// Eight blocks of one message.
[[gnu::always_inline]] inline Limbs load_row(const std::uint8_t* data) {
  const __m512i front = _mm512_loadu_si512(data);
  const __m512i back = _mm512_loadu_si512(data + 4 * kPolyBlockSize);
  // The blocks come to lie in the order 0, 4, 1, 5, 2, 6, 3, 7.
  return words_to_limbs(_mm512_unpacklo_epi64(front, back), _mm512_unpackhi_epi64(front, back),
                        splat(1));
}

inline void gather(PolyState& state, const Limbs& h) {
  const auto sum = [](__m512i v) { return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(v)); };
  poly_set(state, Uint128{sum(h.v0)} + (Uint128{sum(h.v1)} << 44), Uint128{sum(h.v2)} << 24);
}

// The same as poly_absorb_blocks, for one message that has to go alone. Lane i takes every eighth
// block times r^8, two of them (r^16 and r^8) in a step; at the end the lanes are brought to their
// places by r^8 to r^1.
inline void poly_absorb_ifma(PolyState& state, const std::uint8_t* data, std::size_t blocks) {
  constexpr std::size_t kWorthwhile = 24;
  constexpr std::size_t kRow = kPolyLanes * kPolyBlockSize;
  const std::size_t alone = blocks < kWorthwhile ? blocks : blocks % kPolyLanes;
  poly_absorb_blocks(state, data, alone);
  data += alone * kPolyBlockSize;
  std::size_t rows = (blocks - alone) / kPolyLanes;
  if (rows == 0) return;

  std::uint64_t powers[kPolyLanes][3];
  poly_powers(state, powers, kPolyLanes);
  const auto by_lane = [&](int word) {
    const auto power = [&](int n) { return static_cast<long long>(powers[n - 1][word]); };
    return _mm512_setr_epi64(power(8), power(4), power(7), power(3), power(6), power(2), power(5),
                             power(1));
  };
  const Factor last = to_factor(words_to_limbs(by_lane(0), by_lane(1), by_lane(2)));
  const Factor r8 =
      to_factor(words_to_limbs(splat(powers[7][0]), splat(powers[7][1]), splat(powers[7][2])));
  const Factor r16 = to_factor(multiply(r8.r, r8));

  const auto first_lane = [](std::uint64_t v) {
    return _mm512_maskz_set1_epi64(1, static_cast<long long>(v));
  };
  Limbs h = words_to_limbs(first_lane(state.h0), first_lane(state.h1), first_lane(state.h2));
  for (; rows > 2; rows -= 2, data += 2 * kRow) {
    Products sum = {};
    multiply_add(sum, load_row(data + kRow), r8);
    multiply_add(sum, add(h, load_row(data)), r16);
    h = carry(sum);
  }
  if (rows == 2) {
    h = multiply(add(h, load_row(data)), r8);
    data += kRow;
  }
  gather(state, multiply(add(h, load_row(data)), last));
}

// Two or three short messages are sooner done side by side, long ones one after the other.
inline std::size_t worthwhile_lanes(const PolyMessage& message) {
  constexpr std::size_t kShort = 256;
  return message.size <= kShort ? 3 : 5;
}

inline void poly_authenticate_ifma(PolyMessage* messages, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    const std::size_t group = count - done < kPolyLanes ? count - done : kPolyLanes;
    const bool goes_alone = messages[done].aad_size > 0 || group < worthwhile_lanes(messages[done]);
    if (goes_alone) {
      poly_authenticate(messages[done++], poly_absorb_ifma);
    } else {
      poly_authenticate_lanes(messages + done, group);
      done += group;
    }
  }
}

}  // namespace
}  // namespace sinew::crypto
#endif  // __AVX512IFMA__
