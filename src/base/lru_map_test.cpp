#include "base/lru_map.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/rng.h"

using namespace sinew;

namespace {

// A copy would share list nodes with its original.
static_assert(!std::is_copy_constructible_v<LruMap<int, int>>);
static_assert(!std::is_copy_assignable_v<LruMap<int, int>>);

// The same rules in the plainest way: a vector, most recently used first.
class NaiveLru {
 public:
  explicit NaiveLru(std::size_t capacity) : capacity_(capacity) {}

  int* find(int key) {
    const auto found = at(key);
    if (found == entries_.end()) return nullptr;
    std::rotate(entries_.begin(), found, found + 1);
    return &entries_.front().second;
  }
  const int* peek(int key) {
    const auto found = at(key);
    return found == entries_.end() ? nullptr : &found->second;
  }
  void insert(int key, int value) {
    erase(key);
    if (entries_.size() == capacity_) entries_.pop_back();
    entries_.insert(entries_.begin(), {key, value});
  }
  bool erase(int key) {
    return std::erase_if(entries_, [key](const auto& entry) { return entry.first == key; }) > 0;
  }
  const std::pair<int, int>* oldest() const {
    return entries_.empty() ? nullptr : &entries_.back();
  }
  std::size_t size() const { return entries_.size(); }

 private:
  std::vector<std::pair<int, int>>::iterator at(int key) {
    return std::ranges::find(entries_, key, &std::pair<int, int>::first);
  }

  std::size_t capacity_;
  std::vector<std::pair<int, int>> entries_;
};

void check_same(const int* ours, const int* theirs) {
  REQUIRE((ours == nullptr) == (theirs == nullptr));
  if (ours != nullptr) CHECK(*ours == *theirs);
}

}  // namespace

TEST_CASE("a full map drops the entry used longest ago") {
  LruMap<int, std::string> map(2);
  map.insert(1, "one");
  map.insert(2, "two");
  REQUIRE(map.find(1) != nullptr);
  map.insert(3, "three");
  CHECK(map.peek(2) == nullptr);
  CHECK(*map.peek(1) == "one");
  CHECK(map.size() == 2);
  CHECK(map.evicted_count() == 1);
}

TEST_CASE("peek does not count as use") {
  LruMap<int, int> map(2);
  map.insert(1, 1);
  map.insert(2, 2);
  REQUIRE(map.peek(1) != nullptr);
  map.insert(3, 3);
  CHECK(map.peek(1) == nullptr);
}

TEST_CASE("replacing a value keeps the others and evicts none") {
  LruMap<int, int> map(2);
  map.insert(1, 1);
  map.insert(2, 2);
  map.insert(1, 10);
  CHECK(map.evicted_count() == 0);
  CHECK(*map.peek(1) == 10);
  CHECK(map.oldest()->first == 2);
}

TEST_CASE("a map of one holds the last") {
  LruMap<int, int> map(1);
  CHECK(map.oldest() == nullptr);
  map.insert(1, 1);
  map.insert(2, 2);
  CHECK(map.peek(1) == nullptr);
  CHECK(map.oldest()->second == 2);
}

TEST_CASE("a map that moved keeps working") {
  LruMap<int, std::unique_ptr<int>> from(2);
  from.insert(1, std::make_unique<int>(1));
  from.insert(2, std::make_unique<int>(2));
  LruMap<int, std::unique_ptr<int>> to = std::move(from);
  REQUIRE(to.find(1) != nullptr);
  to.insert(3, std::make_unique<int>(3));
  CHECK(to.peek(2) == nullptr);
  CHECK(**to.peek(1) == 1);
}

TEST_CASE("random commands have the effect they have on a naive twin") {
  for (const std::size_t capacity : {1U, 2U, 7U, 32U}) {
    SeededRng rng(capacity);
    LruMap<int, int> map(capacity);
    NaiveLru twin(capacity);
    for (int step = 0; step < 10'000; ++step) {
      const int key = static_cast<int>(rng.below(capacity * 2));
      switch (rng.below(4)) {
        case 0: check_same(map.find(key), twin.find(key)); break;
        case 1: check_same(map.peek(key), twin.peek(key)); break;
        case 2:
          map.insert(key, step);
          twin.insert(key, step);
          break;
        default: CHECK(map.erase(key) == twin.erase(key));
      }
      REQUIRE(map.size() == twin.size());
      REQUIRE((map.oldest() == nullptr) == (twin.oldest() == nullptr));
      if (twin.oldest() != nullptr) CHECK(map.oldest()->first == twin.oldest()->first);
    }
  }
}
