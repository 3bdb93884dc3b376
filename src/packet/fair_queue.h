// Where packets wait for their turn to leave, so that a bulk transfer delays nobody but itself.
// Two levels, both by deficit round robin in bytes: owners (peers) share the way out equally, and
// inside an owner its flows do. At both levels who has been silent comes first, for one quantum
// (the rule of fq_codel, RFC 8290): a single packet of a quiet flow passes all queued bulk, while
// one that keeps coming takes its turn with the others.
//
// Bounds: `items` and `bytes` of all that waits. When either is reached, push() makes room at the
// head of the longest flow of the longest owner, because that flow learns soonest from it; what is
// dropped is handed back, since the queue does not own what a handle means. "Longest" is by bytes,
// among owners to within a quarter, which is what finding it in constant time costs.
//
// Flows are buckets of their hash, kFlowsPerOwner for each owner, so that an owner with a million
// flows is no larger than one with a few. Owners and flows without items linger until their turn
// has come (otherwise one that is never behind would always be new) and are forgotten then, or
// sooner when their place is needed. All memory is taken by the constructor; each call is O(1),
// where dropping looks at the flows of one owner. What a flooding owner or flow can do: lose its
// own packets, and nothing to others but their share of the way.
//
// An owner that cannot send now is paused: its items wait, and count, and the others go on.
// One thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/verify.h"
#include "packet/index_list.h"

namespace sinew::packet {

template <typename Handle>
class FairQueue {
 public:
  // Bytes that an owner or a flow sends before the next has its turn: one super-packet.
  static constexpr std::int64_t kQuantum = 65'536;
  static constexpr std::uint32_t kFlowsPerOwner = 64;

  struct Item {
    std::uint32_t owner;
    std::uint32_t flow_hash;
    std::uint32_t size;  // bytes, not zero
    Handle handle;
  };
  struct Limits {
    std::uint32_t items = 1'024;
    std::uint32_t bytes = 16U << 20;
  };

  explicit FairQueue(Limits limits);

  std::size_t size() const { return item_count_; }
  bool is_empty() const { return item_count_ == 0; }
  std::size_t byte_count() const { return byte_count_; }
  std::size_t size_of(std::uint32_t owner) const;
  std::size_t byte_count_of(std::uint32_t owner) const;

  // Queues `item`. drop(const Item&) is called for each one that has to make room, which is `item`
  // itself when it is larger than the queue; it must not call the queue.
  template <typename Drop>
  void push(const Item& item, Drop&& drop);

  // The item whose turn it is; null when none may leave. Valid until the next call.
  const Item* front();
  std::optional<Item> pop();

  // Nothing of `owner` leaves until resume(), or until nothing of it waits any more. False when
  // nothing of it waits now.
  bool pause(std::uint32_t owner);
  void resume(std::uint32_t owner);
  // Hands back all that waits for `owner` and forgets it.
  template <typename Drop>
  void drop_owner(std::uint32_t owner, Drop&& drop);

 private:
  // Which list of its level an owner or a flow waits for its turn in.
  enum class Turn : std::uint8_t { kNone, kFresh, kOld };

  struct Slot {
    Item item;
    Index next;  // of the flow, or of the free slots
  };
  struct Flow {
    Link turn_link;
    Link idle_link;
    Index chain;  // next with the same hash, or next free one
    Index owner;
    std::uint32_t key;
    Turn turn;
    std::int64_t deficit;
    Index first, last;  // slots
    std::uint32_t count;
    std::uint32_t bytes;
  };
  template <typename Entry>
  struct Turns {
    IndexList<Entry, &Entry::turn_link> fresh;
    IndexList<Entry, &Entry::turn_link> old;
  };
  struct Owner {
    Link turn_link;
    Link rank_link;
    Index chain;
    std::uint32_t key;
    Turn turn;
    bool is_paused;
    std::uint8_t rank;
    std::int64_t deficit;
    Turns<Flow> flows;
    std::uint32_t count;
    std::uint32_t bytes;
  };

  // Ranks order owners by bytes: 0 for none, then four to each power of two.
  static constexpr std::size_t kRanks = 1 + 4 * 33;
  static std::uint8_t rank_of(std::uint32_t bytes);

  // A chained hash table over entries of an array, whose size is a power of two.
  template <typename Entry>
  struct Table {
    std::vector<Index> heads;

    Index& head(std::uint32_t key);
    const Index& head(std::uint32_t key) const { return const_cast<Table*>(this)->head(key); }
    Index find(const std::vector<Entry>& entries, std::uint32_t key) const;
    void insert(std::vector<Entry>& entries, Index index);
    void remove(std::vector<Entry>& entries, Index index);
  };

  template <typename Entry>
  static void enter(Turns<Entry>& turns, std::vector<Entry>& entries, Index index, Turn turn);
  template <typename Entry>
  static void leave(Turns<Entry>& turns, std::vector<Entry>& entries, Index index);
  // Whose turn it is; those that are found without items move on or are forgotten.
  template <typename Entry, typename Forget>
  static Index choose(Turns<Entry>& turns, std::vector<Entry>& entries, Forget&& forget);

  Index owner_for(std::uint32_t id);
  Index flow_for(Index owner, std::uint32_t flow_hash);
  void forget_owner(Index owner);
  void forget_flow(Index flow);
  void append(Flow& flow, const Item& item);
  Item take(Index flow);
  Index longest_flow();
  void account(Index owner, std::int64_t items, std::int64_t bytes);
  void set_rank(Index owner, std::uint8_t rank);

  Limits limits_;
  std::uint32_t item_count_ = 0;
  std::uint32_t byte_count_ = 0;
  Index chosen_flow_ = kNoIndex;  // by front(), until something changes
  std::vector<Slot> slots_;
  std::vector<Flow> flows_;
  std::vector<Owner> owners_;
  Index free_slots_ = 0;
  Index free_flows_ = 0;
  Index free_owners_ = 0;
  Table<Flow> flow_table_;
  Table<Owner> owner_table_;
  Turns<Owner> owner_turns_;
  IndexList<Flow, &Flow::idle_link> idle_flows_;
  std::array<IndexList<Owner, &Owner::rank_link>, kRanks> ranks_;  // rank 0: idle
  std::array<std::uint64_t, (kRanks + 63) / 64> used_ranks_{};
};

}  // namespace sinew::packet
