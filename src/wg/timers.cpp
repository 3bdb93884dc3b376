#include "wg/timers.h"

#include <utility>

namespace sinew::wg {
namespace {

bool take(MonoTime& timer, MonoTime now) {
  if (timer > now) return false;
  timer = MonoTime::never();
  return true;
}

}  // namespace

void PeerTimers::start(Duration persistent_interval, MonoTime now) {
  *this = PeerTimers();
  next_handshake_at_ = now;
  set_persistent_interval(persistent_interval, now);
}

void PeerTimers::set_persistent_interval(Duration interval, MonoTime now) {
  persistent_interval_ = interval;
  persistent_at_ = interval > Duration::zero() ? now : MonoTime::never();
}

void PeerTimers::initiation_sent(MonoTime now, Duration jitter) {
  ++tries_;
  jitter_ = jitter;
  begin_at_ = MonoTime::never();
  next_handshake_at_ = now + kRekeyTimeout;
  retry_at_ = now + kRekeyTimeout + jitter;
  packet_sent(now);
}

void PeerTimers::handshake_complete(bool has_to_confirm, MonoTime now) {
  tries_ = 0;
  begin_at_ = MonoTime::never();
  retry_at_ = MonoTime::never();
  if (has_to_confirm) keepalive_at_ = now;
}

PeerTimers::Due PeerTimers::take_due(MonoTime now) {
  // The keys first: a keepalive that is due at the same time must not find them.
  if (take(forget_at_, now)) {
    keepalive_at_ = silent_at_ = MonoTime::never();
    return Due::kForgetKeys;
  }
  if (take(retry_at_, now)) {
    if (tries_ < kMaxTimerHandshakes) return Due::kRetry;
    begin_at_ = keepalive_at_ = silent_at_ = MonoTime::never();
    return Due::kGiveUp;
  }
  if (take(silent_at_, now)) {
    want_handshake(now);
    return Due::kSilence;
  }
  if (take(begin_at_, now)) return Due::kInitiation;
  if (take(keepalive_at_, now)) return Due::kKeepalive;
  if (persistent_at_ <= now) {
    traversed(now);
    return Due::kKeepalive;
  }
  return Due::kNothing;
}

}  // namespace sinew::wg
