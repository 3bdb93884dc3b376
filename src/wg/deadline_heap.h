// Which peer's timers are due first. A node is part of its owner and knows its place, so that it
// can be moved or taken out without a search. O(log n) to change a deadline, O(1) to read the
// first. reserve() makes room beforehand; after that nothing allocates. Pure; one thread.
#pragma once

#include <cstddef>
#include <vector>

#include "base/clock.h"
#include "wg/ids.h"

namespace sinew::wg {

class DeadlineHeap {
 public:
  // Out of every heap while it is never().
  struct Node {
    PeerId peer;
    MonoTime at = MonoTime::never();
    std::size_t place = 0;
  };

  void reserve(std::size_t nodes) { nodes_.reserve(nodes); }
  std::size_t size() const { return nodes_.size(); }

  // never() takes it out. The node does not move in memory while it is in.
  void set(Node& node, MonoTime at);
  // The one due first; null when there is none.
  const Node* first() const { return nodes_.empty() ? nullptr : nodes_.front(); }

 private:
  void put(Node* node, std::size_t place);
  void rise(Node* node);
  void sink(Node* node);

  std::vector<Node*> nodes_;
};

}  // namespace sinew::wg
