#include "base/backoff.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew {

Backoff::Backoff(Limits limits) : limits_(limits), current_(limits.first) {
  VERIFY(limits.first > Duration::zero());
  VERIFY(limits.first <= limits.ceiling);
}

Duration Backoff::next_delay(Rng& rng) {
  const Duration longest = current_;
  current_ = longest > limits_.ceiling / 2 ? limits_.ceiling : longest * 2;
  const Duration shortest = longest / 2;
  const auto spread = static_cast<std::uint64_t>((longest - shortest).count());
  return shortest + Duration(static_cast<Duration::rep>(rng.below(spread + 1)));
}

}  // namespace sinew
