// A bad wire, as a pure object: one direction of a link that delays, jitters, loses, duplicates,
// reorders and paces packets. The runner in wire.h moves real frames through two of them; the
// simulator and unit tests drive it under virtual time. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/rng.h"

namespace sinew::lab {

// What a link does to its packets, in the order in which it does it. All zero is a perfect wire.
struct Impairment {
  // Of a packet, in [0, 1]. 1 is a link that swallows everything while it looks up.
  double loss = 0;
  // A packet leaves when those before it have left and its own bits have been sent. 0: no limit.
  std::uint64_t bits_per_second = 0;
  // What may wait to be sent. A packet that would not fit is dropped at the tail.
  std::size_t queue_bytes = 256 * 1024;
  // Every packet takes `delay` plus a uniform share of `jitter`. Neither changes the order.
  Duration delay{0};
  Duration jitter{0};
  // Of a packet being held back by `reorder_hold` more, so that those behind it overtake.
  double reorder = 0;
  Duration reorder_hold = 10ms;
  // Of a second copy arriving right behind the first.
  double duplicate = 0;
};

// Every packet draws the same four numbers from the seed, whatever the impairment is. Therefore the
// fate of the n-th packet depends on the seed and n alone: adding jitter does not move the losses.
class ImpairedLink {
 public:
  // Packets under way, which bounds memory when a long delay meets no rate. More are dropped.
  static constexpr std::size_t kMaxUnderWay = 65'536;

  // fed + duplicated = lost + overflowed + delivered + under_way().
  struct Counters {
    std::uint64_t fed = 0;
    std::uint64_t lost = 0;
    std::uint64_t overflowed = 0;  // the queue, or kMaxUnderWay
    std::uint64_t duplicated = 0;
    std::uint64_t reordered = 0;  // held back; overtaken only if something follows in time
    std::uint64_t delivered = 0;
  };

  ImpairedLink(const Impairment& impairment, std::uint64_t seed);

  // For the packets fed from now on. Those under way arrive as planned, and order is kept.
  void set(const Impairment& impairment);

  void feed(ByteView packet, MonoTime now);
  // When next_transmit() has a packet; never() when none is under way.
  MonoTime deadline() const;
  // The next packet that arrives at or before `now`.
  std::optional<Bytes> next_transmit(MonoTime now);

  const Counters& counters() const { return counters_; }
  std::size_t under_way() const { return under_way_.size(); }

 private:
  struct Fate {
    bool is_lost;
    bool is_duplicated;
    bool is_reordered;
    Duration jitter;
  };
  Fate draw_fate();
  // When the last bit has been sent; nothing when the queue is full.
  std::optional<MonoTime> send(std::size_t size, MonoTime now);
  void deliver_at(MonoTime due, ByteView packet);

  Impairment impairment_;
  SeededRng rng_;
  MonoTime wire_free_at_;
  MonoTime last_due_;
  std::multimap<MonoTime, Bytes> under_way_;  // equal times in the order of arrival
  Counters counters_;
};

}  // namespace sinew::lab
