// The kernel for every processor: four blocks at once in the 128-bit vectors that x86-64 (SSE2) and
// arm64 (NEON) always have, and Poly1305 on 64-bit words.
#include "crypto/aead_engine.h"

namespace sinew::crypto {
namespace {

struct PortableKernel {
  static constexpr std::size_t kWidth = 4;
  static constexpr std::size_t kLanes = 4;
  static constexpr std::size_t kMessagesAtOnce = 1;
  static constexpr std::size_t kBesidePerLane = 16;
  using Vector = WordVector<kWidth>;

  static void keystream(const std::uint8_t* key, const ChaChaRun* runs, std::size_t run_count,
                        std::size_t, std::uint8_t* out, PolyBeside& beside) {
    const BlockIds<Vector> ids[1] = {block_ids<Vector>(runs, run_count, 0)};
    Vector state[1][16];
    chacha20_words(key, ids, state, beside);
    for (std::size_t row = 0; row < 4; ++row) {
      const Vector* w = state[0] + 4 * row;
      const Vector low01 = __builtin_shufflevector(w[0], w[1], 0, 4, 1, 5);
      const Vector high01 = __builtin_shufflevector(w[0], w[1], 2, 6, 3, 7);
      const Vector low23 = __builtin_shufflevector(w[2], w[3], 0, 4, 1, 5);
      const Vector high23 = __builtin_shufflevector(w[2], w[3], 2, 6, 3, 7);
      std::uint8_t* to = out + row * sizeof(Vector);
      store_vector(to, __builtin_shufflevector(low01, low23, 0, 1, 4, 5));
      store_vector(to + kChaChaBlockSize, __builtin_shufflevector(low01, low23, 2, 3, 6, 7));
      store_vector(to + 2 * kChaChaBlockSize, __builtin_shufflevector(high01, high23, 0, 1, 4, 5));
      store_vector(to + 3 * kChaChaBlockSize, __builtin_shufflevector(high01, high23, 2, 3, 6, 7));
    }
  }

  static void xor_bytes(std::uint8_t* out, const std::uint8_t* in, const std::uint8_t* keystream,
                        std::size_t size) {
    xor_vectors<Vector>(out, in, keystream, size);
  }

  static void absorb(PolyState& state, const std::uint8_t* data, std::size_t blocks) {
    poly_absorb_blocks(state, data, blocks);
  }

  static void authenticate(PolyMessage* messages, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      poly_authenticate(messages[i], poly_absorb_blocks);
  }
};

}  // namespace

const AeadKernel kPortableKernel = {.name = "portable",
                                    .max_jobs = PortableKernel::kLanes,
                                    .seal = AeadEngine<PortableKernel>::seal,
                                    .open = AeadEngine<PortableKernel>::open,
                                    .authenticate = PortableKernel::authenticate};

}  // namespace sinew::crypto
