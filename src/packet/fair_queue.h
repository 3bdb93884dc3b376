// Where packets wait for their turn to leave, so that a bulk transfer delays nobody but itself.
// Two levels, both by deficit round robin in bytes: owners (peers) share the way out equally, and
// inside an owner its flows do. At both levels who has been silent comes first, for kSparseBytes
// (after the rule of fq_codel, RFC 8290): a single packet of a quiet flow passes all queued bulk,
// while one that keeps coming takes its turn with the others.
//
// Bounds: `items` and `bytes` of all that waits. When either is reached, push() makes room at the
// head of the longest flow of the longest owner, because that flow learns soonest from it; what is
// dropped is handed back, since the queue does not own what a handle means. "Longest" is by bytes
// and to within a quarter, which is what finding it fast costs.
//
// Flows are buckets of their hash, kFlowsPerOwner for each owner, so that an owner with a million
// flows is no larger than one with a few. Owners and flows without items linger until their turn
// has come (otherwise one that is never behind would always be new) and are forgotten then, or
// sooner when their place is needed. All memory is taken by the constructor; each call is O(1),
// where dropping looks at the flows of one owner now and then. What a flooding owner or flow can
// do: lose its own packets, and nothing to others but their share of the way.
//
// Long before that, a flow whose queue does not drain any more is to be told so: pop() says which
// items are to carry the sign (packet/codel.h, with a state of its own for each flow, that is kept
// while the flow lingers). The queue itself drops nothing for it. With so many flows that memory
// ends while each has no more than a super-packet or two, none is told, and room is made as above.
// One thread.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/verify.h"
#include "packet/codel.h"
#include "packet/index_list.h"

namespace sinew::packet {

template <typename Handle>
class FairQueue {
 public:
  // Bytes that an owner or a flow sends before the next has its turn: one super-packet.
  static constexpr std::int64_t kQuantum = 65'536;
  // Bytes that one who has been silent sends ahead of the others; the item that exceeds it goes
  // too.
  static constexpr std::int64_t kSparseBytes = 4'096;
  static constexpr std::uint32_t kFlowsPerOwner = 64;
  static constexpr std::uint32_t kMaxItems = 1U << 20;
  static constexpr std::uint32_t kMaxBytes = 1U << 31;

  struct Item {
    std::uint32_t owner;
    std::uint32_t flow_hash;
    std::uint32_t size;  // bytes, not zero
    Handle handle;
    MonoTime queued_at;
  };
  struct Popped {
    Item item;
    bool is_late;  // it is to tell its flow to slow down
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
  // Takes it. `now` is not before any `queued_at` and never goes back.
  std::optional<Popped> pop(MonoTime now);

  // The item that would have to make room; nothing when none waits.
  std::optional<Item> evict() {
    chosen_flow_ = kNoIndex;
    if (is_empty()) return std::nullopt;
    return take(longest_flow());
  }

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
    Codel codel;
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
    std::uint8_t rank;
    std::int64_t deficit;
    Turns<Flow> flows;
    std::uint32_t count;
    std::uint32_t bytes;
    Index longest = kNoIndex;     // flow, as long as it has `longest_floor` bytes or more:
    std::uint32_t longest_floor;  // three quarters of what any flow has
  };

  // Ranks order owners by bytes: 0 for none, then four to each power of two.
  static constexpr std::size_t kRanks = 1 + 4 * 33;
  static std::uint8_t rank_of(std::uint32_t bytes);

  // A chained hash table over entries of an array, whose size is a power of two.
  template <typename Entry>
  struct Table {
    std::vector<Index> heads;

    std::size_t place_of(std::uint32_t key) const;
    Index find(const std::vector<Entry>& entries, std::uint32_t key) const;
    void insert(std::vector<Entry>& entries, Index index);
    void remove(std::vector<Entry>& entries, Index index);
  };

  template <typename Entry>
  static void enter_fresh(Turns<Entry>& turns, std::vector<Entry>& entries, Index index);
  template <typename Entry>
  static void leave(Turns<Entry>& turns, std::vector<Entry>& entries, Index index);
  // Whose turn it is; those that are found without items move on or are forgotten.
  template <typename Entry, typename Forget>
  static Index choose(Turns<Entry>& turns, std::vector<Entry>& entries, Forget&& forget);

