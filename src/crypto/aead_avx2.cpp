// The kernel for x86-64 with AVX2: eight blocks at once in 256-bit vectors.
#if defined(__x86_64__)
#include <immintrin.h>

#include "crypto/aead_engine.h"

namespace sinew::crypto {
namespace {

struct Avx2Kernel {
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kLanes = 8;
  using Vector = WordVector<kWidth>;

  static void keystream(const std::uint32_t* key, const BlockIds<kLanes>& ids, std::size_t,
                        std::uint8_t* out) {
    Vector state[1][16];
    chacha20_words(key, ids, 0, state);
    __m256i rows[4][4];  // rows[r][b]: words 4r to 4r+3 of blocks b and b + 4
    for (int r = 0; r < 4; ++r)
      transpose(state[0] + 4 * r, rows[r]);
    for (int b = 0; b < 4; ++b) {
      store_block_pair(out + b * 64, rows[0][b], rows[1][b]);
      store_block_pair(out + b * 64 + 32, rows[2][b], rows[3][b]);
    }
  }

  static void xor_bytes(std::uint8_t* out, const std::uint8_t* in, const std::uint8_t* keystream,
                        std::size_t size) {
    xor_vectors<Vector>(out, in, keystream, size);
  }

  static void authenticate(PolyMessage* messages, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      poly_authenticate(messages[i], poly_absorb_blocks);
  }

 private:
  // Four vectors of one word each become four that hold all four words of a block in each half.
  static void transpose(const Vector* words, __m256i* blocks) {
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

  // Half a block goes to `out`, the same half of the block four further on behind it.
  static void store_block_pair(std::uint8_t* out, __m256i front, __m256i back) {
    store_vector(out, _mm256_permute2x128_si256(front, back, 0x20));
    store_vector(out + 4 * kChaChaBlockSize, _mm256_permute2x128_si256(front, back, 0x31));
  }
};

}  // namespace

const AeadKernel kAvx2Kernel = {.name = "avx2",
                                .max_jobs = Avx2Kernel::kLanes,
                                .seal = AeadEngine<Avx2Kernel>::seal,
                                .open = AeadEngine<Avx2Kernel>::open};

}  // namespace sinew::crypto
#endif
