// A doubly linked list through entries of one array, by index, so that moving an entry from one
// list to another allocates nothing. Entries hold a Link for each list they can be in at a time.
// The lists hold no entries and check nothing: an entry that is removed is in that list. Pure.
#pragma once

#include <cstdint>

namespace sinew::packet {

using Index = std::uint32_t;
inline constexpr Index kNoIndex = 0xffff'ffff;

struct Link {
  Index previous = kNoIndex;
  Index next = kNoIndex;
};

template <typename Entry, Link Entry::* kLink>
class IndexList {
 public:
  bool is_empty() const { return head_ == kNoIndex; }
  Index head() const { return head_; }

  // `entries` is the array that all indices are of.
  void push_back(Entry* entries, Index index) {
    entries[index].*kLink = {tail_, kNoIndex};
    (tail_ == kNoIndex ? head_ : (entries[tail_].*kLink).next) = index;
    tail_ = index;
  }
  void remove(Entry* entries, Index index) {
    const Link link = entries[index].*kLink;
    (link.previous == kNoIndex ? head_ : (entries[link.previous].*kLink).next) = link.next;
    (link.next == kNoIndex ? tail_ : (entries[link.next].*kLink).previous) = link.previous;
  }

 private:
  Index head_ = kNoIndex;
  Index tail_ = kNoIndex;
};

}  // namespace sinew::packet
