// The table behind one address family of AllowedIps (allowed_ips.h): a binary trie with path
// compression. `Key` is an address as a number, std::uint32_t or Key128. Every node is a prefix
// that is owned by a peer or has two children, so n prefixes take at most 2n - 1 nodes. Nodes live
// in one vector and name each other by index; each is also linked into the chain of its owner.
//
// A walk costs a dependent load for each level. Nearly all levels are saved by a table of slots: it
// hangs below the anchor, the longest prefix that encloses most entries (in a mesh, the network
// of the mesh), is indexed by the bits that follow, and has about one slot an entry. A slot
// knows who owns its whole range and the node where the walk goes on. Anchor and size are only
// heuristics, chosen anew when the number of entries has doubled or fallen to a quarter, or an
// eighth was added beside the anchor; what is there is found by walking from the root.
//
// insert and remove are O(key bits) amortised, but for prefixes shorter than a slot's: these touch
// every slot below them, at most kMaxSlots. Pure; one thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "wg/ids.h"

namespace sinew::wg {

__extension__ using Key128 = unsigned __int128;

inline constexpr std::uint32_t kNoNode = std::numeric_limits<std::uint32_t>::max();

template <typename Key>
class PrefixTrie {
 public:
  static constexpr unsigned kKeyBits = 8 * sizeof(Key);
  static constexpr unsigned kMaxSlotBits = 16;
  static constexpr std::size_t kMaxSlots = std::size_t{1} << kMaxSlotBits;

  PrefixTrie() { rebuild(); }

  // The bits of `key` behind `length` are zero; `length` is at most kKeyBits.
  void insert(Key key, unsigned length, PeerId peer);
  bool remove(Key key, unsigned length, PeerId peer);
  void remove_peer(PeerId peer);

  // The owner of the longest prefix that holds `key`.
  std::optional<PeerId> find(Key key) const {
    std::uint32_t owner = kNobody;
    std::uint32_t at = root_;
    if (is_below_anchor(key)) {
      const Slot& slot = slots_[slot_index(key)];
      owner = slot.owner;
      at = slot.start;
    }
    while (at != kNoNode) {
      const Node& node = nodes_[at];
      if (common_bits(key, node.key) < node.length) break;
      if (node.owner != kNobody) owner = node.owner;
      at = node.children[bit_of(key, node.length)];
    }
    if (owner == kNobody) return std::nullopt;
    return PeerId(owner);
  }

  // f(key, length) for each prefix of `peer`, in no order.
  template <typename F>
  void for_each_of(PeerId peer, F&& f) const {
    const auto chain = chains_.find(peer);
    std::uint32_t at = chain == chains_.end() ? kNoNode : chain->second;
    for (; at != kNoNode; at = nodes_[at].next)
      f(nodes_[at].key, unsigned{nodes_[at].length});
  }

  std::size_t size() const { return size_; }
  std::size_t node_count() const { return nodes_.size() - free_count_; }
  // Nodes that memory is held for.
  std::size_t node_room() const { return nodes_.capacity(); }
  std::size_t slot_count() const { return slots_.size(); }

 private:
  static constexpr std::uint32_t kNobody = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::uint8_t kFree = std::numeric_limits<std::uint8_t>::max();

  struct Node {
    Key key = 0;
    std::array<std::uint32_t, 2> children = {kNoNode, kNoNode};
    std::uint32_t owner = kNobody;
    std::uint32_t parent = kNoNode;
    std::uint32_t previous = kNoNode;  // of the same owner
    std::uint32_t next = kNoNode;      // of the same owner; of free nodes, the next free one
    std::uint8_t length = 0;           // or kFree
  };

  struct Slot {
    std::uint32_t start = kNoNode;  // the first node at least as long as the slot's prefix
    std::uint32_t owner = kNobody;  // by the longest of the prefixes above
  };

  // Where a prefix is, or belongs: `at` is the node itself when `is_exact`, otherwise what stands
  // in its place below `parent` now, if anything does.
  struct Place {
    std::uint32_t parent = kNoNode;
    std::uint32_t at = kNoNode;
    bool is_exact = false;
  };

  static unsigned common_bits(Key a, Key b) {
    const Key differing = a ^ b;
    if constexpr (sizeof(Key) <= sizeof(std::uint64_t)) {
      return static_cast<unsigned>(std::countl_zero(differing));
    } else {
      const auto high = static_cast<std::uint64_t>(differing >> 64);
      const auto low = static_cast<std::uint64_t>(differing);
      const int zeros = high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low);
      return static_cast<unsigned>(zeros);
    }
  }
  // The bit behind a prefix of `length`. Behind a whole key it is any: such a node has no children.
  static std::size_t bit_of(Key key, unsigned length) {
    return static_cast<std::size_t>(key >> ((kKeyBits - 1 - length) % kKeyBits) & 1);
  }

  bool is_below_anchor(Key key) const { return ((key ^ anchor_) & anchor_mask_) == 0; }
  std::size_t slot_index(Key key) const {
    return static_cast<std::size_t>(key >> slot_shift_) & (slots_.size() - 1);
  }
  // The length of the prefix that a slot stands for.
  unsigned slot_length() const { return kKeyBits - slot_shift_; }

  Place place_of(Key key, unsigned length) const;
  std::uint32_t make_node(Key key, unsigned length);
  void free_node(std::uint32_t index);
  void link(std::uint32_t parent, std::uint32_t child);
  void replace(std::uint32_t index, std::uint32_t by);
  void set_owner(std::uint32_t index, PeerId peer);
  void clear_owner(std::uint32_t index);
  void clear_and_prune(std::uint32_t index);
  void prune(std::uint32_t index);

  void refresh_slots(Key key, unsigned length);
  void refresh_slot(std::size_t index);
  void rebuild_if_due();
  void rebuild();
  void compact();
  void choose_anchor();
  std::vector<std::uint32_t> count_entries_below() const;

  std::vector<Node> nodes_;
  std::uint32_t root_ = kNoNode;
  std::uint32_t free_ = kNoNode;
  std::size_t free_count_ = 0;
  std::size_t size_ = 0;
  std::unordered_map<PeerId, std::uint32_t> chains_;  // the first node of each owner

  std::vector<Slot> slots_;  // a power of two of them, and at least two
  Key anchor_ = 0;
  Key anchor_mask_ = 0;
  unsigned anchor_length_ = 0;
  unsigned slot_shift_ = 0;
  std::size_t size_at_rebuild_ = 0;
  std::size_t strays_ = 0;  // entries added since then that are not below the anchor
};

extern template class PrefixTrie<std::uint32_t>;
extern template class PrefixTrie<Key128>;

}  // namespace sinew::wg
