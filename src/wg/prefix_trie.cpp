#include "wg/prefix_trie.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew::wg {
namespace {

// One in so many entries may be added beside the anchor before it is chosen anew.
constexpr std::size_t kFewStrays = 8;

template <typename Key>
Key mask_of(unsigned length) {
  constexpr unsigned kBits = 8 * sizeof(Key);
  return length == 0 ? Key{0} : static_cast<Key>(~Key{0} << (kBits - length));
}

}  // namespace

template <typename Key>
void PrefixTrie<Key>::insert(Key key, unsigned length, PeerId peer) {
  VERIFY(length <= kKeyBits && (key & ~mask_of<Key>(length)) == 0);
  VERIFY(peer.value() != kNobody);
  const Place place = place_of(key, length);
  if (place.is_exact) {
    set_owner(place.at, peer);
    refresh_slots(key, length);
    rebuild_if_due();
    return;
  }
  const std::uint32_t added = make_node(key, length);
  if (place.at == kNoNode) {
    link(place.parent, added);
  } else {
    const Key other = nodes_[place.at].key;
    const unsigned common = std::min(common_bits(key, other), length);
    const bool encloses = common == length;
    const std::uint32_t fork = encloses ? added : make_node(key & mask_of<Key>(common), common);
    link(place.parent, fork);
    link(fork, place.at);
    if (!encloses) link(fork, added);
  }
  set_owner(added, peer);
  if (!is_below_anchor(key)) ++strays_;
  refresh_slots(key, length);
  rebuild_if_due();
}

template <typename Key>
bool PrefixTrie<Key>::remove(Key key, unsigned length, PeerId peer) {
  const Place place = place_of(key, length);
  if (!place.is_exact || nodes_[place.at].owner != peer.value()) return false;
  if (peer.value() == kNobody) return false;
  clear_and_prune(place.at);
  rebuild_if_due();
  return true;
}

template <typename Key>
void PrefixTrie<Key>::remove_peer(PeerId peer) {
  for (auto chain = chains_.find(peer); chain != chains_.end(); chain = chains_.find(peer))
    clear_and_prune(chain->second);
  rebuild_if_due();
}

template <typename Key>
typename PrefixTrie<Key>::Place PrefixTrie<Key>::place_of(Key key, unsigned length) const {
  Place place{.parent = kNoNode, .at = root_, .is_exact = false};
  while (place.at != kNoNode) {
    const Node& node = nodes_[place.at];
    if (node.length > length || common_bits(key, node.key) < node.length) break;
    if (node.length == length) {
      place.is_exact = true;
      break;
    }
    place.parent = place.at;
    place.at = node.children[bit_of(key, node.length)];
  }
  return place;
}

template <typename Key>
std::uint32_t PrefixTrie<Key>::make_node(Key key, unsigned length) {
  std::uint32_t index = free_;
  if (index != kNoNode) {
    free_ = nodes_[index].next;
    --free_count_;
  } else {
    VERIFY(nodes_.size() < kNoNode);
    index = static_cast<std::uint32_t>(nodes_.size());
    nodes_.emplace_back();
  }
  nodes_[index] = Node{.key = key, .length = static_cast<std::uint8_t>(length)};
  return index;
}

template <typename Key>
void PrefixTrie<Key>::free_node(std::uint32_t index) {
  nodes_[index] = Node{.next = free_, .length = kFree};
  free_ = index;
  ++free_count_;
}

template <typename Key>
void PrefixTrie<Key>::link(std::uint32_t parent, std::uint32_t child) {
  nodes_[child].parent = parent;
  if (parent == kNoNode) {
    root_ = child;
    return;
  }
  Node& above = nodes_[parent];
  above.children[bit_of(nodes_[child].key, above.length)] = child;
}

// Puts `by`, which may be no node, where `index` was.
template <typename Key>
void PrefixTrie<Key>::replace(std::uint32_t index, std::uint32_t by) {
  const std::uint32_t parent = nodes_[index].parent;
  if (by != kNoNode) nodes_[by].parent = parent;
  if (parent == kNoNode) {
    root_ = by;
    return;
  }
  auto& children = nodes_[parent].children;
  children[children[1] == index ? 1 : 0] = by;
}

template <typename Key>
void PrefixTrie<Key>::set_owner(std::uint32_t index, PeerId peer) {
  clear_owner(index);
  Node& node = nodes_[index];
  node.owner = peer.value();
  const auto [chain, is_new] = chains_.try_emplace(peer, index);
  if (!is_new) {
    node.next = chain->second;
    nodes_[node.next].previous = index;
    chain->second = index;
  }
  ++size_;
}

template <typename Key>
void PrefixTrie<Key>::clear_owner(std::uint32_t index) {
  Node& node = nodes_[index];
  if (node.owner == kNobody) return;
  if (node.next != kNoNode) nodes_[node.next].previous = node.previous;
  if (node.previous != kNoNode) {
    nodes_[node.previous].next = node.next;
  } else if (node.next != kNoNode) {
    chains_[PeerId(node.owner)] = node.next;
  } else {
    chains_.erase(PeerId(node.owner));
  }
  node.owner = kNobody;
  node.previous = node.next = kNoNode;
  --size_;
}

template <typename Key>
void PrefixTrie<Key>::clear_and_prune(std::uint32_t index) {
  const Key key = nodes_[index].key;
  const unsigned length = nodes_[index].length;
  clear_owner(index);
  prune(index);
  refresh_slots(key, length);
}

