// What waits to be sent to one receiver: path discovery apart from the rest, and first. Both are
// bounded, and what is dropped is old: of path discovery the oldest packet, of the rest the oldest
// packet of the sender that has most bytes waiting. So one who sends too much loses his own
// packets, not those of others. O(1) but for a drop, which looks at the packets that wait. Empty it
// holds no memory. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace sinew::relay {

// Counts what all queues of a relay hold together.
struct QueuedBytes {
  std::size_t now = 0;
  std::size_t most = 0;  // 0: no limit beside that of each queue
};

class PacketQueue {
 public:
  // Longer ones are no path discovery, whatever they look like.
  static constexpr std::size_t kMaxDiscoFrameBytes = 2 << 10;

  struct Limits {
    std::size_t bytes;
    std::size_t packets;
    std::size_t disco_packets;
  };

  // `total` outlives the queue; when little of it is left, a queue may hold no more than that.
  explicit PacketQueue(const Limits& limits, QueuedBytes* total = nullptr)
      : limits_(limits), total_(total) {}
  PacketQueue(const PacketQueue&) = delete;
  PacketQueue& operator=(const PacketQueue&) = delete;
  ~PacketQueue();

  // `sender` tells senders apart; frames of more than the limit are dropped.
  void push(Bytes frame, std::uint64_t sender, bool is_disco);
  // Appends frames to `out` for as long as less than `most` bytes are in it.
  void take(Bytes& out, std::size_t most);

  bool is_empty() const { return disco_.count == 0 && data_.count == 0; }
  std::size_t bytes() const { return disco_.bytes + data_.bytes; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  struct Entry {
    Bytes frame;  // empty: dropped
    std::uint64_t sender;
  };
  struct Lane {
    std::vector<Entry> entries;  // from `head` on
    std::size_t head = 0;
    std::size_t count = 0;
    std::size_t bytes = 0;
  };

  static constexpr std::size_t kFewPlaces = 16;  // not worth giving back

  // How much of the data is of one sender.
  struct Share {
    std::uint64_t sender;
    std::size_t bytes;
  };

  bool has_room_for(std::size_t size) const;
  void add(Lane& lane, Bytes frame, std::uint64_t sender);
  Bytes remove(Lane& lane, std::size_t index);
  void drop(Lane& lane, std::size_t index);
  void drop_of_greediest();
  void take_lane(Lane& lane, Bytes& out, std::size_t most);
  void add_share(std::uint64_t sender, std::size_t bytes);
  void take_share(std::uint64_t sender, std::size_t bytes);
  static void skip_removed(Lane& lane);

  Limits limits_;
  QueuedBytes* total_;
  Lane disco_;
  Lane data_;
  std::vector<Share> shares_;  // of data_; none is empty
  std::uint64_t dropped_ = 0;
};

}  // namespace sinew::relay
