// The kernel for x86-64 with AVX-512 and IFMA: thirty-two blocks at once in 512-bit vectors, in two
// groups that fill all registers, and Poly1305 on eight messages at once (poly1305_ifma.h).
#if defined(__x86_64__)
#include <immintrin.h>

#include "crypto/aead_engine.h"
#include "crypto/chacha20_store.h"
#include "crypto/poly1305_ifma.h"

namespace sinew::crypto {
namespace {

struct Avx512Kernel {
  static constexpr std::size_t kWidth = 16;
  static constexpr std::size_t kLanes = 32;
  static constexpr std::size_t kMessagesAtOnce = 8;
  static constexpr std::size_t kBesidePerLane = 0;  // Poly1305 is sooner done with IFMA
  using Vector = WordVector<kWidth>;

  // Few blocks are sooner done in shorter vectors, which the processor has more units for.
  static void keystream(const std::uint8_t* key, const ChaChaRun* runs, std::size_t run_count,
                        std::size_t lanes, std::uint8_t* out, PolyBeside&) {
    if (lanes > 24) {
      compute_group_pair(key, runs, run_count, out);
      return;
    }
    if (lanes > 8) compute_group<Vector>(key, runs, run_count, 0, out);
    if (lanes <= 8) compute_group<HalfVector>(key, runs, run_count, 0, out);
    if (lanes > 16)
      compute_group<HalfVector>(key, runs, run_count, 16, out + 16 * kChaChaBlockSize);
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

  static void absorb(PolyState& state, const std::uint8_t* data, std::size_t blocks) {
    poly_absorb_ifma(state, data, blocks);
  }

  static void authenticate(PolyMessage* messages, std::size_t count) {
    poly_authenticate_ifma(messages, count);
  }

 private:
  using HalfVector = WordVector<8>;

  // Not inlined, so that each size has all registers to itself.
  template <typename V>
  [[gnu::noinline]] static void compute_group(const std::uint8_t* key, const ChaChaRun* runs,
                                              std::size_t run_count, std::size_t first_lane,
                                              std::uint8_t* out) {
    NoWork nothing;
    const BlockIds<V> ids[1] = {block_ids<V>(runs, run_count, first_lane)};
    V state[1][16];
    chacha20_words(key, ids, state, nothing);
    store(state[0], out);
  }

  [[gnu::noinline]] static void compute_group_pair(const std::uint8_t* key, const ChaChaRun* runs,
                                                   std::size_t run_count, std::uint8_t* out) {
    NoWork nothing;
    const BlockIds<Vector> ids[2] = {block_ids<Vector>(runs, run_count, 0),
                                     block_ids<Vector>(runs, run_count, kWidth)};
    Vector state[2][16];
    chacha20_words(key, ids, state, nothing);
    store(state[0], out);
    store(state[1], out + kWidth * kChaChaBlockSize);
  }

  [[gnu::always_inline]] static void store(const Vector (&state)[16], std::uint8_t* out) {
    store_blocks_512(state, out);
  }
  [[gnu::always_inline]] static void store(const HalfVector (&state)[16], std::uint8_t* out) {
    store_blocks_256(state, out);
  }
};

}  // namespace

const AeadKernel kAvx512Kernel = {.name = "avx512",
                                  .max_jobs = Avx512Kernel::kLanes,
                                  .seal = AeadEngine<Avx512Kernel>::seal,
                                  .open = AeadEngine<Avx512Kernel>::open,
                                  .authenticate = Avx512Kernel::authenticate};

}  // namespace sinew::crypto
#endif
