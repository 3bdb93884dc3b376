// Randomness is a parameter. os::SystemRng is the real one; SeededRng repeats itself for tests and
// simulation.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>

#include "base/bytes.h"

namespace sinew {

class Rng {
 public:
  virtual ~Rng() = default;
  // Fills all of `out` with unpredictable bytes. Cannot fail: a machine without randomness must not
  // go on.
  virtual void fill(ByteSpan out) = 0;

  template <std::unsigned_integral T>
  T number() {
    std::array<std::uint8_t, sizeof(T)> bytes;
    fill(bytes);
    return load_le<T>(bytes.data());
  }
  // A number in [0, bound), each equally likely. `bound` is not zero.
  std::uint64_t below(std::uint64_t bound);
};

// The same numbers for the same seed, on every machine (xoshiro256**). Predictable: never for keys.
class SeededRng final : public Rng {
 public:
  explicit SeededRng(std::uint64_t seed);
  void fill(ByteSpan out) override;

 private:
  std::uint64_t next();

  std::array<std::uint64_t, 4> state_;
};

}  // namespace sinew
