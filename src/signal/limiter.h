// A rate for each source, which is an IPv4 address or an IPv6 /64, what one customer is given. A
// flood of sources pushes out those seen longest ago, who then start with a full burst. The hash is
// keyed, so nobody can make the table slow. O(1). Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/lru_map.h"
#include "base/rng.h"
#include "base/token_bucket.h"

namespace sinew::signal {

class SourceLimiter {
 public:
  SourceLimiter(std::size_t sources, TokenBucket::Limits limits, Rng& rng)
      : limits_(limits), v4_(draw(rng)), v6_(draw(rng)), buckets_(sources) {}

  // Takes one from the rate of this source, if there is one left.
  bool take(const IpAddress& source, MonoTime now) {
    const std::uint8_t* bytes = source.bytes().data();
    const std::uint64_t key =
        source.is_v4() ? v4_(load_be<std::uint32_t>(bytes)) : v6_(load_be<std::uint64_t>(bytes));
    if (TokenBucket* bucket = buckets_.find(key)) return bucket->take(now);
    return buckets_.insert(key, TokenBucket(limits_, now)).take(now);
  }

 private:
  struct NoHash {
    std::size_t operator()(std::uint64_t key) const { return static_cast<std::size_t>(key); }
  };
  // The upper half of a product in 128 bits: a strongly universal hash, which stands for the
  // source.
  struct Keyed {
    unsigned __int128 factor;
    unsigned __int128 offset;
    std::uint64_t operator()(std::uint64_t value) const {
      return static_cast<std::uint64_t>((factor * value + offset) >> 64);
    }
  };
  static Keyed draw(Rng& rng) {
    const auto wide = [&rng] {
      return static_cast<unsigned __int128>(rng.number<std::uint64_t>()) << 64 |
             rng.number<std::uint64_t>();
    };
    return {.factor = wide(), .offset = wide()};
  }

  TokenBucket::Limits limits_;
  Keyed v4_;
  Keyed v6_;
  LruMap<std::uint64_t, TokenBucket, NoHash> buckets_;
};

}  // namespace sinew::signal
