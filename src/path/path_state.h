// What is known about one direct path to a peer: whether it answers, how fast, and whether packets
// of full size get through. Keeps count; who pings when is the peer's decision (peer.h). Pure
// value.
#pragma once

#include <optional>

#include "base/clock.h"
#include "path/route.h"

namespace sinew::path {

inline constexpr Duration kUnknownTimeout = 1s;      // for a path that never answered
inline constexpr Duration kShortestTimeout = 200ms;  // of a ping, after which it is counted as lost
inline constexpr Duration kLongestTimeout = 800ms;
inline constexpr unsigned kMaxMisses = 3;       // in a row, and the path is dead
inline constexpr unsigned kMaxMissesHeard = 5;  // the same while the tunnel still hears the peer
inline constexpr unsigned kMaxFullMisses = 3;   // in a row: packets of full size do not pass

class PathState {
 public:
  explicit PathState(const Direct& direct, bool is_listed = false)
      : is_listed(is_listed), direct_(direct) {}

  const Direct& direct() const { return direct_; }

  void sent(bool is_full, MonoTime now);
  // The pong to a ping sent at `sent_at`.
  void answered(bool is_full, MonoTime sent_at, MonoTime now);
  // A packet or ping of the peer came this way.
  void heard(MonoTime now) { heard_at_ = now; }
  // Counts the ping as lost whose time is over; true when there was one.
  bool take_timeout(MonoTime now);

  // Nothing is believed until it answers again.
  void doubt() { is_doubted_ = true; }
  // Something speaks against it: it is pinged again at once, and one miss less is forgiven.
  void suspect(MonoTime now);
  // What is known of its size.
  void forget_size();

  bool is_waiting() const { return waiting_.has_value(); }
  MonoTime timeout_at() const;
  // Packets that go this way may go on doing so.
  bool is_usable() const { return carries_full_ && !is_doubted_ && !is_dead(); }
  // Packets may be moved here from another way: nothing speaks against it.
  bool is_ready() const { return is_usable() && misses_ == 0; }
  bool is_doubted() const { return is_doubted_; }
  bool has_answered() const { return answered_at_.has_value(); }
  bool is_dead() const { return misses_ >= (is_heard_since_miss() ? kMaxMissesHeard : kMaxMisses); }
  bool carries_full() const { return carries_full_; }
  // Small pings are answered, large ones are not.
  bool is_too_small() const { return !carries_full_ && full_misses_ >= kMaxFullMisses; }
  // It has answered, and it is not known yet whether it carries full size. A full ping is next when
  // nothing was lost since, else a small one, which tells whether it is the size or the path.
  bool is_being_proven() const;

  unsigned misses() const { return misses_; }
  unsigned full_misses() const { return full_misses_; }
  Duration rtt() const { return rtt_; }
  unsigned loss_permille() const { return loss_permille_; }
  std::optional<MonoTime> answered_at() const { return answered_at_; }
  std::optional<MonoTime> full_at() const { return full_at_; }
  std::optional<MonoTime> sent_at() const { return sent_at_; }
  std::optional<MonoTime> heard_at() const { return heard_at_; }
  // Last sign of life: pong, ping or packet.
  std::optional<MonoTime> alive_at() const { return std::max(answered_at_, heard_at_); }

  bool is_listed;  // by the map or the peer's call; else learned from where it was heard

 private:
  struct Waiting {
    MonoTime sent_at;
    MonoTime timeout_at;
    bool is_full = false;
  };

  Duration timeout() const;
  bool is_heard_since_miss() const { return first_miss_ && heard_at_ && *heard_at_ > *first_miss_; }
  void measure(Duration rtt);

  Direct direct_;
  std::optional<Waiting> waiting_;
  std::optional<MonoTime> sent_at_;
  std::optional<MonoTime> answered_at_;
  std::optional<MonoTime> full_at_;
  std::optional<MonoTime> heard_at_;
  std::optional<MonoTime> first_miss_;  // of those in a row
  Duration rtt_{};
  Duration deviation_{};
  unsigned misses_ = 0;
  unsigned full_misses_ = 0;
  unsigned loss_permille_ = 0;
  bool carries_full_ = false;
  bool is_doubted_ = false;
};

}  // namespace sinew::path
