#include "path/path_state.h"

#include <algorithm>

namespace sinew::path {

void PathState::sent(bool is_full, MonoTime now) {
  sent_at_ = now;
  waiting_ = {.sent_at = now, .timeout_at = now + timeout(), .is_full = is_full};
}

void PathState::answered(bool is_full, MonoTime sent_at, MonoTime now) {
  // A small ping asks whether the path is alive, and any answer says so.
  if (waiting_ && (!waiting_->is_full || waiting_->sent_at <= sent_at)) waiting_.reset();
  measure(now - sent_at);
  answered_at_ = now;
  misses_ = 0;
  first_miss_.reset();
  is_doubted_ = false;
  loss_permille_ -= loss_permille_ / 16;
  if (!is_full) return;
  full_at_ = now;
  full_misses_ = 0;
  carries_full_ = true;
}

bool PathState::take_timeout(MonoTime now) {
  if (!waiting_ || waiting_->timeout_at > now) return false;
  const Waiting lost = *waiting_;
  waiting_.reset();
  loss_permille_ += (1000 - loss_permille_) / 16;
  // A large ping that is lost says nothing about the path being alive: a small one is next.
  if (lost.is_full && ++full_misses_ >= kMaxFullMisses) carries_full_ = false;
  ++misses_;
  if (!first_miss_) first_miss_ = lost.sent_at;
  return true;
}

void PathState::suspect(MonoTime now) {
  waiting_.reset();
  if (misses_ != 0) return;
  misses_ = 1;
  first_miss_ = now;
}

void PathState::forget_size() {
  carries_full_ = false;
  full_misses_ = 0;
  full_at_.reset();
}

MonoTime PathState::timeout_at() const {
  return waiting_ ? waiting_->timeout_at : MonoTime::never();
}

bool PathState::is_being_proven() const {
  return answered_at_ && !carries_full_ && !is_dead() && full_misses_ < kMaxFullMisses;
}

Duration PathState::timeout() const {
  if (!answered_at_) return kUnknownTimeout;
  return std::clamp(rtt_ + 4 * deviation_, kShortestTimeout, kLongestTimeout);
}

// RFC 6298.
void PathState::measure(Duration rtt) {
  if (!answered_at_) {
    rtt_ = rtt;
    deviation_ = rtt / 2;
    return;
  }
  const Duration error = rtt > rtt_ ? rtt - rtt_ : rtt_ - rtt;
  deviation_ += (error - deviation_) / 4;
  rtt_ += (rtt - rtt_) / 8;
}

}  // namespace sinew::path
