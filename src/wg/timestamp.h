// TAI64N: the timestamp in an initiation, by which the responder refuses to answer one twice.
// Twelve bytes, big endian, so that later is greater as bytes too. A value.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

#include "base/clock.h"
#include "wg/messages.h"

namespace sinew::wg {

class Timestamp {
 public:
  // Before all others.
  constexpr Timestamp() = default;
  constexpr explicit Timestamp(const std::array<std::uint8_t, kTimestampSize>& bytes)
      : bytes_(bytes) {}

  // The timestamp of `wall` with its nanoseconds rounded down, so that it does not give away how
  // exactly this machine's clock runs, but always later than `last`: a calendar that was set back
  // must not make a peer refuse us.
  static Timestamp after(const Timestamp& last, WallTime wall);

  const std::array<std::uint8_t, kTimestampSize>& bytes() const { return bytes_; }

  friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;

 private:
  std::array<std::uint8_t, kTimestampSize> bytes_{};
};

}  // namespace sinew::wg
