// Controlled delay (RFC 8289) for one queue: says when whoever fills it is to be told to slow down.
// A burst that drains again is what a queue is for; a queue in which even the luckiest packet of
// kInterval has waited kTarget is a standing one, which delays all and helps nobody. From then on
// signals come at shrinking gaps, kInterval / sqrt(n) before the one after the n-th, until a packet
// has waited less: that gap makes the throughput of TCP fall linearly with time. Who falls back
// soon after (kMemory) begins near the rate it had reached.
//
// A signal is a mark or a lost packet; which one, and doing it, is up to the caller. One call for
// each packet that leaves, with times that never go back. Other than in the RFC a packet carries
// one signal at most, and those that came due while nothing left are not made up for: the gap
// starts over, so that a pause of the network does not end in a salvo.
//
// Who ignores the signals gets as many as he has packets, at most one in kInterval /
// sqrt(kMaxSignals), and his queue grows until it meets another bound. Pure.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/clock.h"

namespace sinew::packet {

class Codel {
 public:
  // What a packet may wait. The RFC has 5 ms, a twentieth of kInterval, for the queue of a link
  // whose packets take their time to be sent. This is the queue of a program, which is served many
  // times in a millisecond, in front of a link that has a queue of its own: less is enough to keep
  // the program busy between two of its turns.
  static constexpr Duration kTarget = std::chrono::milliseconds(2);
  // How long it may wait more: a round trip across the world, in which a sender can answer. That
  // is a matter of the path and not of this queue, so that it is as in the RFC.
  static constexpr Duration kInterval = std::chrono::milliseconds(100);
  static constexpr Duration kMemory = 16 * kInterval;
  // A queue this short is not to blame: one super-packet, less than which a sender cannot keep
  // ready.
  static constexpr std::uint32_t kSparedBytes = 65'536;
  // Where the gap stops shrinking, at a tenth of a millisecond.
  static constexpr std::uint32_t kMaxSignals = 1U << 20;

  // Whether a packet that leaves now, having waited for `sojourn`, is to carry a signal.
  // `bytes_behind` is what is left in the queue without it.
  bool is_late(Duration sojourn, std::uint32_t bytes_behind, MonoTime now) {
    if (sojourn < kTarget || bytes_behind <= kSparedBytes) {
      patience_ends_ = MonoTime::never();
      is_signalling_ = false;
      return false;
    }
    if (patience_ends_ == MonoTime::never()) patience_ends_ = now + kInterval;
    if (now < patience_ends_) return false;
    if (!is_signalling_) {
      begin(now);
      return true;
    }
    if (now < next_signal_) return false;
    go_on(now);
    return true;
  }

 private:
  // Before the signal that follows `signals_` of them.
  Duration gap() const {
    const double length = static_cast<double>(kInterval.count()) / std::sqrt(signals_);
    return Duration(static_cast<Duration::rep>(length));
  }

  void begin(MonoTime now) {
    const std::uint32_t since_begin = signals_ - first_signals_;
    const bool is_soon = now - next_signal_ < kMemory;
    signals_ = first_signals_ = since_begin > 1 && is_soon ? since_begin : 1;
    next_signal_ = now + gap();
    is_signalling_ = true;
  }

  void go_on(MonoTime now) {
    if (signals_ < kMaxSignals) ++signals_;
    const MonoTime in_step = next_signal_ + gap();
    next_signal_ = in_step > now ? in_step : now + gap();
  }

  MonoTime patience_ends_ = MonoTime::never();  // never: the last packet was in time
  MonoTime next_signal_;
  std::uint32_t signals_ = 0;
  std::uint32_t first_signals_ = 0;  // what signals_ was when the signals began
  bool is_signalling_ = false;
};

}  // namespace sinew::packet
