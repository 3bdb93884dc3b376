#include "wg/deadline_heap.h"

namespace sinew::wg {

void DeadlineHeap::set(Node& node, MonoTime at) {
  const bool was_in = node.at != MonoTime::never();
  const bool is_earlier = at < node.at;
  node.at = at;
  if (at == MonoTime::never()) {
    if (!was_in) return;
    Node* last = nodes_.back();
    nodes_.pop_back();
    if (last == &node) return;
    put(last, node.place);
    rise(last);
    sink(last);
  } else if (!was_in) {
    nodes_.push_back(&node);
    put(&node, nodes_.size() - 1);
    rise(&node);
  } else if (is_earlier) {
    rise(&node);
  } else {
    sink(&node);
  }
}

void DeadlineHeap::put(Node* node, std::size_t place) {
  nodes_[place] = node;
  node->place = place;
}

void DeadlineHeap::rise(Node* node) {
  while (node->place > 0) {
    Node* parent = nodes_[(node->place - 1) / 2];
    if (parent->at <= node->at) return;
    const std::size_t place = parent->place;
    put(parent, node->place);
    put(node, place);
  }
}

void DeadlineHeap::sink(Node* node) {
  while (true) {
    std::size_t child = 2 * node->place + 1;
    if (child >= nodes_.size()) return;
    if (child + 1 < nodes_.size() && nodes_[child + 1]->at < nodes_[child]->at) ++child;
    Node* earlier = nodes_[child];
    if (node->at <= earlier->at) return;
    put(earlier, node->place);
    put(node, child);
  }
}

}  // namespace sinew::wg