  Index owner_for(std::uint32_t id);
  Index flow_for(Index owner, std::uint32_t flow_hash);
  void forget_owner(Index owner);
  void forget_flow(Index flow);
  void append(Index flow, const Item& item);
  Item take(Index flow);
  Index longest_flow();
  Index longest_flow_of(Index owner);
  Index find_longest_flow_of(Index owner) const;
  void remember_longest(Owner& owner, Index flow);
  void update_rank(Index owner);

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

template <typename Handle>
FairQueue<Handle>::FairQueue(Limits limits)
    : limits_(limits), slots_(limits.items), flows_(limits.items), owners_(limits.items) {
  VERIFY(limits.items > 0 && limits.items < kMaxItems);
  VERIFY(limits.bytes > 0 && limits.bytes < kMaxBytes);
  flow_table_.heads.assign(std::bit_ceil(limits.items), kNoIndex);
  owner_table_.heads.assign(std::bit_ceil(limits.items), kNoIndex);
  for (Index i = 0; i < limits.items; ++i) {
    const Index next = i + 1 < limits.items ? i + 1 : kNoIndex;
    slots_[i].next = next;
    flows_[i].chain = next;
    owners_[i].chain = next;
  }
}

template <typename Handle>
std::size_t FairQueue<Handle>::size_of(std::uint32_t owner) const {
  const Index index = owner_table_.find(owners_, owner);
  return index == kNoIndex ? 0 : owners_[index].count;
}

template <typename Handle>
std::size_t FairQueue<Handle>::byte_count_of(std::uint32_t owner) const {
  const Index index = owner_table_.find(owners_, owner);
  return index == kNoIndex ? 0 : owners_[index].bytes;
}

template <typename Handle>
template <typename Drop>
void FairQueue<Handle>::push(const Item& item, Drop&& drop) {
  VERIFY(item.size > 0);
  chosen_flow_ = kNoIndex;
  if (item.size > limits_.bytes) return drop(item);
  while (item_count_ == limits_.items || item.size > limits_.bytes - byte_count_) {
    const Item victim = take(longest_flow());
    drop(victim);
  }

  const Index owner = owner_for(item.owner);
  const Index flow = flow_for(owner, item.flow_hash);
  append(flow, item);
  Owner& its = owners_[owner];
  if (flows_[flow].turn == Turn::kNone) enter_fresh(its.flows, flows_, flow);
  if (its.turn == Turn::kNone) enter_fresh(owner_turns_, owners_, owner);
}

template <typename Handle>
auto FairQueue<Handle>::front() -> const Item* {
  if (chosen_flow_ == kNoIndex) {
    const Index owner = choose(owner_turns_, owners_, [this](Index index) { forget_owner(index); });
    if (owner == kNoIndex) return nullptr;
    chosen_flow_ = choose(owners_[owner].flows, flows_, [this](Index i) { forget_flow(i); });
  }
  return &slots_[flows_[chosen_flow_].first].item;
}

template <typename Handle>
auto FairQueue<Handle>::pop(MonoTime now) -> std::optional<Popped> {
  if (front() == nullptr) return std::nullopt;
  Flow& flow = flows_[chosen_flow_];
  const Item item = take(chosen_flow_);
  flow.deficit -= item.size;
  owners_[flow.owner].deficit -= item.size;
  return Popped{item, flow.codel.is_late(now - item.queued_at, flow.bytes, now)};
}

template <typename Handle>
std::uint8_t FairQueue<Handle>::rank_of(std::uint32_t bytes) {
  if (bytes == 0) return 0;
  const unsigned width = static_cast<unsigned>(std::bit_width(bytes));
  const unsigned quarter = (width > 3 ? bytes >> (width - 3) : bytes << (3 - width)) & 3;
  return static_cast<std::uint8_t>(1 + 4 * width + quarter);
}

template <typename Handle>
template <typename Entry>
std::size_t FairQueue<Handle>::Table<Entry>::place_of(std::uint32_t key) const {
  const std::uint32_t spread = key * 0x9e37'79b1U;
  return (spread ^ spread >> 16) & (heads.size() - 1);
}

template <typename Handle>
template <typename Entry>
Index FairQueue<Handle>::Table<Entry>::find(const std::vector<Entry>& entries,
                                            std::uint32_t key) const {
  Index index = heads[place_of(key)];
  while (index != kNoIndex && entries[index].key != key)
    index = entries[index].chain;
  return index;
}

template <typename Handle>
template <typename Entry>
void FairQueue<Handle>::Table<Entry>::insert(std::vector<Entry>& entries, Index index) {
  Index& first = heads[place_of(entries[index].key)];
  entries[index].chain = first;
  first = index;
}

template <typename Handle>
template <typename Entry>
void FairQueue<Handle>::Table<Entry>::remove(std::vector<Entry>& entries, Index index) {
  Index* link = &heads[place_of(entries[index].key)];
  while (*link != index)
    link = &entries[*link].chain;
  *link = entries[index].chain;
}

template <typename Handle>
template <typename Entry>
void FairQueue<Handle>::enter_fresh(Turns<Entry>& turns, std::vector<Entry>& entries, Index index) {
  entries[index].turn = Turn::kFresh;
  entries[index].deficit = kSparseBytes;
  turns.fresh.push_back(entries.data(), index);
}

template <typename Handle>
template <typename Entry>
void FairQueue<Handle>::leave(Turns<Entry>& turns, std::vector<Entry>& entries, Index index) {
  Entry& entry = entries[index];
  if (entry.turn == Turn::kNone) return;
  (entry.turn == Turn::kFresh ? turns.fresh : turns.old).remove(entries.data(), index);
  entry.turn = Turn::kNone;
}

template <typename Handle>
template <typename Entry, typename Forget>
Index FairQueue<Handle>::choose(Turns<Entry>& turns, std::vector<Entry>& entries, Forget&& forget) {
  while (true) {
    const Index index = turns.fresh.is_empty() ? turns.old.head() : turns.fresh.head();
    if (index == kNoIndex) return kNoIndex;
    Entry& entry = entries[index];
    const bool is_spent = entry.deficit <= 0;
    if (!is_spent && entry.count > 0) return index;
    if (!is_spent && entry.turn == Turn::kOld) {
      forget(index);
      continue;
    }
    if (is_spent) entry.deficit += kQuantum;
    leave(turns, entries, index);
    entry.turn = Turn::kOld;
    turns.old.push_back(entries.data(), index);
  }
}

template <typename Handle>
Index FairQueue<Handle>::owner_for(std::uint32_t id) {
  const Index known = owner_table_.find(owners_, id);
  if (known != kNoIndex) return known;
  // There are as many places as items, and one item is yet to come: an owner is idle.
  if (free_owners_ == kNoIndex) forget_owner(ranks_[0].head());
  const Index index = free_owners_;
  free_owners_ = owners_[index].chain;
  owners_[index] = Owner{};
  owners_[index].key = id;
  owner_table_.insert(owners_, index);
  ranks_[0].push_back(owners_.data(), index);
  return index;
}

template <typename Handle>
Index FairQueue<Handle>::flow_for(Index owner, std::uint32_t flow_hash) {
  const std::uint32_t key = owner * kFlowsPerOwner + flow_hash % kFlowsPerOwner;
  const Index known = flow_table_.find(flows_, key);
  if (known != kNoIndex) return known;
  if (free_flows_ == kNoIndex) forget_flow(idle_flows_.head());
  const Index index = free_flows_;
  free_flows_ = flows_[index].chain;
  flows_[index] = Flow{};
  flows_[index].key = key;
  flows_[index].owner = owner;
  flow_table_.insert(flows_, index);
  idle_flows_.push_back(flows_.data(), index);
  return index;
}

// Only those without items are forgotten.
template <typename Handle>
void FairQueue<Handle>::forget_owner(Index owner) {
  Owner& its = owners_[owner];
  while (!its.flows.fresh.is_empty())
    forget_flow(its.flows.fresh.head());
  while (!its.flows.old.is_empty())
    forget_flow(its.flows.old.head());
  leave(owner_turns_, owners_, owner);
  ranks_[0].remove(owners_.data(), owner);
  owner_table_.remove(owners_, owner);
  its.chain = free_owners_;
  free_owners_ = owner;
}

template <typename Handle>
void FairQueue<Handle>::forget_flow(Index flow) {
  Owner& owner = owners_[flows_[flow].owner];
  leave(owner.flows, flows_, flow);
  if (owner.longest == flow) owner.longest = kNoIndex;
  idle_flows_.remove(flows_.data(), flow);
  flow_table_.remove(flows_, flow);
  flows_[flow].chain = free_flows_;
  free_flows_ = flow;
}

template <typename Handle>
void FairQueue<Handle>::append(Index index, const Item& item) {
  const Index slot = free_slots_;
  free_slots_ = slots_[slot].next;
  slots_[slot] = {item, kNoIndex};
  Flow& flow = flows_[index];
  if (flow.count == 0) {
    idle_flows_.remove(flows_.data(), index);
    flow.first = slot;
  } else {
    slots_[flow.last].next = slot;
  }
  flow.last = slot;
  flow.count += 1;
  flow.bytes += item.size;
  item_count_ += 1;
  byte_count_ += item.size;
  Owner& owner = owners_[flow.owner];
  owner.count += 1;
  owner.bytes += item.size;
  const bool is_longest = owner.longest != kNoIndex && flow.bytes >= flows_[owner.longest].bytes;
  if (is_longest) remember_longest(owner, index);
  update_rank(flow.owner);
}

// The first item of a flow, out of the queue.
template <typename Handle>
auto FairQueue<Handle>::take(Index index) -> Item {
  chosen_flow_ = kNoIndex;
  Flow& flow = flows_[index];
  Owner& owner = owners_[flow.owner];
  const Index slot = flow.first;
  const Item item = slots_[slot].item;
  flow.first = slots_[slot].next;
  slots_[slot].next = free_slots_;
  free_slots_ = slot;
  flow.count -= 1;
  flow.bytes -= item.size;
  if (flow.count == 0) idle_flows_.push_back(flows_.data(), index);
  item_count_ -= 1;
  byte_count_ -= item.size;
  owner.count -= 1;
  owner.bytes -= item.size;
  update_rank(flow.owner);
  return item;
}

// Among all; there is at least one item.
template <typename Handle>
Index FairQueue<Handle>::longest_flow() {
  std::size_t word = used_ranks_.size() - 1;
  while (used_ranks_[word] == 0)
    --word;
  const auto bit = static_cast<std::size_t>(std::bit_width(used_ranks_[word])) - 1;
  return longest_flow_of(ranks_[64 * word + bit].head());
}

template <typename Handle>
Index FairQueue<Handle>::longest_flow_of(Index index) {
  Owner& owner = owners_[index];
  const bool is_known =
      owner.longest != kNoIndex && flows_[owner.longest].bytes >= owner.longest_floor;
  if (!is_known) {
    owner.longest_floor = 0;
    remember_longest(owner, find_longest_flow_of(index));
  }
  return owner.longest;
}

template <typename Handle>
void FairQueue<Handle>::remember_longest(Owner& owner, Index flow) {
  const std::uint32_t bytes = flows_[flow].bytes;
  owner.longest = flow;
  owner.longest_floor = std::max(owner.longest_floor, bytes - bytes / 4);
}

template <typename Handle>
Index FairQueue<Handle>::find_longest_flow_of(Index owner) const {
  Index longest = kNoIndex;
  const auto look_at = [&](Index flow) {
    const bool is_longer = longest == kNoIndex || flows_[flow].bytes > flows_[longest].bytes;
    if (is_longer) longest = flow;
  };
  const Turns<Flow>& turns = owners_[owner].flows;
  for (Index i = turns.fresh.head(); i != kNoIndex; i = flows_[i].turn_link.next)
    look_at(i);
  for (Index i = turns.old.head(); i != kNoIndex; i = flows_[i].turn_link.next)
    look_at(i);
  return longest;
}

template <typename Handle>
void FairQueue<Handle>::update_rank(Index index) {
  Owner& owner = owners_[index];
  const std::uint8_t rank = rank_of(owner.bytes);
  if (rank == owner.rank) return;
  ranks_[owner.rank].remove(owners_.data(), index);
  if (ranks_[owner.rank].is_empty()) used_ranks_[owner.rank / 64] &= ~(1ULL << owner.rank % 64);
  owner.rank = rank;
  ranks_[rank].push_back(owners_.data(), index);
  if (rank != 0) used_ranks_[rank / 64] |= 1ULL << rank % 64;
}

}  // namespace sinew::packet
