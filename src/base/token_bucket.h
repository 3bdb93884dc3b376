// A rate limit that allows bursts: `burst` tokens at the start, one more every `interval`, never
// above `burst`. Counts in whole nanoseconds, so that it neither drifts nor overflows. Pure; one
// thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "base/verify.h"

namespace sinew {

class TokenBucket {
 public:
  struct Limits {
    Duration interval;  // the time one token costs
    std::uint32_t burst;
  };

  // interval > 0, burst > 0, and interval * burst is a Duration.
  TokenBucket(Limits limits, MonoTime now)
      : interval_(limits.interval), full_(full_credit(limits)), credit_(full_), updated_(now) {}

  // Takes one token if there is one.
  bool take(MonoTime now) {
    refill(now);
    if (credit_ < interval_) return false;
    credit_ -= interval_;
    return true;
  }

  bool is_full(MonoTime now) {
    refill(now);
    return credit_ == full_;
  }

  // When take() will succeed again.
  MonoTime next_token_at() const {
    return credit_ >= interval_ ? updated_ : updated_ + (interval_ - credit_);
  }

 private:
  void refill(MonoTime now) {
    if (now <= updated_) return;
    credit_ += std::min(now - updated_, full_ - credit_);
    updated_ = now;
  }

  static Duration full_credit(Limits limits) {
    VERIFY(limits.interval > Duration::zero());
    VERIFY(limits.burst > 0);
    VERIFY(limits.interval <= Duration::max() / limits.burst);
    return limits.interval * limits.burst;
  }

  Duration interval_;
  Duration full_;
  Duration credit_;
  MonoTime updated_;
};

}  // namespace sinew
