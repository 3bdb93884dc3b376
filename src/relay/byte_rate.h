// A limit in bytes a second that allows bursts; 0 is no limit. Whole nanoseconds, so it neither
// drifts nor overflows. Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"

namespace sinew::relay {

class ByteRate {
 public:
  // A burst is at most an hour's worth.
  ByteRate(std::uint64_t bytes_per_second, std::uint64_t burst_bytes, MonoTime now)
      : bytes_per_second_(bytes_per_second),
        full_(bytes_per_second == 0 ? Duration::zero() : std::min(cost(burst_bytes), Duration(1h))),
        credit_(full_),
        updated_(now) {}

  // Takes that many bytes if they are there. Not more than kMaxPacketBytes.
  bool take(std::size_t bytes, MonoTime now) {
    if (bytes_per_second_ == 0) return true;
    if (now > updated_) {
      credit_ += std::min(now - updated_, full_ - credit_);
      updated_ = now;
    }
    const Duration price = cost(bytes);
    if (price > credit_) return false;
    credit_ -= price;
    return true;
  }

 private:
  Duration cost(std::uint64_t bytes) const {
    const auto nanoseconds =
        static_cast<unsigned __int128>(bytes) * 1'000'000'000 / bytes_per_second_;
    constexpr auto kMost = static_cast<unsigned __int128>(Duration::max().count());
    return Duration(static_cast<Duration::rep>(std::min(nanoseconds, kMost)));
  }

  std::uint64_t bytes_per_second_;
  Duration full_;
  Duration credit_;
  MonoTime updated_;
};

}  // namespace sinew::relay
