// The kernel for x86-64 with AVX-512 and IFMA: thirty-two blocks at once in 512-bit vectors, in two
// groups that fill all registers, and Poly1305 on eight messages at once (poly1305_ifma.h).
#if defined(__x86_64__)
#include <immintrin.h>

#include "crypto/aead_engine.h"
#include "crypto/poly1305_ifma.h"

namespace sinew::crypto {
namespace {

struct Avx512Kernel {
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kLanes = 32;
  using Vector = WordVector<kWidth>;

  static void keystream(const std::uint32_t* key, const BlockIds<kLanes>& ids, std::size_t count,
                        std::uint8_t* out) {
    if (count <= kWidth) {
      Vector state[1][16];
      chacha20_words(key, ids, 0, state);
      store_blocks(state[0], out);
      return;
    }
    Vector state[2][16];
    chacha20_words(key, ids, 0, state);
    store_blocks(state[0], out);
    store_blocks(state[1], out + kWidth * kChaChaBlockSize);
  }

  static void xor_bytes(std::uint8_t* out, const std::uint8_t* in, const std::uint8_t* keystream,
                        std::size_t size) {
    std::size_t i = 0;
    for (; i + 64 <= size; i += 64) {
      store_vector(out + i, load_vector<Vector>(in + i) ^ load_vector<Vector>(keystream + i));
    }
    if (i == size) return;
    const __mmask64 rest = (std::uint64_t{1} << (size - i)) - 1;
    const __m512i last = _mm512_maskz_loadu_epi8(rest, in + i);
    _mm512_mask_storeu_epi8(out + i, rest,
                            _mm512_xor_si512(last, _mm512_loadu_si512(keystream + i)));
  }

  static void authenticate(PolyMessage* messages, std::size_t count) {
    poly_authenticate_ifma(messages, count);
  }

 private:
  // Turns vectors of words into blocks: first 4x4 words within each 128-bit slot, then 4x4 slots.
  [[gnu::always_inline]] static void store_blocks(Vector (&state)[16], std::uint8_t* out) {
    __m512i rows[4][4];  // rows[r][b]: words 4r to 4r+3 of blocks b, b + 4, b + 8 and b + 12
#pragma clang loop unroll(full)
    for (int r = 0; r < 4; ++r) {
      const auto w = [&](int i) { return reinterpret_cast<__m512i>(state[4 * r + i]); };
      const __m512i low01 = _mm512_unpacklo_epi32(w(0), w(1));
      const __m512i high01 = _mm512_unpackhi_epi32(w(0), w(1));
      const __m512i low23 = _mm512_unpacklo_epi32(w(2), w(3));
      const __m512i high23 = _mm512_unpackhi_epi32(w(2), w(3));
      rows[r][0] = _mm512_unpacklo_epi64(low01, low23);
      rows[r][1] = _mm512_unpackhi_epi64(low01, low23);
      rows[r][2] = _mm512_unpacklo_epi64(high01, high23);
      rows[r][3] = _mm512_unpackhi_epi64(high01, high23);
    }
#pragma clang loop unroll(full)
    for (int b = 0; b < 4; ++b) {
      const __m512i front01 = _mm512_shuffle_i32x4(rows[0][b], rows[1][b], 0x44);
      const __m512i front23 = _mm512_shuffle_i32x4(rows[2][b], rows[3][b], 0x44);
      const __m512i back01 = _mm512_shuffle_i32x4(rows[0][b], rows[1][b], 0xee);
      const __m512i back23 = _mm512_shuffle_i32x4(rows[2][b], rows[3][b], 0xee);
      _mm512_storeu_si512(out + 64 * b, _mm512_shuffle_i32x4(front01, front23, 0x88));
      _mm512_storeu_si512(out + 64 * (b + 4), _mm512_shuffle_i32x4(front01, front23, 0xdd));
      _mm512_storeu_si512(out + 64 * (b + 8), _mm512_shuffle_i32x4(back01, back23, 0x88));
      _mm512_storeu_si512(out + 64 * (b + 12), _mm512_shuffle_i32x4(back01, back23, 0xdd));
    }
  }
};

}  // namespace

const AeadKernel kAvx512Kernel = {.name = "avx512",
                                  .max_jobs = Avx512Kernel::kLanes,
                                  .seal = AeadEngine<Avx512Kernel>::seal,
                                  .open = AeadEngine<Avx512Kernel>::open};

}  // namespace sinew::crypto
#endif
