// Module path: chooses how packets travel to each peer. A peer is reached over a direct path that
// has answered an authenticated ping of full packet size, else over the relay, else not at all.
// The engine sends and reads disco messages (disco/messages.h) and tells which route to use; it
// never touches a packet.
//
// What it promises:
//  - Lazy. A peer that nobody talks to is a record; nothing is sent to it and nothing computed.
//  - The relay carries packets from the first on. A direct path takes over once it is proven, and
//    while packets flow it is checked every second and left within 3 s of its death.
//  - A peer that has fallen idle keeps its path by pings as rare as its NAT allows (at least 28 s,
//    learned), below 1 MB a day, and is given up after kKeepIdle.
//  - Both sides search at once: a CallMe over the relay or the nucleus makes the peer ping too.
//    Where one NAT is symmetric and the other strict, the hard side asks for kPunchSockets sockets
//    and the easy side guesses ports.
//  - describe() says in words why a peer is not reached directly, and keeps the last changes.
//
// What an attacker can do. A stranger: nothing, his datagram costs one table look-up. A member may
// name any addresses as his own: each is pinged a few times with Ping::kSize bytes, under the caps
// of path/limits.h per address, per peer and in total (L37); nothing larger goes to an address that
// has not answered, and no packet of the tunnel. Who replays a recorded ping from elsewhere gets
// one shorter answer sent there, and one ping that he cannot answer.
//
// Bounds: kMaxPaths paths a peer, kMaxOutstanding unanswered pings. Time per call is that of the
// peer concerned; expire() touches only those that are due. Pure; one thread.
//
// The five verbs: feed, expire, deadline, next_transmit, next_event. After any call take all events
// first (sockets are opened there), then all transmits, then ask for the deadline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "crypto/x25519.h"
#include "netmap/netmap.h"
#include "path/route.h"

namespace sinew::path {

inline constexpr std::size_t kMaxPaths = 24;          // of a peer
inline constexpr std::size_t kMaxOutstanding = 4096;  // pings without an answer; the oldest go
inline constexpr std::size_t kPunchSockets = 256;
inline constexpr std::size_t kHistoryLength = 16;  // changes of route that are remembered
inline constexpr Duration kKeepIdle = 2h;          // then an unused path is given up

struct Settings {
  bool is_relay_allowed = true;  // false: packets go directly or not at all
  bool is_probing = true;        // false: nothing is ever direct (a negative control)
  bool has_ipv6 = true;          // false: addresses of IPv6 are not used
  bool prefers_ipv6 = true;      // over IPv4 that is at most `ipv6_threshold` faster
  Duration ipv6_threshold = 5ms;
  Duration happy_eyeballs_delay = 250ms;  // how long IPv6 may keep a found IPv4 path waiting
  // The largest datagram that the tunnel sends; a path has to carry it before it is used (L26). At
  // most disco::kMaxMessageSize.
  std::size_t full_size = 1452;
  // The network's own prefixes: an address in here would lead into the tunnel and is never probed.
  std::vector<IpPrefix> inner_networks;
};

// A relay that the node is connected to handed us this for us; the relay vouches for the key.
struct Relayed {
  netmap::NodeKey peer;

  friend bool operator==(const Relayed&, const Relayed&) = default;
};

// Where a disco message came from, and where it goes. To Relayed means: through the home relay of
// that peer.
using Way = std::variant<Direct, Relayed>;

struct Transmit {
  Way to;
  Bytes bytes;
};

// Use this route for the peer's packets from now on. Before the first of these a peer's route is
// none, as nobody has wanted it; a node that sends its first packet to the relay loses nothing.
struct RouteChanged {
  netmap::NodeKey peer;
  Route route;
};
// Ask the nucleus to pass this on; it arrives there as punch().
struct PunchWanted {
  netmap::NodeKey peer;
  std::vector<netmap::Candidate> candidates;
};
// Open UDP sockets under these numbers, on any port. One that cannot be opened loses what is sent
// through it, and nothing else.
struct SocketsWanted {
  SocketNumber first;
  std::size_t count = 0;
};
// Close them. Nothing is sent through them any more.
struct SocketsReleased {
  SocketNumber first;
  std::size_t count = 0;
};
using Event = std::variant<RouteChanged, PunchWanted, SocketsWanted, SocketsReleased>;

struct Description {
  Route route;
  std::optional<WhyNotDirect> why;    // none while the route is direct
  std::optional<Duration> rtt;        // of the direct path in use, smoothed
  unsigned loss_permille = 0;         // of its pings
  Duration keepalive{};               // the interval learned for it
  std::size_t paths = 0;              // that are known
  std::size_t answering = 0;          // of these
  std::vector<HistoryEntry> history;  // oldest first
};

struct Counters {
  std::uint64_t pings_sent = 0;
  std::uint64_t pongs_sent = 0;
  std::uint64_t calls_sent = 0;  // CallMe
  std::uint64_t pings_received = 0;
  std::uint64_t pongs_received = 0;
  std::uint64_t calls_received = 0;
  std::uint64_t bytes_sent = 0;      // of disco datagrams
  std::uint64_t from_strangers = 0;  // dropped: unknown disco key
  std::uint64_t forged = 0;          // dropped: does not open, or is not well-formed
  std::uint64_t unexpected = 0;  // dropped: pong nobody asked for, wrong node key, wrong address
  std::uint64_t held_back = 0;   // pings and answers the caps did not allow
};

class Agent {
 public:
  // `rng` outlives the agent. `self` is our node key; the public half of `disco` is what the map
  // says of us.
  Agent(Rng& rng, const crypto::X25519PrivateKey& disco, const netmap::NodeKey& self,
        Settings settings);
  ~Agent();

  // Takes effect for what is decided from then on; routes are looked at again.
  void set_settings(Settings settings, MonoTime now);
  // Where we can be reached, and how our NAT behaves. Peers in use are told when it changed. Behind
  // a symmetric NAT, all reflexive endpoints in the order they were seen: from ports that count up
  // the next ones are foretold.
  void set_local(std::vector<netmap::Candidate> candidates,
                 const netmap::Connectivity& connectivity, MonoTime now);
  // Whether we are connected to a relay, or could be at once. Until then it is not.
  void set_relay_available(netmap::RelayId relay, bool is_available, MonoTime now);
  // Interfaces or routes of this machine changed: every direct path in use has to prove itself
  // within half a second.
  void network_changed(MonoTime now);

  void upsert_peer(const netmap::Peer& peer, MonoTime now);
  // No event follows.
  void remove_peer(const netmap::NodeKey& key, MonoTime now);

  // A packet for this peer waits or has gone out. At once after a silence, then at least every 5 s
  // while packets flow; the peer counts as idle after kTrafficFor without it.
  void note_wanted(const netmap::NodeKey& key, MonoTime now);
  // The tunnel authenticated a packet of this peer that came this way. A hint: an unknown address
  // is probed, not used.
  void note_received(const netmap::NodeKey& key, const Way& from, MonoTime now);
  // The peer asks over the nucleus to be pinged.
  void punch(const netmap::NodeKey& key, std::span<const netmap::Candidate> candidates,
             MonoTime now);

  void feed(ByteView datagram, const Way& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

  Route route_of(const netmap::NodeKey& key) const;
  std::optional<Description> describe(const netmap::NodeKey& key, MonoTime now) const;
  const Counters& counters() const;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace sinew::path
