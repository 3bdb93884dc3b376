// From vectors of words, one lane a block, to the blocks themselves in memory: the transpositions
// of the x86-64 kernels. Everything has internal linkage: see chacha20_lanes.h.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>

#include "crypto/chacha20_lanes.h"

namespace sinew::crypto {
namespace {

// In each 128-bit slot, four vectors of one word each become four that hold all four words of one
// block.
[[gnu::always_inline]] inline void transpose_words(const WordVector<8>* words,
                                                   __m256i (&blocks)[4]) {
  const auto w = [words](int i) { return reinterpret_cast<__m256i>(words[i]); };
  const __m256i low01 = _mm256_unpacklo_epi32(w(0), w(1));
  const __m256i high01 = _mm256_unpackhi_epi32(w(0), w(1));
  const __m256i low23 = _mm256_unpacklo_epi32(w(2), w(3));
  const __m256i high23 = _mm256_unpackhi_epi32(w(2), w(3));
  blocks[0] = _mm256_unpacklo_epi64(low01, low23);
  blocks[1] = _mm256_unpackhi_epi64(low01, low23);
  blocks[2] = _mm256_unpacklo_epi64(high01, high23);
  blocks[3] = _mm256_unpackhi_epi64(high01, high23);
}

// Eight blocks.
[[gnu::always_inline]] inline void store_blocks_256(const WordVector<8> (&state)[16],
                                                    std::uint8_t* out) {
  __m256i rows[4][4];  // rows[r][b]: words 4r to 4r+3 of blocks b and b + 4
#pragma clang loop unroll(full)
  for (int r = 0; r < 4; ++r)
    transpose_words(state + 4 * r, rows[r]);
#pragma clang loop unroll(full)
  for (std::size_t b = 0; b < 4; ++b) {
    std::uint8_t* low = out + b * kChaChaBlockSize;
    std::uint8_t* high = out + (b + 4) * kChaChaBlockSize;
    store_vector(low, _mm256_permute2x128_si256(rows[0][b], rows[1][b], 0x20));
    store_vector(low + 32, _mm256_permute2x128_si256(rows[2][b], rows[3][b], 0x20));
    store_vector(high, _mm256_permute2x128_si256(rows[0][b], rows[1][b], 0x31));
    store_vector(high + 32, _mm256_permute2x128_si256(rows[2][b], rows[3][b], 0x31));
  }
}

#if defined(__AVX512F__)
[[gnu::always_inline]] inline void transpose_words(const WordVector<16>* words,
                                                   __m512i (&blocks)[4]) {
  const auto w = [words](int i) { return reinterpret_cast<__m512i>(words[i]); };
  const __m512i low01 = _mm512_unpacklo_epi32(w(0), w(1));
  const __m512i high01 = _mm512_unpackhi_epi32(w(0), w(1));
  const __m512i low23 = _mm512_unpacklo_epi32(w(2), w(3));
  const __m512i high23 = _mm512_unpackhi_epi32(w(2), w(3));
  blocks[0] = _mm512_unpacklo_epi64(low01, low23);
  blocks[1] = _mm512_unpackhi_epi64(low01, low23);
  blocks[2] = _mm512_unpacklo_epi64(high01, high23);
  blocks[3] = _mm512_unpackhi_epi64(high01, high23);
}

// Sixteen blocks.
[[gnu::always_inline]] inline void store_blocks_512(const WordVector<16> (&state)[16],
                                                    std::uint8_t* out) {
  __m512i rows[4][4];  // rows[r][b]: words 4r to 4r+3 of blocks b, b + 4, b + 8 and b + 12
#pragma clang loop unroll(full)
  for (int r = 0; r < 4; ++r)
    transpose_words(state + 4 * r, rows[r]);
#pragma clang loop unroll(full)
  for (std::size_t b = 0; b < 4; ++b) {
    std::uint8_t* to = out + b * kChaChaBlockSize;
    const __m512i front01 = _mm512_shuffle_i32x4(rows[0][b], rows[1][b], 0x44);
    const __m512i front23 = _mm512_shuffle_i32x4(rows[2][b], rows[3][b], 0x44);
    const __m512i back01 = _mm512_shuffle_i32x4(rows[0][b], rows[1][b], 0xee);
    const __m512i back23 = _mm512_shuffle_i32x4(rows[2][b], rows[3][b], 0xee);
    store_vector(to, _mm512_shuffle_i32x4(front01, front23, 0x88));
    store_vector(to + 4 * kChaChaBlockSize, _mm512_shuffle_i32x4(front01, front23, 0xdd));
    store_vector(to + 8 * kChaChaBlockSize, _mm512_shuffle_i32x4(back01, back23, 0x88));
    store_vector(to + 12 * kChaChaBlockSize, _mm512_shuffle_i32x4(back01, back23, 0xdd));
  }
}
#endif

}  // namespace
}  // namespace sinew::crypto
#endif  // __AVX2__
