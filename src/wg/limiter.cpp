#include "wg/limiter.h"

#include "base/bytes.h"

namespace sinew::wg {

SourceLimiter::SourceLimiter(std::size_t sources, Rng& rng)
    : v4_(draw(rng)), v6_(draw(rng)), buckets_(sources) {}

SourceLimiter::Keyed SourceLimiter::draw(Rng& rng) {
  const auto wide = [&rng] {
    return static_cast<unsigned __int128>(rng.number<std::uint64_t>()) << 64 |
           rng.number<std::uint64_t>();
  };
  return {.factor = wide(), .offset = wide()};
}

bool SourceLimiter::take(const IpAddress& source, MonoTime now) {
  const std::uint8_t* bytes = source.bytes().data();
  const std::uint64_t key =
      source.is_v4() ? v4_(load_be<std::uint32_t>(bytes)) : v6_(load_be<std::uint64_t>(bytes));
  if (TokenBucket* bucket = buckets_.find(key)) return bucket->take(now);
  const TokenBucket::Limits limits = {.interval = Duration(1s) / kHandshakesPerSecond,
                                      .burst = kHandshakeBurst};
  return buckets_.insert(key, TokenBucket(limits, now)).take(now);
}

HandshakeLimiter::HandshakeLimiter(std::size_t sources, std::uint32_t budget, Rng& rng)
    : claimed_(sources, rng),
      proven_(sources, rng),
      budget_({.interval = Duration(1s) / budget, .burst = budget}, MonoTime()) {}

HandshakeLimiter::Verdict HandshakeLimiter::judge(const IpAddress& source, bool has_cookie,
                                                  MonoTime now) {
  if (has_cookie) return proven_.take(source, now) ? Verdict::kAdmit : Verdict::kDrop;
  // A source beyond its own rate takes nothing from the others.
  if (!claimed_.take(source, now)) return Verdict::kAskForCookie;
  return budget_.take(now) ? Verdict::kAdmit : Verdict::kAskForCookie;
}

}  // namespace sinew::wg
