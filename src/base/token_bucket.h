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

  TokenBucket(Limits limits, MonoTime now)
      : limits_(limits), credit_(limits.interval * limits.burst), updated_(now) {
    VERIFY(limits.interval > Duration::zero());
    VERIFY(limits.burst > 0);
  }

  // Takes one token if there is one.
  bool take(MonoTime now) {
    refill(now);
    if (credit_ < limits_.interval) return false;
    credit_ -= limits_.interval;
    return true;
  }

  bool is_full(MonoTime now) {
    refill(now);
    return credit_ == limits_.interval * limits_.burst;
  }

  // When take() will succeed again.
  MonoTime next_token_at() const {
    return credit_ >= limits_.interval ? updated_ : updated_ + (limits_.interval - credit_);
  }

 private:
  void refill(MonoTime now) {
    if (now <= updated_) return;
    const Duration full = limits_.interval * limits_.burst;
    const Duration missing = full - credit_;
    credit_ += std::min(now - updated_, missing);
    updated_ = now;
  }

  Limits limits_;
  Duration credit_;
  MonoTime updated_;
};

}  // namespace sinew
