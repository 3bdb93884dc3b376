// Whose addresses are whose: the cryptokey routing table. On the way out the longest prefix that
// holds the destination names the peer to send to; on the way in the longest prefix that holds the
// inner source must name the peer the packet came from. A peer whose prefix encloses another's so
// cannot speak for it.
//
// A prefix belongs to one peer: insert() moves it. IPv4 and IPv6 are two tables that never answer
// for each other, and the raw bytes of an inner IPv6 packet stay IPv6 even when they spell a
// v4-mapped address. (An IpPrefix cannot name such a block, so nobody owns one but through a
// shorter prefix.)
//
// Each table is a binary trie with path compression in one pool of nodes, prefix_trie.h. Changes
// may allocate; find never does. Costs: find, insert and remove O(length of an address);
// remove_peer and for_each_of O(prefixes of that peer) of them. Memory is proportional to the
// prefixes held and comes back when they leave. No function recurses, whatever the table's size.
// Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "wg/ids.h"
#include "wg/prefix_trie.h"

namespace sinew::wg {

class AllowedIps {
 public:
  // From now on `prefix` is `peer`'s, whoever had it before.
  void insert(const IpPrefix& prefix, PeerId peer);
  // Takes exactly this prefix away from `peer`; false when it is not that peer's.
  bool remove(const IpPrefix& prefix, PeerId peer);
  void remove_peer(PeerId peer);

  // `address` are four bytes, or sixteen, in network order.
  std::optional<PeerId> find_v4(const std::uint8_t* address) const {
    return v4_.find(load_be<std::uint32_t>(address));
  }
  std::optional<PeerId> find_v6(const std::uint8_t* address) const {
    return v6_.find(load_key_v6(address));
  }
  std::optional<PeerId> find(const IpAddress& address) const {
    const std::uint8_t* bytes = address.bytes().data();
    return address.is_v4() ? find_v4(bytes) : find_v6(bytes);
  }

  // f(const IpPrefix&) for each prefix of `peer`: IPv4 first, by address, the shorter first.
  template <typename F>
  void for_each_of(PeerId peer, F&& f) const {
    for (const IpPrefix& prefix : prefixes_of(peer))
      f(prefix);
  }
  std::vector<IpPrefix> prefixes_of(PeerId peer) const;

  std::size_t size() const { return v4_.size() + v6_.size(); }
  // What the tables occupy, for those who watch memory: at most two nodes a prefix.
  std::size_t node_count() const { return v4_.node_count() + v6_.node_count(); }

 private:
  static Key128 load_key_v6(const std::uint8_t* address) {
    return Key128{load_be<std::uint64_t>(address)} << 64 | load_be<std::uint64_t>(address + 8);
  }

  PrefixTrie<std::uint32_t> v4_;
  PrefixTrie<Key128> v6_;
};

}  // namespace sinew::wg
