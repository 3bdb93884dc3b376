// ChaCha20 (RFC 8439 section 2.3) on many blocks at once: lane i of every vector belongs to block
// i, each with its own counter and nonce under one key. Written with the compiler's vector types,
// so that the same lines become SSE2, NEON, AVX2 or AVX-512, as the flags of the including file
// say. Everything has internal linkage, because an including file may be compiled for a processor
// that the rest of the program must not ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sinew::crypto {
namespace {

constexpr std::size_t kChaChaBlockSize = 64;
constexpr int kChaChaRounds = 20;
constexpr std::uint32_t kChaChaConstants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

// Consecutive blocks of one keystream, in the lanes from `lane` to where the next run starts.
struct ChaChaRun {
  std::uint32_t lane;
  std::uint32_t counter;       // of the block in the first lane
  const std::uint32_t* nonce;  // three words
};

template <std::size_t Width>
using WordVector __attribute__((vector_size(4 * Width))) = std::uint32_t;

// Vectors, and single words, at any address. All processors that kernels exist for are little
// endian.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
template <typename V>
[[gnu::always_inline]] inline V load_vector(const void* from) {
  V value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename V>
[[gnu::always_inline]] inline void store_vector(void* to, V value) {
  std::memcpy(to, &value, sizeof value);
}

// out = in ^ keystream, a vector at a time and then byte by byte; out == in is allowed.
template <typename V>
[[gnu::always_inline]] inline void xor_vectors(std::uint8_t* out, const std::uint8_t* in,
                                               const std::uint8_t* keystream, std::size_t size) {
  std::size_t i = 0;
  for (; i + sizeof(V) <= size; i += sizeof(V)) {
    store_vector(out + i, load_vector<V>(in + i) ^ load_vector<V>(keystream + i));
  }
  for (; i < size; ++i)
    out[i] = in[i] ^ keystream[i];
}

template <typename V>
[[gnu::always_inline]] inline V rotate_left(V value, int bits) {
  return value << static_cast<std::uint32_t>(bits) | value >> static_cast<std::uint32_t>(32 - bits);
}

// One line of the quarter round of RFC 8439 section 2.1, `a += b; d = (d ^ a) <<< bits`, on four
// columns (shift 0) or four diagonals (shift 1) of every group. They are independent, so that the
// processor works on one while another waits for its result.
template <int A, int B, int D, int Shift, typename V, std::size_t Groups>
[[gnu::always_inline]] inline void quarter_line(V (&state)[Groups][16], int bits) {
  constexpr auto word = [](int row, int i) { return 4 * row + (i + Shift * row) % 4; };
  for (int i = 0; i < 4; ++i) {
    for (auto& s : state) {
      s[word(A, i)] += s[word(B, i)];
      s[word(D, i)] = rotate_left(s[word(D, i)] ^ s[word(A, i)], bits);
    }
  }
}

template <int Shift, typename V, std::size_t Groups>
[[gnu::always_inline]] inline void quarter_rounds(V (&state)[Groups][16]) {
  quarter_line<0, 1, 3, Shift>(state, 16);
  quarter_line<2, 3, 1, Shift>(state, 12);
  quarter_line<0, 1, 3, Shift>(state, 8);
  quarter_line<2, 3, 1, Shift>(state, 7);
}

// Words 12 to 15 of the initial state: what tells one block from another under the same key.
template <typename V>
struct BlockIds {
  V words[4];
};

// The lanes from `first_lane` on. The runs are in the order of their lanes and the first starts at
// lane 0.
template <typename V>
[[gnu::always_inline]] inline BlockIds<V> block_ids(const ChaChaRun* runs, std::size_t count,
                                                    std::size_t first_lane) {
  constexpr std::uint32_t kWidth = sizeof(V) / 4;
  V index;
  for (std::uint32_t i = 0; i < kWidth; ++i)
    index[i] = static_cast<std::uint32_t>(first_lane) + i;
  BlockIds<V> ids = {};
  for (const ChaChaRun* run = runs; run != runs + count; ++run) {
    // Runs that end before these lanes do not matter; later runs overwrite the lanes behind their
    // start.
    if (run + 1 != runs + count && run[1].lane <= first_lane) continue;
    if (run->lane >= first_lane + kWidth) break;
    const auto is_behind = index >= V{} + run->lane;
    ids.words[0] = is_behind ? index + (run->counter - run->lane) : ids.words[0];
    for (int i = 0; i < 3; ++i)
      ids.words[1 + i] = is_behind ? V{} + run->nonce[i] : ids.words[1 + i];
  }
  return ids;
}

template <typename V>
[[gnu::always_inline]] inline V initial_word(const std::uint8_t* key, const BlockIds<V>& ids,
                                             std::size_t word) {
  if (word < 4) return V{} + kChaChaConstants[word];
  if (word < 12) return V{} + load_vector<std::uint32_t>(key + 4 * (word - 4));
  return ids.words[word - 12];
}

struct NoWork {
  void operator()() {}
};

// The blocks of RFC 8439 section 2.3 as vectors of words, for `Groups` sets of lanes side by side.
// `meanwhile` is called once in each double round: work for the scalar units of the processor,
// which have none otherwise.
template <typename V, std::size_t Groups, typename Meanwhile>
[[gnu::always_inline]] inline void chacha20_words(const std::uint8_t* key,
                                                  const BlockIds<V> (&ids)[Groups],
                                                  V (&state)[Groups][16], Meanwhile& meanwhile) {
  Meanwhile work = meanwhile;
#pragma clang loop unroll(full)
  for (std::size_t g = 0; g < Groups; ++g) {
#pragma clang loop unroll(full)
    for (std::size_t word = 0; word < 16; ++word)
      state[g][word] = initial_word(key, ids[g], word);
  }
#pragma clang loop unroll(disable)
  for (int i = 0; i < kChaChaRounds; i += 2) {
    quarter_rounds<0>(state);
    work();
    quarter_rounds<1>(state);
    work();
  }
  meanwhile = work;
  // The initial words must not stay in registers through the rounds, which need them all.
  asm volatile("" : : : "memory");
#pragma clang loop unroll(full)
  for (std::size_t g = 0; g < Groups; ++g) {
#pragma clang loop unroll(full)
    for (std::size_t word = 0; word < 16; ++word)
      state[g][word] += initial_word(key, ids[g], word);
  }
}

}  // namespace
}  // namespace sinew::crypto
