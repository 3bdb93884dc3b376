// How many packets of each peer are opened while more arrives than can be opened, so that a peer
// that floods costs the others at most its share. Without it the kernel decides: its socket is
// full, and drops of everybody alike.
//
// Looking whose a packet is costs a fraction of opening it. So while the socket is full, what one
// peer sends over its share is dropped before it is opened, and with the time that saves the socket
// is emptied faster than the flood fills it. Time goes in windows of kWindow. In each, a peer may
// have as many packets opened as the max-min fair limit says: the limit at which the packets of the
// window before, cut to it, would have made the budget. Who sends less than that loses nothing.
//
// The budget follows the socket. Up to kFilledLow there is none; from there it falls from what can
// be opened in a window, which is the most that ever was, slowly forgotten, down to a kLeastPart-th
// of it at the full socket. This settles at the level where the socket is emptied as fast as it
// fills.
//
// Nobody is limited when nobody would gain by it:
//   - unless the kernel dropped something, or a limit did, within kMemory;
//   - unless within kMemory some peer sent at most half of what the busiest sent; so a lone peer is
//     never limited, and neither are peers that flood alike;
//   - unless those over the limit sent at least half of all that came: a flood from strangers is
//     not answered by taking from the peers.
//
// The peer is known by the session a packet names, before it is authentic. So who reads a peer's
// packets under way can use up the share of that peer, and of nobody else. There are kBuckets
// buckets; when hundreds of peers are active some share one, others in each window.
//
// Fixed memory; O(1) for a run of packets, and O(kBuckets log kBuckets) for a window. Time is a
// parameter; when it goes back all is forgotten but the capacity. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "base/clock.h"
#include "wg/ids.h"

namespace sinew::dataplane {

class FairShare {
 public:
  using Count = std::uint64_t;

  static constexpr Duration kWindow = 10ms;
  static constexpr Duration kMemory = 1s;
  static constexpr std::size_t kBuckets = 256;
  static constexpr std::size_t kProbes = 8;
  // Of the socket's room. The kernel tells up to 25 % too much, because it gives room back late.
  static constexpr unsigned kFilledLow = 50;
  static constexpr unsigned kFilledHigh = 100;
  static constexpr Count kLeastPart = 8;
  // The capacity loses one part of so many a window.
  static constexpr Count kForgetting = 64;
  static constexpr Count kUnlimited = std::numeric_limits<Count>::max();

  // Of the socket: what it dropped since the last window, and how full it is.
  struct Queue {
    std::uint64_t dropped = 0;
    unsigned filled_percent = 0;
  };

  bool is_window_over(MonoTime now) const { return now >= begin_ + kWindow || now < begin_; }
  void begin_window(MonoTime now, const Queue& queue);

  // Datagrams that came and are no packets of a peer.
  void count_others(std::size_t datagrams) { others_ += datagrams; }

  // How many of these packets of `peer`, at least one, may be opened.
  std::size_t admit(wg::PeerId peer, std::size_t packets) {
    Count& arrived = buckets_[bucket_of(peer)].arrived;
    const Count before = std::min(arrived, limit_);
    arrived += packets;
    const Count admitted = std::min(arrived, limit_) - before;
    admitted_ += admitted;
    has_cut_ |= admitted < packets;
    return admitted;
  }

  // Of this window, for each peer.
  Count limit() const { return limit_; }

  // The largest limit with which `arrived`, cut to it, is not more than `budget`, but at least 1;
  // kUnlimited when nothing needs to be cut. `arrived` is
  // sorted.
  static Count fair_limit(std::span<const Count> arrived, Count budget);

 private:
  struct Bucket {
    wg::PeerId peer;
    Count arrived = 0;  // 0: nobody's
  };

  // The peer's own, or the last one it could have had.
  std::size_t bucket_of(wg::PeerId peer) {
    static_assert(kBuckets == 256);
    std::size_t at = (peer.value() * (static_cast<std::uint32_t>(chance_ >> 32) | 1)) >> 24;
    for (std::size_t probe = 0;; at = (at + 1) % kBuckets, ++probe) {
      if (buckets_[at].arrived == 0) {
        buckets_[at].peer = peer;
        active_[active_count_++] = static_cast<std::uint8_t>(at);
        return at;
      }
      if (buckets_[at].peer == peer || probe == kProbes) return at;
    }
  }
  Count choose_limit(MonoTime now, unsigned filled_percent, std::span<const Count> arrived) const;
  Count budget(unsigned filled_percent) const;

  MonoTime begin_;
  Count limit_ = kUnlimited;
  Count capacity_ = 0;          // packets that can be opened in a window
  MonoTime has_dropped_until_;  // the kernel or a limit
  MonoTime has_modest_until_;   // some peer sends far less than another
  std::uint64_t chance_ = 1;    // Knuth's generator; its upper half multiplies what is hashed

  // Of this window.
  std::array<Bucket, kBuckets> buckets_{};
  std::array<std::uint8_t, kBuckets> active_{};  // buckets that are somebody's
  std::size_t active_count_ = 0;
  Count admitted_ = 0;
  Count others_ = 0;
  bool has_cut_ = false;
};

}  // namespace sinew::dataplane
