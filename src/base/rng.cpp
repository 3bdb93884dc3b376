#include "base/rng.h"

#include <algorithm>
#include <bit>

#include "base/verify.h"

namespace sinew {

std::uint64_t Rng::below(std::uint64_t bound) {
  VERIFY(bound > 0);
  // Numbers under `surplus` would make the small remainders likelier; draw again instead.
  const std::uint64_t surplus = (0 - bound) % bound;
  while (true) {
    const auto drawn = number<std::uint64_t>();
    if (drawn >= surplus) return drawn % bound;
  }
}

SeededRng::SeededRng(std::uint64_t seed) {
  // splitmix64 spreads the seed over the whole state, which must not be all zero.
  for (std::uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    word = mixed ^ mixed >> 31;
  }
}

void SeededRng::fill(ByteSpan out) {
  while (!out.empty()) {
    std::array<std::uint8_t, 8> block;
    store_le(block.data(), next());
    const std::size_t size = std::min(out.size(), block.size());
    std::copy_n(block.begin(), size, out.begin());
    out = out.subspan(size);
  }
}

std::uint64_t SeededRng::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace sinew
