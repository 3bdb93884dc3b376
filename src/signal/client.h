// A node's side of the signal protocol, towards one nucleus.
//
// It begins with HELLO to each known address of the nucleus in turn until one answers, proves the
// cluster's secret and its node key, registers, keeps the registration alive, and keeps a copy of
// the cluster's map. Whatever is lost is sent again; whatever is not answered long enough ends the
// session and begins anew, while the map stays as it was: a nucleus that is away breaks nothing
// that works. After a restart of the nucleus nobody is removed from the map before all had the time
// to come back.
//
// The nucleus is believed because it knows the secret, and from then on for its key: a session
// belongs to one, and `nucleus_key` pins it. Who records and repeats datagrams achieves nothing;
// who answers without the secret is not heard.
//
// Over UDP it speaks from the socket that WireGuard uses, so that what the nucleus observes is what
// peers can reach. Where UDP gets no answer it asks for a stream (kWantStream); while it talks over
// one it goes on trying UDP now and then.
//
//     client.feed(datagram, route, now); client.expire(now) at client.deadline();
//     then drain next_transmit() and next_event().
//
// Pure; one thread; copies nothing but small keys. Bounds: kMaxPeers, one page burst, one message
// of each kind under way and kMaxPunches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "netmap/netmap.h"
#include "signal/bodies.h"
#include "signal/cluster_key.h"
#include "signal/messages.h"
#include "signal/route.h"

namespace sinew::signal {

inline constexpr std::size_t kMaxPeers = 20'000;
inline constexpr std::size_t kMaxPunches = 64;  // unanswered; the oldest is given up
// Handshake messages: after these delays, doubling, again; the first tries decide how fast a start
// over a bad link is.
inline constexpr Duration kFirstRetry = 250ms;
inline constexpr Duration kMaxRetry = 8s;
inline constexpr unsigned kRequestTries = 5;    // then the session is given up
inline constexpr Duration kUdpPatience = 2s;    // without an answer, before a stream is wanted
inline constexpr Duration kUdpRetry = 120s;     // while a stream carries us
inline constexpr Duration kRefusedRetry = 15s;  // after a refused registration

class Client {
 public:
  struct Config {
    ClusterKey key;
    PrivateKey node;
    DiscoKey disco;
    std::string name;  // cut to netmap::kMaxNameBytes
    std::optional<IpAddress> wanted_v4;
    std::optional<IpAddress> wanted_v6;
    bool is_wanted_required = false;
    bool replaces = false;
    bool is_sealed = true;                 // false: authenticated, but readable on the way
    std::optional<PublicKey> nucleus_key;  // no other is believed
  };

  // What others have to know to reach us.
  struct Local {
    std::vector<netmap::Candidate> candidates;
    netmap::Connectivity connectivity;
    RelayId home;

    friend bool operator==(const Local&, const Local&) = default;
  };

  enum class State : std::uint8_t {
    kSilent,       // nobody answers our hello: unreachable, down, or another secret
    kOpening,      // the nucleus answered
    kRegistering,  // it knows us; no address yet
    kRegistered,
    kRefused,  // it will not have us: see last_refusal()
    kLeft,
  };

  struct RegisteredEvent {
    netmap::Self self;
    std::optional<Endpoint> observed;
  };
  // The map differs from before in these; map() has it all. Peers that are in `changed` are in the
  // map, those in `removed` are not.
  struct MapChangedEvent {
    std::vector<NodeKey> changed;
    std::vector<NodeKey> removed;
    bool have_relays_changed = false;
    bool is_complete = false;  // nothing more is on its way
  };
  struct PunchEvent {
    NodeKey peer;
    std::vector<netmap::Candidate> candidates;
  };
  struct RefusedEvent {
    Refused refused;
  };
  struct ObservedEvent {  // our address looks different to the nucleus than before
    Endpoint endpoint;
  };
  struct WantStreamEvent {};  // UDP gets no answer: open a stream, and call set_stream()
  struct LostEvent {};        // registered before, and no answer any more
  struct BackEvent {};        // registered again after a LostEvent
  struct LeftEvent {};        // the nucleus knows that we have gone, or nobody answers
  using Event = std::variant<RegisteredEvent, MapChangedEvent, PunchEvent, RefusedEvent,
                             ObservedEvent, WantStreamEvent, LostEvent, BackEvent, LeftEvent>;

  Client(Rng& rng, Config config);
  Client(Client&&) noexcept;
  ~Client();

  // The addresses of the nucleus, most wanted first. Nothing is sent before there is one, or a
  // stream.
  void set_servers(std::vector<Endpoint> servers, MonoTime now);
  // A stream to the nucleus is open under this number, which is not 0; 0: none is any more.
  void set_stream(std::uint64_t stream, MonoTime now);
  // Tells the nucleus when it differs from before.
  void set_local(Local local, MonoTime now);
  // Another address to ask for, and whether to take it from a key that is gone. Registers again.
  void set_wanted(std::optional<IpAddress> v4, std::optional<IpAddress> v6, bool is_required,
                  bool replaces, MonoTime now);
  // Sockets or routes are new, or the machine has slept: asks at once whether the session lives.
  void network_changed(MonoTime now);
  // Tells `target`, through the nucleus, where we are. Does nothing while not registered.
  void punch(const NodeKey& target, const std::vector<netmap::Candidate>& candidates, MonoTime now);
  // Says goodbye; LeftEvent when that has arrived, or after a second without an answer.
  void leave(MonoTime now);

  // False when the datagram is not for this client: then nothing has changed.
  bool feed(ByteView datagram, const Route& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

  State state() const;
  // Self, all peers but ourselves, and relays, as far as known.
  const netmap::NetMap& map() const;
  bool is_map_complete() const;
  const std::optional<Refused>& last_refusal() const;
  std::optional<Endpoint> observed() const;
  std::optional<Route> route() const;            // of the session
  std::optional<PublicKey> nucleus_key() const;  // of the session
  std::optional<Duration> round_trip() const;    // of the last answer in time
  unsigned unanswered() const;                   // tries in a row

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

std::string_view name_of(Client::State state);

}  // namespace sinew::signal