// Takes out what is neither owned nor a fork: the node itself, and the fork above it that it was
// one side of.
template <typename Key>
void PrefixTrie<Key>::prune(std::uint32_t index) {
  while (index != kNoNode) {
    const Node& node = nodes_[index];
    const auto [left, right] = node.children;
    const bool is_fork = left != kNoNode && right != kNoNode;
    if (node.owner != kNobody || is_fork) return;
    const std::uint32_t parent = node.parent;
    const std::uint32_t child = left != kNoNode ? left : right;
    replace(index, child);
    free_node(index);
    if (child != kNoNode) return;
    index = parent;
  }
}

// To be called after every change at this prefix. Forks that came or went with it either lie in
// the same slot, or are too short to be anybody's start.
template <typename Key>
void PrefixTrie<Key>::refresh_slots(Key key, unsigned length) {
  if (((key ^ anchor_) & mask_of<Key>(std::min(length, anchor_length_))) != 0) return;
  if (length >= slot_length()) return refresh_slot(slot_index(key));
  std::size_t first = 0;
  std::size_t count = slots_.size();
  if (length > anchor_length_) {
    first = slot_index(key);
    count = std::size_t{1} << (slot_length() - length);
  }
  for (std::size_t i = first; i < first + count; ++i)
    refresh_slot(i);
}

template <typename Key>
void PrefixTrie<Key>::refresh_slot(std::size_t index) {
  const Key key = static_cast<Key>(anchor_ | static_cast<Key>(index) << slot_shift_);
  Slot slot{.start = root_, .owner = kNobody};
  while (slot.start != kNoNode) {
    const Node& node = nodes_[slot.start];
    const bool may_hold =
        common_bits(key, node.key) >= std::min<unsigned>(node.length, slot_length());
    if (!may_hold) slot.start = kNoNode;
    if (!may_hold || node.length >= slot_length()) break;
    if (node.owner != kNobody) slot.owner = node.owner;
    slot.start = node.children[bit_of(key, node.length)];
  }
  slots_[index] = slot;
}

template <typename Key>
void PrefixTrie<Key>::rebuild_if_due() {
  const bool has_grown = size_ >= 2 * size_at_rebuild_ && size_ > 0;
  const bool has_shrunk = size_ < size_at_rebuild_ / 4 || (size_ == 0 && size_at_rebuild_ > 0);
  const bool has_moved = strays_ > size_at_rebuild_ / kFewStrays;
  if (has_grown || has_shrunk || has_moved) rebuild();
}

template <typename Key>
void PrefixTrie<Key>::rebuild() {
  if (size_ < size_at_rebuild_) compact();
  size_at_rebuild_ = size_;
  strays_ = 0;
  choose_anchor();
  const unsigned wanted = static_cast<unsigned>(std::bit_width(size_));
  const unsigned slot_bits =
      std::clamp(wanted, 1U, std::min(kMaxSlotBits, kKeyBits - anchor_length_));
  slot_shift_ = kKeyBits - anchor_length_ - slot_bits;
  std::vector<Slot>(std::size_t{1} << slot_bits).swap(slots_);
  for (std::size_t i = 0; i < slots_.size(); ++i)
    refresh_slot(i);
}

// Moves the nodes in use to the front, in their order, and gives the rest of the memory back.
template <typename Key>
void PrefixTrie<Key>::compact() {
  std::vector<std::uint32_t> moved(nodes_.size(), kNoNode);
  std::vector<Node> kept;
  kept.reserve(node_count());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].length == kFree) continue;
    moved[i] = static_cast<std::uint32_t>(kept.size());
    kept.push_back(nodes_[i]);
  }
  const auto follow = [&moved](std::uint32_t& link) {
    if (link != kNoNode) link = moved[link];
  };
  for (Node& node : kept) {
    for (std::uint32_t* link :
         {&node.children[0], &node.children[1], &node.parent, &node.previous, &node.next})
      follow(*link);
  }
  for (auto& [peer, first] : chains_)
    follow(first);
  follow(root_);
  nodes_ = std::move(kept);
  free_ = kNoNode;
  free_count_ = 0;
}

// Goes down from the root as long as most entries lie on one side.
template <typename Key>
void PrefixTrie<Key>::choose_anchor() {
  const std::vector<std::uint32_t> below = count_entries_below();
  const std::size_t enough = size_ - size_ / 4;
  anchor_ = 0;
  anchor_length_ = 0;
  for (std::uint32_t at = root_; at != kNoNode && below[at] >= enough;) {
    const Node& node = nodes_[at];
    anchor_length_ = std::min<unsigned>(node.length, kKeyBits - 1);
    anchor_ = node.key & mask_of<Key>(anchor_length_);
    const auto [left, right] = node.children;
    const bool goes_left = right == kNoNode || (left != kNoNode && below[left] >= below[right]);
    at = goes_left ? left : right;
  }
  anchor_mask_ = mask_of<Key>(anchor_length_);
}

template <typename Key>
std::vector<std::uint32_t> PrefixTrie<Key>::count_entries_below() const {
  std::vector<std::uint32_t> below(nodes_.size(), 0);
  for (const Node& node : nodes_) {
    if (node.length == kFree || node.owner == kNobody) continue;
    for (std::uint32_t at = static_cast<std::uint32_t>(&node - nodes_.data()); at != kNoNode;
         at = nodes_[at].parent)
      ++below[at];
  }
  return below;
}

template class PrefixTrie<std::uint32_t>;
template class PrefixTrie<Key128>;

}  // namespace sinew::wg
