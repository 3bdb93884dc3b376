// The nodes of one cluster as its nucleus knows them: who holds which address, who is in the map,
// and what changed when. It knows nothing of sessions; whoever calls has found out that a request
// comes from the key it names.
//
// Addresses. A key keeps its addresses for as long as its pin exists. A new key is given one that
// its hash chooses, or the next free one, so that a nucleus that lost its memory mostly gives the
// same again; its IPv6 address is the cluster's /64 and its hash. An address that a key holds is
// given to no other, unless the other asks to replace it and the holder is offline, or an operator
// gives it back. A pin without a node, older than its lifetime, makes room when there is none left.
//
// The map. Each change takes the next version. A record stands at the version of its last change;
// the page after a cursor holds all records and removals that stand behind it, in order. Removals
// are remembered up to kMaxTombstones; a cursor from before those, or of another epoch, is answered
// from the beginning.
//
// Pure; one thread. O(log n) a request, O(page) a page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "netmap/netmap.h"
#include "signal/bodies.h"
#include "signal/cluster_key.h"
#include "signal/snapshot.h"

namespace sinew::signal {

inline constexpr std::size_t kMaxTombstones = 4096;
inline constexpr std::size_t kMaxRelays = 256;

class Registry {
 public:
  struct Limits {
    Duration offline_after;  // without a word
    Duration removal;        // from then to its removal from the map
    Duration pin_lifetime;
    std::size_t max_pins;
  };
  enum class Change : std::uint8_t { kJoined, kBack, kMoved, kOffline, kLeft, kRemoved };
  struct News {
    Change change;
    NodeKey node;
    std::string name;
    std::optional<IpAddress> address;
  };

  // `range` is IPv4 and has room for a host. `epoch` is drawn anew at each start.
  Registry(const ClusterTag& tag, const IpPrefix& range, std::uint64_t epoch, Limits limits);

  static bool is_usable_range(const IpPrefix& range);

  using Answer = std::variant<netmap::Self, Refused>;
  Answer register_node(const NodeKey& key, const Register& request,
                       const std::optional<Endpoint>& observed, MonoTime now, WallTime wall);
  // False when the node is not in the map: it has to register.
  bool heard(const NodeKey& key, const std::optional<Endpoint>& observed, MonoTime now,
             WallTime wall);
  void leave(const NodeKey& key, MonoTime now);
  // The key that held the address; none when nobody did.
  std::optional<NodeKey> forget(const IpAddress& address);
  void set_relays(const std::vector<netmap::Relay>& relays);

  // A page after `after`, and where the next one begins.
  struct NextPage {
    Bytes bytes;
    Cursor to;
    bool has_more;
  };
  NextPage page(RequestId id, const Cursor& after) const;

  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<News> next_news();

  Cursor cursor() const { return {.epoch = epoch_, .version = version_}; }
  const IpPrefix& v4_range() const { return v4_range_; }
  const IpPrefix& v6_range() const { return v6_range_; }
  // The record of a node in the map.
  const netmap::Peer* find(const NodeKey& key) const;
  std::optional<MonoTime> last_heard(const NodeKey& key) const;
  std::vector<const netmap::Peer*> records() const;
  std::size_t online_count() const;
  std::size_t map_count() const;
  std::size_t pin_count() const { return nodes_.size(); }

  Snapshot::Cluster snapshot() const;
  // What contradicts itself or the range is left out.
  void restore(const Snapshot::Cluster& cluster, MonoTime now);
  std::uint64_t address_changes() const { return address_changes_; }
  std::uint64_t record_changes() const { return version_; }

 private:
  struct Node {
    netmap::Peer record;
    std::optional<Endpoint> observed;
    WallTime last_heard;                     // the calendar, for what is saved
    std::optional<MonoTime> heard;           // none: not since our start
    MonoTime due = MonoTime::never();        // offline, or out of the map
    std::uint64_t changed_at = 0;            // 0: not in the map
    std::vector<netmap::Candidate> claimed;  // without what we observed
  };
  using Place = std::variant<NodeKey, RelayId>;
  struct Entry {
    Place place;
    bool is_removed = false;
  };

  std::optional<Refused> choose_addresses(const NodeKey& key, const Register& request,
                                          WallTime wall, Node& node);
  std::optional<Refused> choose(const NodeKey& key, const std::optional<IpAddress>& wanted,
                                const Register& request, const IpPrefix& range, WallTime wall,
                                std::optional<IpAddress>& held);
  std::optional<Refused> take_wanted(const NodeKey& key, const IpAddress& wanted,
                                     const Register& request, const IpPrefix& range,
                                     std::optional<IpAddress>& held);
  std::optional<IpAddress> free_v4(const NodeKey& key, WallTime wall);
  std::optional<IpAddress> free_v6(const NodeKey& key) const;
  bool make_room(WallTime wall);
  void hold(const NodeKey& key, const IpAddress& address, std::optional<IpAddress>& held);
  void give_back(const NodeKey& key);
  bool is_host_address(const IpPrefix& range, const IpAddress& address) const;
  Refused conflict(const IpAddress& address, const NodeKey& holder) const;

  void refresh_candidates(Node& node, const std::optional<Endpoint>& observed);
  void touch(const NodeKey& key, Node& node, MonoTime now, WallTime wall);
  void set_due(const NodeKey& key, Node& node, MonoTime due);
  std::uint64_t next_version(const Place& place, std::uint64_t before, bool is_removed);
  void change(const NodeKey& key, Node& node);
  void remove_from_map(const NodeKey& key, Node& node, Change why);
  void remember_removal(std::uint64_t version);
  void tell(Change change, const Node& node);

  ClusterTag tag_;
  IpPrefix v4_range_;
  IpPrefix v6_range_;
  std::uint64_t epoch_;
  Limits limits_;

  std::map<NodeKey, Node> nodes_;
  std::unordered_map<IpAddress, NodeKey> holders_;
  std::map<RelayId, std::pair<netmap::Relay, std::uint64_t>> relays_;
  std::map<std::uint64_t, Entry> changes_;  // by version: each place once
  std::map<NodeKey, std::uint64_t> removed_nodes_;
  std::set<std::uint64_t> tombstones_;
  std::uint64_t version_ = 0;
  std::uint64_t horizon_ = 0;  // removals up to this version are forgotten
  std::set<std::pair<MonoTime, NodeKey>> due_;
  std::vector<News> news_;
  std::uint64_t address_changes_ = 0;
};

}  // namespace sinew::signal
