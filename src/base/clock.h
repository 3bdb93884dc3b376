// Time is a parameter. Pure code takes a MonoTime that is constant within one turn of a loop; only
// `os` reads clocks.
#pragma once

#include <chrono>
#include <compare>

namespace sinew {

using Duration = std::chrono::nanoseconds;
using std::chrono::duration_cast;
using namespace std::chrono_literals;

// A point on the monotonic clock, which also counts the time the machine was asleep. Meaningless to
// other machines.
class MonoTime {
 public:
  constexpr MonoTime() = default;
  constexpr explicit MonoTime(Duration since_start) : since_start_(since_start) {}
  static constexpr MonoTime never() { return MonoTime(Duration::max()); }

  constexpr Duration since_start() const { return since_start_; }

  friend constexpr auto operator<=>(MonoTime, MonoTime) = default;
  // Later than never() is never(), so that a deadline can be pushed back without a test.
  friend constexpr MonoTime operator+(MonoTime time, Duration step) {
    if (step > Duration::zero() && time.since_start_ > Duration::max() - step) return never();
    return MonoTime(time.since_start_ + step);
  }
  friend constexpr MonoTime operator-(MonoTime time, Duration step) {
    return MonoTime(time.since_start_ - step);
  }
  friend constexpr Duration operator-(MonoTime later, MonoTime earlier) {
    return later.since_start_ - earlier.since_start_;
  }
  constexpr MonoTime& operator+=(Duration step) { return *this = *this + step; }

 private:
  Duration since_start_{0};
};

// The calendar, which an operator or a time server may set forwards and backwards. For logs, names
// and expiry dates, never for timers.
class WallTime {
 public:
  constexpr WallTime() = default;
  constexpr explicit WallTime(Duration since_epoch) : since_epoch_(since_epoch) {}

  constexpr Duration since_epoch() const { return since_epoch_; }

  friend constexpr auto operator<=>(WallTime, WallTime) = default;
  friend constexpr WallTime operator+(WallTime time, Duration step) {
    return WallTime(time.since_epoch_ + step);
  }
  friend constexpr Duration operator-(WallTime later, WallTime earlier) {
    return later.since_epoch_ - earlier.since_epoch_;
  }

 private:
  Duration since_epoch_{0};
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall_now() const = 0;
};

// A clock that stands until it is told to move, for tests and simulation. The two times move
// independently, as they do on a machine whose date is being set.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(MonoTime now = MonoTime(1h), WallTime wall = WallTime(1'700'000'000s))
      : now_(now), wall_(wall) {}

  MonoTime now() const override { return now_; }
  WallTime wall_now() const override { return wall_; }

  void advance(Duration step) {
    now_ += step;
    wall_ = wall_ + step;
  }
  void set_wall(WallTime wall) { wall_ = wall; }

 private:
  MonoTime now_;
  WallTime wall_;
};

}  // namespace sinew
