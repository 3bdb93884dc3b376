// The kernel for x86-64 with AVX2: eight blocks at once in 256-bit vectors.
#if defined(__x86_64__)
#include <immintrin.h>

#include "crypto/aead_engine.h"
#include "crypto/chacha20_store.h"
#include "crypto/poly1305_avx2.h"

namespace sinew::crypto {
namespace {

struct Avx2Kernel {
  static constexpr std::size_t kWidth = 8;
  static constexpr std::size_t kLanes = 8;
  static constexpr std::size_t kMessagesAtOnce = 1;
  static constexpr std::size_t kBesidePerLane = 16;
  using Vector = WordVector<kWidth>;

  static void keystream(const std::uint8_t* key, const ChaChaRun* runs, std::size_t run_count,
                        std::size_t, std::uint8_t* out, PolyBeside& beside) {
    const BlockIds<Vector> ids[1] = {block_ids<Vector>(runs, run_count, 0)};
    Vector state[1][16];
    chacha20_words(key, ids, state, beside);
    store_blocks_256(state[0], out);
  }

  static void xor_bytes(std::uint8_t* out, const std::uint8_t* in, const std::uint8_t* keystream,
                        std::size_t size) {
    xor_vectors<Vector>(out, in, keystream, size);
  }

  static void absorb(PolyState& state, const std::uint8_t* data, std::size_t blocks) {
    poly_absorb_avx2(state, data, blocks);
  }

  static void authenticate(PolyMessage* messages, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      poly_authenticate(messages[i], poly_absorb_avx2);
  }
};

}  // namespace

const AeadKernel kAvx2Kernel = {.name = "avx2",
                                .max_jobs = Avx2Kernel::kLanes,
                                .seal = AeadEngine<Avx2Kernel>::seal,
                                .open = AeadEngine<Avx2Kernel>::open,
                                .authenticate = Avx2Kernel::authenticate};

}  // namespace sinew::crypto
#endif
