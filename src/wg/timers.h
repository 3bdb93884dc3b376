// The timers of one peer (whitepaper section 6, and timers of the Linux kernel). Others report what
// happened; this says when something is due, and what. Nothing else in this module decides about
// time but the age of a session.
//
//   a handshake that is wanted    begins at once, but 5 s after the last one at the earliest
//   no response                   the handshake is sent again after 5 s and a jitter; after 18
//   times
//                                 without anybody asking for the peer anew, it is given up
//   data received, nothing sent   a keepalive after 10 s
//   data sent, nothing received   a handshake after 15 s and a jitter
//   persistent keepalive          a keepalive when that long nothing authentic went either way
//   no new session                keys are forgotten 540 s after the last one
//
// Keepalives are no data, so they cause no keepalives. The kernel counts two more tries than the 18
// that fit into the 90 s of the paper, and after a keepalive sends another one 10 s later if more
// data had come before it; neither is needed by the other side, and neither is done here.
//
// Each report is O(1), a few stores: a timer that was pushed back is found so when it would have
// been due. A value; one thread. `now` does not step back.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/clock.h"
#include "wg/messages.h"

namespace sinew::wg {

class PeerTimers {
 public:
  enum class Due : std::uint8_t {
    kNothing,
    kSilence,     // nothing came back for long; the way there may have changed
    kInitiation,  // the first of a series
    kRetry,       // no response came
    kKeepalive,
    kGiveUp,  // nobody answers
    kForgetKeys,
  };

  // The link is up, with an interval of zero for none. All else is as if nothing had ever happened.
  void start(Duration persistent_interval, MonoTime now);
  void stop() { *this = PeerTimers(); }
  // At once, and then in this interval.
  void set_persistent_interval(Duration interval, MonoTime now);

  // Packets of this peer, that were sent or were found authentic. Handshake messages are packets.
  void data_sent(MonoTime now) {
    if (silent_at_ == MonoTime::never()) silent_at_ = now + kSilence + jitter_;
  }
  void data_received(MonoTime now) {
    if (keepalive_at_ == MonoTime::never()) keepalive_at_ = now + kKeepaliveTimeout;
  }
  void packet_sent(MonoTime now) {
    keepalive_at_ = MonoTime::never();
    traversed(now);
  }
  void packet_received(MonoTime now) {
    silent_at_ = MonoTime::never();
    traversed(now);
  }

  // Somebody has data for the peer and no session, or an old one.
  void want_handshake(MonoTime now) {
    tries_ = 0;
    if (is_waiting_for_response() || begin_at_ != MonoTime::never()) return;
    begin_at_ = std::max(now, next_handshake_at_);
  }
  // A keepalive finds no session; it does not count as somebody asking for the peer.
  void want_handshake_for_keepalive(MonoTime now) {
    if (!is_waiting_for_response()) want_handshake(now);
  }
  void initiation_sent(MonoTime now, Duration jitter);
  void response_sent(MonoTime now) {
    next_handshake_at_ = now + kRekeyTimeout;
    packet_sent(now);
  }
  // A session is there whose keys are to be forgotten some day.
  void session_derived(MonoTime now) { forget_at_ = now + kForgetKeysAfter; }
  // The session can be used. `has_to_confirm`: the other side does not know yet, so a keepalive
  // goes at once unless data does.
  void handshake_complete(bool has_to_confirm, MonoTime now);
  // Sessions ended by our own configuration: the next handshake keeps no distance from the last.
  void keys_changed() {
    next_handshake_at_ = MonoTime();
    if (begin_at_ != MonoTime::never()) begin_at_ = MonoTime();
  }
  // The handshake that was under way is no more.
  void handshake_forgotten() { retry_at_ = MonoTime::never(); }

  bool is_waiting_for_response() const { return retry_at_ != MonoTime::never(); }

  // When the next thing is due.
  MonoTime deadline() const {
    return std::min({begin_at_, retry_at_, keepalive_at_, silent_at_, persistent_at_, forget_at_});
  }
  // Takes one thing that is due; ask until there is nothing.
  Due take_due(MonoTime now);

 private:
  static constexpr Duration kSilence = kKeepaliveTimeout + kRekeyTimeout;

  void traversed(MonoTime now) {
    if (persistent_interval_ > Duration::zero()) persistent_at_ = now + persistent_interval_;
  }

  MonoTime begin_at_ = MonoTime::never();
  MonoTime retry_at_ = MonoTime::never();
  MonoTime keepalive_at_ = MonoTime::never();
  MonoTime silent_at_ = MonoTime::never();
  MonoTime persistent_at_ = MonoTime::never();
  MonoTime forget_at_ = MonoTime::never();
  MonoTime next_handshake_at_;  // not before
  Duration persistent_interval_{0};
  Duration jitter_{0};  // of the last handshake
  unsigned tries_ = 0;  // in this series
};

}  // namespace sinew::wg
