// What the peers of an agent share: the facts about our own machine, the queues of what leaves, the
// caps, and the pings that wait for an answer. Knows no peer's state. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/lru_map.h"
#include "base/rng.h"
#include "crypto/box.h"
#include "crypto/x25519.h"
#include "disco/messages.h"
#include "netmap/netmap.h"
#include "path/agent.h"
#include "path/limits.h"
#include "path/route.h"

namespace sinew::path {

// A peer, as far as writing to it goes.
struct Correspondent {
  netmap::NodeKey key;
  const crypto::BoxKey* box;
};

// A ping that has no answer yet.
struct SentPing {
  netmap::NodeKey peer;
  Direct to;
  MonoTime at;
  bool is_full = false;
};

struct TransactionHash {
  // Our own random numbers; nobody else puts keys into the table.
  std::size_t operator()(const disco::TransactionId& id) const {
    return load_le<std::uint64_t>(id.data());
  }
};

class Station {
 public:
  Station(Rng& rng, const crypto::X25519PrivateKey& disco, const netmap::NodeKey& self,
          Settings initial_settings);

  Settings settings;
  std::vector<netmap::Candidate> local;
  netmap::Connectivity connectivity;
  std::set<netmap::RelayId> relays;  // that can be used
  PingCaps caps{MonoTime()};
  Counters counters;

  Rng& rng() { return rng_; }
  const crypto::X25519PrivateKey& disco_key() const { return disco_; }
  bool has_relay(netmap::RelayId relay) const;

  void ping(const Correspondent& to, const Direct& direct, bool is_full, MonoTime now);
  void answer(const Correspondent& to, const disco::Ping& ping, const Direct& from);
  // Over the peer's relay.
  void call(const Correspondent& to, bool is_answer, bool has_open_sockets);
  void emit(Event event) { events_.push_back(std::move(event)); }

  // The ping that this answers; it is answered once.
  std::optional<SentPing> take_sent(const disco::TransactionId& id);

  // Sockets for one peer at a time; none while they are all taken.
  std::optional<SocketNumber> lease_sockets(std::size_t count);
  void end_lease() { is_leased_ = false; }
  // Closes them; a number is not used again before all others have been.
  void release_sockets(SocketNumber first, std::size_t count);
  void keep_socket(SocketNumber number) { kept_.insert(number); }

  bool is_guessing = false;  // one peer at a time

  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

 private:
  void send(const Correspondent& to, Way way, const disco::Message& message);

  Rng& rng_;
  crypto::X25519PrivateKey disco_;
  netmap::DiscoKey disco_public_;
  netmap::NodeKey self_;
  LruMap<disco::TransactionId, SentPing, TransactionHash> sent_{kMaxOutstanding};
  std::deque<Transmit> transmits_;
  std::deque<Event> events_;
  bool is_leased_ = false;
  std::uint16_t next_socket_ = 1;
  std::set<SocketNumber> kept_;
};

}  // namespace sinew::path
