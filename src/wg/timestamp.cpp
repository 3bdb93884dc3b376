#include "wg/timestamp.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"

namespace sinew::wg {
namespace {

// The label of 1970-01-01 00:00:00 TAI, and the ten seconds that TAI was ahead of UTC then.
constexpr std::uint64_t kEpochLabel = 0x4000'0000'0000'000a;
constexpr std::uint64_t kNanosPerSecond = 1'000'000'000;
// As coarse as the most frequent initiations allow, and a power of two.
constexpr std::uint64_t kNanosStep = std::bit_floor(kNanosPerSecond / kInitiationsPerSecond);

Timestamp make(std::uint64_t label, std::uint64_t nanos) {
  std::array<std::uint8_t, kTimestampSize> bytes;
  store_be(bytes.data(), label);
  store_be(bytes.data() + 8, static_cast<std::uint32_t>(nanos));
  return Timestamp(bytes);
}

Timestamp next_step(const Timestamp& last) {
  const auto label = load_be<std::uint64_t>(last.bytes().data());
  const std::uint64_t nanos = load_be<std::uint32_t>(last.bytes().data() + 8) + kNanosStep;
  return nanos < kNanosPerSecond ? make(label, nanos) : make(label + 1, 0);
}

}  // namespace

Timestamp Timestamp::after(const Timestamp& last, WallTime wall) {
  const auto since_epoch = std::max(wall.since_epoch(), Duration::zero());
  const auto nanos = static_cast<std::uint64_t>(since_epoch.count());
  const Timestamp now = make(kEpochLabel + nanos / kNanosPerSecond,
                             nanos % kNanosPerSecond / kNanosStep * kNanosStep);
  return now > last ? now : next_step(last);
}

}  // namespace sinew::wg
