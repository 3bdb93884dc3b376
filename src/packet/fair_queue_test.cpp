#include "packet/fair_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <vector>

#include "base/rng.h"

namespace sinew::packet {
namespace {

using Queue = FairQueue<std::uint32_t>;
using Item = Queue::Item;

// When time does not matter.
constexpr MonoTime kNow{1h};

bool is_same(const Item& a, const Item& b) {
  return a.owner == b.owner && a.flow_hash == b.flow_hash && a.size == b.size &&
         a.handle == b.handle && a.queued_at == b.queued_at;
}

// The rules as the header states them, with maps and lists.
class NaiveQueue {
 public:
  void push(const Item& item) {
    Owner& owner = owners_[item.owner];
    Flow& flow = owner.flows[bucket_of(item)];
    flow.items.push_back(item);
    if (!flow.has_turn) enter(owner.turns, flow, bucket_of(item));
    if (!owner.has_turn) enter(turns_, owner, item.owner);
  }

  std::optional<Queue::Popped> pop(MonoTime now) {
    const auto owner_id = turn_of(turns_, owners_);
    if (!owner_id) return std::nullopt;
    Owner& owner = owners_.at(*owner_id);
    const auto bucket = turn_of(owner.turns, owner.flows);
    REQUIRE(bucket);
    Flow& flow = owner.flows.at(*bucket);
    const Item item = flow.items.front();
    flow.items.pop_front();
    flow.deficit -= item.size;
    owner.deficit -= item.size;
    const auto bytes_behind = static_cast<std::uint32_t>(flow.bytes());
    return Queue::Popped{item, flow.codel.is_late(now - item.queued_at, bytes_behind, now)};
  }

  // Takes out what the queue under test has chosen to drop, if that was a right choice.
  void drop(const Item& victim) {
    Owner& owner = owners_.at(victim.owner);
    Flow& flow = owner.flows.at(bucket_of(victim));
    REQUIRE(is_same(flow.items.front(), victim));
    for (const auto& [bucket, other] : owner.flows)
      REQUIRE(other.bytes() * 3 <= flow.bytes() * 4);
    for (const auto& [id, other] : owners_)
      REQUIRE(other.bytes() * 4 <= owner.bytes() * 5);
    flow.items.pop_front();
  }

  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [id, owner] : owners_)
      sum += owner.bytes();
    return sum;
  }

 private:
  struct Turns {
    std::list<std::uint32_t> fresh;
    std::list<std::uint32_t> old;
  };
  struct Flow {
    std::deque<Item> items;
    std::int64_t deficit = 0;
    bool has_turn = false;
    Codel codel;

    std::size_t bytes() const {
      std::size_t sum = 0;
      for (const Item& item : items)
        sum += item.size;
      return sum;
    }
  };
  struct Owner {
    std::map<std::uint32_t, Flow> flows;
    Turns turns;
    std::int64_t deficit = 0;
    bool has_turn = false;

    std::size_t bytes() const {
      std::size_t sum = 0;
      for (const auto& [bucket, flow] : flows)
        sum += flow.bytes();
      return sum;
    }
  };

  static std::uint32_t bucket_of(const Item& item) {
    return item.flow_hash % Queue::kFlowsPerOwner;
  }
  template <typename Entry>
  static void enter(Turns& turns, Entry& entry, std::uint32_t key) {
    entry.has_turn = true;
    entry.deficit = Queue::kSparseBytes;
    turns.fresh.push_back(key);
  }
  template <typename Entry>
  static std::optional<std::uint32_t> turn_of(Turns& turns,
                                              std::map<std::uint32_t, Entry>& entries) {
    while (!turns.fresh.empty() || !turns.old.empty()) {
      const bool is_fresh = !turns.fresh.empty();
      auto& list = is_fresh ? turns.fresh : turns.old;
      const std::uint32_t key = list.front();
      Entry& entry = entries.at(key);
      if (entry.deficit > 0 && entry.bytes() > 0) return key;
      list.pop_front();
      if (entry.deficit > 0 && !is_fresh) {
        entries.erase(key);
        continue;
      }
      if (entry.deficit <= 0) entry.deficit += Queue::kQuantum;
      turns.old.push_back(key);
    }
    return std::nullopt;
  }

