#include "wg/index_table.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

// Numbers from a small range, so that they collide all the time.
class NarrowRng final : public Rng {
 public:
  NarrowRng(std::uint64_t seed, std::uint8_t mask) : rng_(seed), mask_(mask) {}
  void fill(ByteSpan out) override {
    rng_.fill(out);
    for (std::size_t i = 1; i < out.size(); ++i)
      out[i] = 0;
    out[0] &= mask_;
  }

 private:
  SeededRng rng_;
  std::uint8_t mask_;
};

}  // namespace

TEST_CASE("index table: does what a map does, also when all keys crowd in one place") {
  for (const std::uint8_t mask : std::array<std::uint8_t, 3>{0xff, 0x3f, 0x0f}) {
    NarrowRng narrow(mask, mask);
    SeededRng rng(mask);
    IndexTable table;
    std::map<std::uint32_t, PeerId> twin;
    for (int step = 0; step < 20'000; ++step) {
      const bool adds = rng.below(2) == 0 && twin.size() < mask / 2U;
      if (adds) {
        const PeerId peer(rng.number<std::uint32_t>());
        const SessionIndex index = table.add(peer, narrow);
        REQUIRE(twin.emplace(index.value(), peer).second);
      } else {
        const std::uint32_t index = narrow.number<std::uint32_t>();
        table.remove(SessionIndex(index));
        twin.erase(index);
      }
      REQUIRE(table.size() == twin.size());
      for (std::uint32_t i = 0; i <= mask; i += 3) {
        const IndexTable::Entry* entry = table.find(SessionIndex(i));
        const auto expected = twin.find(i);
        REQUIRE((entry != nullptr) == (expected != twin.end()));
        if (entry != nullptr) REQUIRE(entry->peer == expected->second);
      }
    }
  }
}

TEST_CASE("L10 indices are unique and evenly random: chi-square over 10^6") {
  SeededRng rng(7);
  IndexTable table;
  constexpr std::size_t kDraws = 1'000'000;
  constexpr std::size_t kLive = 1000;
  constexpr std::size_t kBins = 256;
  std::array<std::array<std::size_t, kBins>, 4> bins{};
  std::vector<SessionIndex> live;
  for (std::size_t i = 0; i < kDraws; ++i) {
    const SessionIndex index = table.add(PeerId(1), rng);
    for (std::size_t byte = 0; byte < 4; ++byte)
      ++bins[byte][index.value() >> 8 * byte & 0xff];
    live.push_back(index);
    if (live.size() <= kLive) continue;
    std::swap(live[rng.below(live.size())], live.back());
    table.remove(live.back());
    live.pop_back();
  }
  CHECK(table.size() == kLive);
  for (const auto& bin : bins) {
    double chi_square = 0;
    constexpr double kExpected = static_cast<double>(kDraws) / kBins;
    for (const std::size_t count : bin) {
      const double off = static_cast<double>(count) - kExpected;
      chi_square += off * off / kExpected;
    }
    // 255 degrees of freedom: beyond these about once in a million.
    CHECK(chi_square > 160);
    CHECK(chi_square < 375);
  }
}
