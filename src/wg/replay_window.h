// Which counters of a session were seen (whitepaper section 5.4.6; the idea of RFC 6479). Exactly
// the last kSize counters up to the highest one are remembered, one bit each, in a ring of words:
// the bit of a counter takes the place of the counter kSize before it, so moving on by one clears
// nothing. The size is what reordering over several paths and queues needs at tens of gigabits.
//
// Only authentic packets may reach accept(): a forged high counter would push all real ones out.
// Then an attacker who repeats, delays or reorders packets gets each counter through at most once.
// O(1): accept() touches one word, and at most kWords when counters are skipped. Pure; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace sinew::wg {

class ReplayWindow {
 public:
  static constexpr std::uint64_t kSize = 8192;  // counters

  // A look without a trace, worth taking before the cost of decrypting.
  bool would_accept(std::uint64_t counter) const {
    if (counter > highest_) return true;
    return highest_ - counter < kSize && (word(counter) & mask(counter)) == 0;
  }

  // Remembers `counter`. False when it was seen before, or is too old to tell.
  [[nodiscard]] bool accept(std::uint64_t counter) {
    if (!would_accept(counter)) return false;
    if (counter > highest_) {
      forget_between(highest_, counter);
      highest_ = counter;
    }
    word(counter) |= mask(counter);
    return true;
  }

 private:
  static constexpr std::uint64_t kWordBits = 64;
  static constexpr std::uint64_t kWords = kSize / kWordBits;
  static_assert(kSize % kWordBits == 0 && (kWords & (kWords - 1)) == 0);

  std::uint64_t& word(std::uint64_t counter) { return words_[counter / kWordBits % kWords]; }
  std::uint64_t word(std::uint64_t counter) const { return words_[counter / kWordBits % kWords]; }
  static std::uint64_t mask(std::uint64_t counter) {
    return std::uint64_t{1} << counter % kWordBits;
  }

  // The skipped counters were not seen, whatever their bits said of counters long gone.
  void forget_between(std::uint64_t before, std::uint64_t after) {
    const std::uint64_t skipped = after - before - 1;
    if (skipped == 0) return;
    if (skipped >= kSize) {
      words_.fill(0);
      return;
    }
    const std::uint64_t first = before + 1;
    const std::uint64_t last = after - 1;
    const std::uint64_t from_first = ~std::uint64_t{0} << first % kWordBits;
    const std::uint64_t to_last = ~std::uint64_t{0} >> (kWordBits - 1 - last % kWordBits);
    if (first / kWordBits == last / kWordBits) {
      word(first) &= ~(from_first & to_last);
      return;
    }
    word(first) &= ~from_first;
    for (std::uint64_t i = first / kWordBits + 1; i < last / kWordBits; ++i)
      words_[i % kWords] = 0;
    word(last) &= ~to_last;
  }

  std::uint64_t highest_ = 0;  // of those seen; before the first, the bit of 0 is clear
  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace sinew::wg
