#include "base/rng.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace sinew;

namespace {

// Hands out the given numbers, one for each eight bytes asked for.
class ScriptedRng final : public Rng {
 public:
  explicit ScriptedRng(std::vector<std::uint64_t> numbers) : numbers_(std::move(numbers)) {}

  void fill(ByteSpan out) override {
    REQUIRE(out.size() == 8);
    REQUIRE(used_ < numbers_.size());
    store_le(out.data(), numbers_[used_++]);
  }

  std::size_t used() const { return used_; }

 private:
  std::vector<std::uint64_t> numbers_;
  std::size_t used_ = 0;
};

}  // namespace

TEST_CASE("seeded numbers are those of xoshiro256** seeded by splitmix64") {
  // Computed by an independent program from the two papers' definitions, seed 42.
  SeededRng rng(42);
  CHECK(rng.number<std::uint64_t>() == 0x15780b2e0c2ec716);
  CHECK(rng.number<std::uint64_t>() == 0x6104d9866d113a7e);
  CHECK(rng.number<std::uint64_t>() == 0xae17533239e499a1);
  CHECK(rng.number<std::uint64_t>() == 0xecb8ad4703b360a1);
}

TEST_CASE("the same seed repeats, another seed differs") {
  SeededRng first(7);
  SeededRng second(7);
  SeededRng other(8);
  const auto number = first.number<std::uint64_t>();
  CHECK(second.number<std::uint64_t>() == number);
  CHECK(other.number<std::uint64_t>() != number);
}

TEST_CASE("fill reaches the last byte of every size and not one more") {
  for (std::size_t size = 0; size <= 33; ++size) {
    SeededRng rng(size);
    std::array<bool, 33> touched{};
    for (int round = 0; round < 8; ++round) {
      std::array<std::uint8_t, 34> room{};
      rng.fill(ByteSpan(room).first(size));
      for (std::size_t i = 0; i < size; ++i)
        touched[i] = touched[i] || room[i] != 0;
      CHECK(std::all_of(room.begin() + static_cast<std::ptrdiff_t>(size), room.end(),
                        [](std::uint8_t byte) { return byte == 0; }));
    }
    CHECK(std::count(touched.begin(), touched.end(), true) == static_cast<std::ptrdiff_t>(size));
  }
}

TEST_CASE("below draws each number about equally often") {
  SeededRng rng(1);
  std::map<std::uint64_t, int> counts;
  for (int i = 0; i < 60'000; ++i)
    ++counts[rng.below(6)];
  REQUIRE(counts.size() == 6);
  for (const auto& [number, count] : counts) {
    CAPTURE(number);
    CHECK(number < 6);
    CHECK(count > 9'500);
    CHECK(count < 10'500);
  }
}

TEST_CASE("below draws again where small remainders would be likelier") {
  // 2^64 is 1 modulo 3: the number 0 alone is surplus.
  ScriptedRng rng({0, 1});
  CHECK(rng.below(3) == 1);
  CHECK(rng.used() == 2);
  ScriptedRng power_of_two({0});
  CHECK(power_of_two.below(4) == 0);
  ScriptedRng one({UINT64_MAX});
  CHECK(one.below(1) == 0);
  // 2^64 modulo 2^64-1 is 1 too.
  ScriptedRng widest({0, UINT64_MAX - 1});
  CHECK(widest.below(UINT64_MAX) == UINT64_MAX - 1);
}
