// How many initiations are worth a key exchange. Each source has its own rate, so that one who
// floods does not make others wait; a source is an IPv4 address or an IPv6 /64, which is what one
// customer is given. All sources together have a budget, which defines "under load": an address can
// be forged, so the rate of each alone bounds nothing. Whoever proves his address with a cookie
// needs no budget, and has a rate that forgers of his address cannot use up.
//
// Memory: `sources` entries twice; a flood of addresses pushes out those seen longest ago, who then
// start with a full burst. The hash is keyed, so nobody can make the table slow. O(1). Pure; one
// thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/ip.h"
#include "base/lru_map.h"
#include "base/rng.h"
#include "base/token_bucket.h"

namespace sinew::wg {

inline constexpr std::uint32_t kHandshakesPerSecond = 20;  // of one source
inline constexpr std::uint32_t kHandshakeBurst = 5;

// The rate of each source.
class SourceLimiter {
 public:
  SourceLimiter(std::size_t sources, Rng& rng);

  // Takes one from the rate of this source, if there is one left.
  bool take(const IpAddress& source, MonoTime now);

  std::size_t size() const { return buckets_.size(); }

 private:
  struct NoHash {
    std::size_t operator()(std::uint64_t key) const { return static_cast<std::size_t>(key); }
  };
  // A multiplication in 128 bits, of which the upper half is used: a strongly universal hash of 64
  // bits, which stands for the source itself.
  struct Keyed {
    unsigned __int128 factor;
    unsigned __int128 offset;
    std::uint64_t operator()(std::uint64_t value) const {
      return static_cast<std::uint64_t>((factor * value + offset) >> 64);
    }
  };
  static Keyed draw(Rng& rng);

  Keyed v4_;
  Keyed v6_;
  LruMap<std::uint64_t, TokenBucket, NoHash> buckets_;
};

class HandshakeLimiter {
 public:
  enum class Verdict : std::uint8_t {
    kAdmit,
    kAskForCookie,
    kDrop,
  };

  // `budget` is in initiations a second, and the burst as well.
  HandshakeLimiter(std::size_t sources, std::uint32_t budget, Rng& rng);

  // On an initiation, or a response that looks forged; `has_cookie` if its second MAC is right.
  Verdict judge(const IpAddress& source, bool has_cookie, MonoTime now);

 private:
  SourceLimiter claimed_;
  SourceLimiter proven_;
  TokenBucket budget_;
};

}  // namespace sinew::wg
