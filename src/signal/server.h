// The nucleus' side of the signal protocol: clusters, the sessions of their nodes, and their maps.
//
// Before somebody has proven to know a cluster's secret and to be at his address, nothing is kept
// and nothing is computed for him but a hash, and he gets no more bytes than he sent. Then two key
// exchanges prove his node key and ours, and he has a session. What he asks for inside counts for
// that key and no other (L34). A datagram counts once; one of a session that is gone gets a RESET,
// which the secret authenticates.
//
// What an attacker without a secret can do: cost a hash each datagram. With the secret of one
// cluster: become a node of it, at a bounded rate, and take no address that another key holds; of
// other clusters he learns nothing. With a recording: nothing.
//
//     server.feed(datagram, route, now, wall); server.expire(now) at server.deadline();
//     then drain next_transmit() and next_event().
//
// Time limits follow the monotonic clock. The calendar only dates what is saved, so a date that
// jumps expires nobody. Pure; one thread. Bounds: Settings; each has a counter in stats().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/rng.h"
#include "netmap/netmap.h"
#include "signal/bodies.h"
#include "signal/cluster_key.h"
#include "signal/messages.h"
#include "signal/route.h"
#include "signal/snapshot.h"

namespace sinew::signal {

inline constexpr unsigned kMissedHeartbeats = 3;  // then a node is offline

class Server {
 public:
  struct Settings {
    Duration heartbeat = 25s;          // asked of nodes; whole seconds
    Duration removal = 10min;          // from offline to gone from the map; the address stays
    Duration pin_lifetime = 90 * 24h;  // of an address without its node, when others need it
    std::size_t max_nodes = 20'000;    // of all clusters together
    // Of one source, which may be the NAT in front of a whole fleet: joining takes two.
    std::uint32_t handshakes_per_second = 200;
    std::uint32_t handshake_burst = 1000;
    std::uint32_t requests_per_second = 50;  // of one session
    std::uint32_t request_burst = 200;
  };

  struct Cluster {
    std::string name;
    ClusterKey key;
    IpPrefix v4_range;  // 10.147.0.0/16: see default_v4_range()
    std::vector<netmap::Relay> relays;
  };

  struct Node {
    std::string cluster;
    netmap::Peer record;
    std::optional<Route> route;      // of its session
    std::optional<Duration> silent;  // since it was heard; none: not since our start
  };

  struct ClusterInfo {
    std::string name;
    IpPrefix v4_range;
    IpPrefix v6_range;
    std::size_t nodes = 0;
    std::size_t online = 0;
    std::size_t pins = 0;  // addresses that are taken
    Cursor map;
  };

  // For the log.
  struct Event {
    enum class Kind : std::uint8_t { kJoined, kBack, kMoved, kOffline, kLeft, kRemoved, kRefused };
    Kind kind = Kind::kJoined;
    std::string cluster;
    NodeKey node;
    std::string name;  // not yet safe to print
    std::optional<IpAddress> address;
    std::string text;  // of a refusal
  };

  struct Stats {
    std::uint64_t received = 0;
    std::uint64_t not_ours = 0;     // malformed, or of no cluster we know
    std::uint64_t bad_proofs = 0;   // hellos of another secret
    std::uint64_t bad_cookies = 0;  // too old, or from elsewhere
    std::uint64_t forged = 0;       // did not decrypt
    std::uint64_t replayed = 0;
    std::uint64_t limited = 0;  // over a rate
    std::uint64_t refused = 0;
    std::uint64_t resets = 0;
    std::uint64_t handshakes = 0;
    std::uint64_t requests = 0;
  };

  Server(Rng& rng, PrivateKey key, Settings settings);
  Server(Server&&) noexcept;
  ~Server();

  static IpPrefix default_v4_range();

  // kConflict for a second one of that name; kInvalid for a range that is not IPv4 or has no room.
  Result<> add_cluster(Cluster cluster, MonoTime now);
  // Its nodes' sessions end with it.
  Result<> remove_cluster(std::string_view name, MonoTime now);
  Result<> set_relays(std::string_view cluster, std::vector<netmap::Relay> relays, MonoTime now);

  void feed(ByteView datagram, const Route& from, MonoTime now, WallTime wall);
  // Nobody answers over that stream any more.
  void close_stream(std::uint64_t stream, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

  // Gives the address back and removes the node that holds it, so that another key may have it.
  // kNotFound when nobody holds it.
  Result<> forget(std::string_view cluster, const IpAddress& address, MonoTime now);

  PublicKey public_key() const;
  std::vector<ClusterInfo> clusters() const;
  std::vector<Node> nodes(MonoTime now) const;
  const Stats& stats() const;

  // What has to survive a restart. Addresses are urgent, the rest of the records can wait.
  Snapshot snapshot() const;
  // Clusters that were not added are kept for the next snapshot. Before the first datagram.
  void restore(const Snapshot& snapshot, MonoTime now);
  std::uint64_t address_changes() const;
  std::uint64_t record_changes() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sinew::signal
