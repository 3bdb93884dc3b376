// A map with a bound: when it is full, the entry that was used longest ago makes room. find() and
// insert() count as use, peek() does not. O(1) each. What an attacker can do: push others' entries
// out by making `capacity` new ones, and no more; so never keep in here what must survive a flood.
// Pure; one thread.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/verify.h"

namespace sinew {

template <typename Key, typename Value, typename Hash = std::hash<Key>>
class LruMap {
 public:
  using Entry = std::pair<const Key, Value>;

  explicit LruMap(std::size_t capacity) : capacity_(capacity) {
    VERIFY(capacity > 0);
    index_.reserve(capacity);
  }
  // The index points into the list, so a copy would have to be built anew; nobody needs one.
  LruMap(const LruMap&) = delete;
  LruMap& operator=(const LruMap&) = delete;
  LruMap(LruMap&&) noexcept = default;
  LruMap& operator=(LruMap&&) noexcept = default;

  std::size_t size() const { return index_.size(); }
  std::size_t capacity() const { return capacity_; }
  // How many entries had to make room so far.
  std::size_t evicted_count() const { return evicted_count_; }

  // The value under `key`, now the most recently used; null when absent. Valid until the next
  // insert or erase.
  Value* find(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  const Value* peek(const Key& key) const {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &found->second->second;
  }

  // Stores `value` under `key`, replacing what was there.
  Value& insert(const Key& key, Value value) {
    if (Value* existing = find(key)) {
      *existing = std::move(value);
      return *existing;
    }
    if (index_.size() == capacity_) evict_oldest();
    entries_.emplace_front(key, std::move(value));
    index_.emplace(key, entries_.begin());
    return entries_.front().second;
  }

  bool erase(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return false;
    entries_.erase(found->second);
    index_.erase(found);
    return true;
  }

  // The entry that would make room next; null when empty.
  const Entry* oldest() const { return entries_.empty() ? nullptr : &entries_.back(); }

 private:
  void evict_oldest() {
    index_.erase(entries_.back().first);
    entries_.pop_back();
    ++evicted_count_;
  }

  std::size_t capacity_;
  std::size_t evicted_count_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> index_;
};

}  // namespace sinew