  std::map<std::uint32_t, Owner> owners_;
  Turns turns_;
};

const auto kNothingIsDropped = [](const Item&) { FAIL("nothing was to be dropped"); };

void push_many(Queue& queue, std::uint32_t owner, std::uint32_t flow, std::size_t count,
               std::uint32_t size) {
  for (std::size_t i = 0; i < count; ++i)
    queue.push({owner, flow, size, static_cast<std::uint32_t>(i), kNow}, kNothingIsDropped);
}

TEST_CASE("items of one flow leave in the order they came") {
  Queue queue({});
  push_many(queue, 1, 2, 200, 1'000);
  CHECK(queue.size() == 200);
  CHECK(queue.byte_count() == 200'000);
  for (std::uint32_t i = 0; i < 200; ++i)
    REQUIRE(queue.pop(kNow)->item.handle == i);
  CHECK_FALSE(queue.pop(kNow));
  CHECK(queue.is_empty());
}

TEST_CASE("a small packet of a new flow passes bulk that is queued already") {
  Queue queue({});
  push_many(queue, 1, 5, 100, 1'400);
  for (int i = 0; i < 10; ++i)
    queue.pop(kNow);
  queue.push({1, 6, 64, 7'777, kNow}, kNothingIsDropped);
  CHECK(queue.pop(kNow)->item.handle == 7'777);
}

TEST_CASE("a small packet of a new owner passes the bulk of another") {
  Queue queue({});
  push_many(queue, 1, 5, 20, 64'000);
  queue.pop(kNow);
  queue.push({2, 5, 64, 7'777, kNow}, kNothingIsDropped);
  CHECK(queue.pop(kNow)->item.handle == 7'777);
}

TEST_CASE("one that is never behind does not stay ahead of the others") {
  Queue queue({});
  push_many(queue, 1, 5, 500, 1'400);
  std::size_t bulk = 0;
  for (int i = 0; i < 400; ++i) {
    if (queue.byte_count_of(1) == 1'400 * (500 - bulk))
      queue.push({1, 6, 1'400, 1, kNow}, kNothingIsDropped);
    if (queue.pop(kNow)->item.flow_hash == 5) ++bulk;
  }
  CHECK(bulk > 150);
  CHECK(bulk < 250);
}

TEST_CASE("an owner that floods gets its share, however many flows and packets it has") {
  Queue queue({.items = 4'000, .bytes = 1U << 30});
  for (std::uint32_t flow = 0; flow < 50; ++flow)
    push_many(queue, 1, flow, 60, 1'400);
  push_many(queue, 2, 0, 400, 700);
  std::map<std::uint32_t, std::int64_t> bytes;
  while (queue.size_of(2) > 0) {
    const std::optional<Queue::Popped> popped = queue.pop(kNow);
    bytes[popped->item.owner] += popped->item.size;
  }
  CHECK(bytes[2] == 280'000);
  CHECK(bytes[1] < bytes[2] + 2 * Queue::kQuantum);
  CHECK(bytes[1] > bytes[2] - 2 * Queue::kQuantum);
}

TEST_CASE("the flows of an owner share what it gets by bytes, not by packets") {
  Queue queue({.items = 4'000, .bytes = 1U << 30});
  push_many(queue, 1, 1, 2'000, 300);
  push_many(queue, 1, 2, 400, 1'500);
  std::map<std::uint32_t, std::int64_t> bytes;
  for (int i = 0; i < 1'200; ++i) {
    const std::optional<Queue::Popped> popped = queue.pop(kNow);
    bytes[popped->item.flow_hash] += popped->item.size;
  }
  CHECK(bytes[1] < bytes[2] + 2 * Queue::kQuantum);
  CHECK(bytes[1] > bytes[2] - 2 * Queue::kQuantum);
}

TEST_CASE("a full queue makes room at the head of the longest flow of the longest owner") {
  Queue queue({.items = 30, .bytes = 1'000'000});
  push_many(queue, 1, 1, 10, 100);
  push_many(queue, 2, 1, 5, 100);
  push_many(queue, 2, 2, 15, 100);
  std::vector<Item> dropped;
  const auto drop = [&](const Item& item) { dropped.push_back(item); };
  queue.push({3, 1, 100, 99, kNow}, drop);
  REQUIRE(dropped.size() == 1);
  CHECK(is_same(dropped[0], {2, 2, 100, 0, kNow}));
  CHECK(queue.size() == 30);
  // By bytes: the newcomer's one item is worth many.
  queue.push({3, 2, 999'000, 100, kNow}, drop);
  CHECK(queue.byte_count() == 1'000'000);
  CHECK(queue.size_of(3) == 2);
  dropped.clear();
  queue.push({1, 1, 1'000, 101, kNow}, drop);
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0].handle == 100);
}

TEST_CASE("a place that passed from one owner's longest flow to another's is not confused") {
  Queue queue({.items = 12, .bytes = 1'000'000});
  push_many(queue, 1, 1, 6, 1'000);
  push_many(queue, 1, 2, 6, 900);
  // Flow 1 becomes known as the longest of owner 1, and is forgotten while flow 2 is not.
  queue.push({2, 9, 1, 0, kNow}, [](const Item& victim) { CHECK(victim.flow_hash == 1); });
  while (queue.size() > 1)
    queue.pop(kNow);
  REQUIRE(queue.front()->flow_hash == 2);
  push_many(queue, 2, 1, 1, 5'000);
  for (const std::uint32_t flow : {3U, 4U, 5U})
    push_many(queue, 1, flow, 1, 4'000);
  std::vector<std::uint32_t> owners;
  while (owners.empty())
    queue.push({1, 2, 100, 0, kNow}, [&](const Item& victim) { owners.push_back(victim.owner); });
  CHECK(owners == std::vector<std::uint32_t>{1});
}

TEST_CASE("an item larger than the queue is dropped itself") {
  Queue queue({.items = 30, .bytes = 1'000});
  push_many(queue, 1, 1, 1, 1'000);
  std::vector<std::uint32_t> dropped;
  queue.push({2, 1, 1'001, 55, kNow}, [&](const Item& item) { dropped.push_back(item.handle); });
  CHECK(dropped == std::vector<std::uint32_t>{55});
  CHECK(queue.size() == 1);
}

TEST_CASE("front shows what pop takes") {
  Queue queue({});
  CHECK(queue.front() == nullptr);
  push_many(queue, 1, 1, 3, 60'000);
  push_many(queue, 2, 1, 3, 60'000);
  while (const Item* front = queue.front()) {
    const Item shown = *front;
    CHECK(is_same(shown, queue.pop(kNow)->item));
  }
  CHECK(queue.is_empty());
}

TEST_CASE("places of owners and flows that are gone serve again") {
  Queue queue({.items = 4, .bytes = 1'000});
  std::uint32_t handle = 0;
  for (std::uint32_t round = 0; round < 200; ++round) {
    for (std::uint32_t i = 0; i < 4; ++i)
      queue.push({round * 3 + i, round + i, 10, handle++, kNow}, kNothingIsDropped);
    for (std::uint32_t i = 0; i < 4; ++i)
      REQUIRE(queue.pop(kNow));
  }
  // The four places of owners are taken, and none of them has items: a fifth owner finds one.
  CHECK(queue.is_empty());
}

TEST_CASE("making room by hand takes the head of the longest flow") {
  Queue queue({});
  CHECK_FALSE(queue.evict());
  push_many(queue, 1, 1, 5, 100);
  push_many(queue, 1, 2, 9, 100);
  push_many(queue, 2, 3, 8, 100);
  CHECK(is_same(queue.evict().value(), {1, 2, 100, 0, kNow}));
  CHECK(is_same(queue.evict().value(), {1, 2, 100, 1, kNow}));
  CHECK(queue.size() == 20);
  CHECK(queue.byte_count() == 2'000);
  while (!queue.is_empty())
    CHECK(queue.evict());
  CHECK_FALSE(queue.evict());
  CHECK_FALSE(queue.pop(kNow));
}

TEST_CASE("each flow is told for itself that its queue stands") {
  Queue queue({});
  push_many(queue, 1, 1, 10, 60'000);
  push_many(queue, 1, 2, 1, 1'000);
  const MonoTime later = kNow + 10ms;
  std::size_t popped = 0;
  for (; popped < 8; ++popped)
    CHECK_FALSE(queue.pop(later)->is_late);
  // Waits as long as the others, and has nothing behind it.
  push_many(queue, 1, 1, 10, 60'000);
  push_many(queue, 1, 3, 10, 60'000);
  std::map<std::uint32_t, std::vector<bool>> late;
  for (int i = 0; i < 10; ++i) {
    const Queue::Popped next = queue.pop(later + 100ms).value();
    late[next.item.flow_hash].push_back(next.is_late);
  }
  CHECK(late[1].size() >= 3);
  CHECK(late[3].size() >= 3);
  CHECK(late[1][0]);
  CHECK(std::count(late[1].begin(), late[1].end(), true) == 1);
  CHECK(std::count(late[3].begin(), late[3].end(), true) == 0);
}

TEST_CASE("the queue does what a naive twin does, whatever comes") {
  SeededRng rng(3);
  std::size_t dropped = 0;
  std::size_t late = 0;
  for (int round = 0; round < 80; ++round) {
    CAPTURE(round);
    // As many places as owners times flows, so that nobody is forgotten early.
    const bool is_small = round % 2 == 0;
    const bool is_standing = round % 4 == 1;
    const std::uint64_t flows = is_small ? 4 : is_standing ? 2 : 12;
    Queue queue({.items = is_small ? 16U : 96U,
                 .bytes = static_cast<std::uint32_t>(20'000 + rng.below(2'000'000))});
    NaiveQueue naive;
    MonoTime now = kNow;
    const std::uint64_t owners = is_standing ? 1 : 1 + rng.below(is_small ? 4 : 8);
    const std::uint64_t pushes = 40 + rng.below(25);
    for (std::uint32_t step = 0; step < 800; ++step) {
      now += Duration(rng.below(5'000'000));
      if (rng.below(100) < pushes) {
        const bool is_large = is_standing || rng.below(4) == 0;
        const Item item = {static_cast<std::uint32_t>(rng.below(owners) * 977),
                           static_cast<std::uint32_t>(rng.below(flows) * 0x1357'9bdf),
                           static_cast<std::uint32_t>(1 + rng.below(is_large ? 65'535 : 1'500)),
                           step, now};
        bool is_refused = false;
        queue.push(item, [&](const Item& victim) {
          ++dropped;
          is_refused = is_same(victim, item);
          if (!is_refused) naive.drop(victim);
        });
        if (!is_refused) naive.push(item);
      } else if (rng.below(40) == 0) {
        const std::optional<Item> victim = queue.evict();
        REQUIRE(victim.has_value() == (naive.bytes() > 0));
        if (victim) naive.drop(*victim);
      } else {
        const std::optional<Queue::Popped> ours = queue.pop(now);
        const std::optional<Queue::Popped> expected = naive.pop(now);
        REQUIRE(ours.has_value() == expected.has_value());
        if (!ours) continue;
        REQUIRE(is_same(ours->item, expected->item));
        REQUIRE(ours->is_late == expected->is_late);
        late += ours->is_late ? 1U : 0U;
      }
      REQUIRE(queue.byte_count() == naive.bytes());
    }
  }
  CHECK(dropped > 100);
  CHECK(late > 100);
}

}  // namespace
}  // namespace sinew::packet
