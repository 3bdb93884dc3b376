#include "path/agent.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "disco/messages.h"
#include "path/peer.h"
#include "path/station.h"

namespace sinew::path {

// The peers by their keys, and who of them is due when.
class Agent::Engine {
 public:
  Engine(Rng& rng, const crypto::X25519PrivateKey& disco, const netmap::NodeKey& self,
         Settings settings)
      : station(rng, disco, self, std::move(settings)) {}

  Station station;

  void upsert(const netmap::Peer& record, MonoTime now);
  void remove(const netmap::NodeKey& key);
  const Peer* find(const netmap::NodeKey& key) const;

  // Calls `act` on the peer, if there is one, and notes when it is due next.
  template <typename Act>
  void with(const netmap::NodeKey& key, Act act) {
    const auto found = peers_.find(key);
    if (found == peers_.end()) return;
    act(found->second.peer);
    schedule(found->second);
  }
  template <typename Act>
  void with_all(Act act) {
    for (auto& [key, entry] : peers_) {
      act(entry.peer);
      schedule(entry);
    }
  }

  void feed(ByteView datagram, const Way& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const { return due_.empty() ? MonoTime::never() : due_.begin()->first; }

 private:
  struct Entry {
    Peer peer;
    MonoTime due = MonoTime::never();
  };

  void schedule(Entry& entry);
  void forget_disco(const netmap::Peer& record);
  std::optional<disco::Message> open(ByteView datagram, const netmap::DiscoKey& sender);
  void take(const disco::Ping& ping, const netmap::DiscoKey& sender, const Way& from, MonoTime now);
  void take(const disco::Pong& pong, const netmap::DiscoKey& sender, const Way& from, MonoTime now);
  void take(const disco::CallMe& call, const netmap::DiscoKey& sender, const Way& from,
            MonoTime now);
  bool belongs(const netmap::NodeKey& key, const netmap::DiscoKey& sender) const;

  std::unordered_map<netmap::NodeKey, Entry> peers_;
  // Several peers may claim one disco key; who holds it is told apart by what is inside.
  std::unordered_multimap<crypto::X25519PublicKey, netmap::NodeKey> by_disco_;
  std::set<std::pair<MonoTime, netmap::NodeKey>> due_;
};

void Agent::Engine::upsert(const netmap::Peer& record, MonoTime now) {
  const auto found = peers_.find(record.key);
  if (found == peers_.end()) {
    peers_.emplace(record.key, Entry{.peer = Peer(station, record, now)});
    by_disco_.emplace(record.disco.key, record.key);
    return;
  }
  Entry& entry = found->second;
  if (entry.peer.record().disco != record.disco) {
    forget_disco(entry.peer.record());
    by_disco_.emplace(record.disco.key, record.key);
  }
  entry.peer.update(record, now);
  schedule(entry);
}

void Agent::Engine::remove(const netmap::NodeKey& key) {
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  found->second.peer.close();
  forget_disco(found->second.peer.record());
  due_.erase({found->second.due, key});
  peers_.erase(found);
}

const Peer* Agent::Engine::find(const netmap::NodeKey& key) const {
  const auto found = peers_.find(key);
  return found == peers_.end() ? nullptr : &found->second.peer;
}

void Agent::Engine::schedule(Entry& entry) {
  const MonoTime due = entry.peer.deadline();
  if (due == entry.due) return;
  due_.erase({entry.due, entry.peer.record().key});
  entry.due = due;
  if (due != MonoTime::never()) due_.emplace(due, entry.peer.record().key);
}

void Agent::Engine::forget_disco(const netmap::Peer& record) {
  const auto [first, last] = by_disco_.equal_range(record.disco.key);
  const auto found =
      std::find_if(first, last, [&](const auto& entry) { return entry.second == record.key; });
  if (found != last) by_disco_.erase(found);
}

void Agent::Engine::feed(ByteView datagram, const Way& from, MonoTime now) {
  const auto sender = disco::sender_of(datagram);
  if (!sender) {
    ++station.counters.forged;
    return;
  }
  const auto message = open(datagram, *sender);
  if (!message) return;
  std::visit([&](const auto& content) { take(content, *sender, from, now); }, *message);
}

std::optional<disco::Message> Agent::Engine::open(ByteView datagram,
                                                  const netmap::DiscoKey& sender) {
  const auto known = by_disco_.find(sender.key);
  const auto found = known == by_disco_.end() ? peers_.end() : peers_.find(known->second);
  const crypto::BoxKey* box = found == peers_.end() ? nullptr : found->second.peer.box();
  if (box == nullptr) {
    ++station.counters.from_strangers;
    return {};
  }
  auto message = disco::open(datagram, *box);
  if (!message) ++station.counters.forged;
  return message;
}

bool Agent::Engine::belongs(const netmap::NodeKey& key, const netmap::DiscoKey& sender) const {
  const Peer* peer = find(key);
  return peer != nullptr && peer->record().disco == sender;
}

void Agent::Engine::take(const disco::Ping& ping, const netmap::DiscoKey& sender, const Way& from,
                         MonoTime now) {
  const Direct* direct = std::get_if<Direct>(&from);
  if (direct == nullptr || !belongs(ping.sender, sender)) {
    ++station.counters.unexpected;
    return;
  }
  ++station.counters.pings_received;
  with(ping.sender, [&](Peer& peer) { peer.take_ping(ping, *direct, now); });
}

void Agent::Engine::take(const disco::Pong& pong, const netmap::DiscoKey& sender, const Way& from,
                         MonoTime now) {
  const auto sent = station.take_sent(pong.transaction);
  const Direct* direct = std::get_if<Direct>(&from);
  if (!sent || direct == nullptr || *direct != sent->to || !belongs(sent->peer, sender)) {
    ++station.counters.unexpected;
    return;
  }
  ++station.counters.pongs_received;
  with(sent->peer, [&](Peer& peer) { peer.take_pong(*sent, now); });
}

void Agent::Engine::take(const disco::CallMe& call, const netmap::DiscoKey& sender, const Way& from,
                         MonoTime now) {
  const Relayed* relayed = std::get_if<Relayed>(&from);
  if (!belongs(call.sender, sender) || (relayed != nullptr && relayed->peer != call.sender)) {
    ++station.counters.unexpected;
    return;
  }
  ++station.counters.calls_received;
  with(call.sender, [&](Peer& peer) { peer.take_call(call, relayed != nullptr, now); });
}

void Agent::Engine::expire(MonoTime now) {
  // Only those due at the beginning, so that this ends whatever a peer does.
  std::vector<netmap::NodeKey> due;
  for (const auto& [at, key] : due_) {
    if (at > now) break;
    due.push_back(key);
  }
  for (const netmap::NodeKey& key : due)
    with(key, [&](Peer& peer) { peer.settle(now); });
}

Agent::Agent(Rng& rng, const crypto::X25519PrivateKey& disco, const netmap::NodeKey& self,
             Settings settings)
    : engine_(std::make_unique<Engine>(rng, disco, self, std::move(settings))) {}

Agent::~Agent() = default;

void Agent::set_settings(Settings settings, MonoTime now) {
  engine_->station.settings = std::move(settings);
  engine_->with_all([&](Peer& peer) { peer.local_changed(now); });
}

void Agent::set_local(std::vector<netmap::Candidate> candidates,
                      const netmap::Connectivity& connectivity, MonoTime now) {
  Station& station = engine_->station;
  if (candidates.size() > netmap::kMaxCandidates) candidates.resize(netmap::kMaxCandidates);
  if (candidates == station.local && connectivity == station.connectivity) return;
  station.local = std::move(candidates);
  station.connectivity = connectivity;
  engine_->with_all([&](Peer& peer) { peer.local_changed(now); });
}

void Agent::set_relay_available(netmap::RelayId relay, bool is_available, MonoTime now) {
  std::set<netmap::RelayId>& relays = engine_->station.relays;
  if (is_available ? !relays.insert(relay).second : relays.erase(relay) == 0) return;
  engine_->with_all([&](Peer& peer) { peer.settle(now); });
}

void Agent::network_changed(MonoTime now) {
  engine_->with_all([&](Peer& peer) { peer.network_changed(now); });
}

void Agent::upsert_peer(const netmap::Peer& peer, MonoTime now) {
  engine_->upsert(peer, now);
}

void Agent::remove_peer(const netmap::NodeKey& key, MonoTime) {
  engine_->remove(key);
}

void Agent::note_wanted(const netmap::NodeKey& key, MonoTime now) {
  engine_->with(key, [&](Peer& peer) { peer.note_wanted(now); });
}

void Agent::note_received(const netmap::NodeKey& key, const Way& from, MonoTime now) {
  engine_->with(key, [&](Peer& peer) { peer.note_received(from, now); });
}

void Agent::punch(const netmap::NodeKey& key, std::span<const netmap::Candidate> candidates,
                  MonoTime now) {
  engine_->with(key, [&](Peer& peer) { peer.punch(candidates, now); });
}

void Agent::feed(ByteView datagram, const Way& from, MonoTime now) {
  engine_->feed(datagram, from, now);
}

void Agent::expire(MonoTime now) {
  engine_->expire(now);
}

MonoTime Agent::deadline() const {
  return engine_->deadline();
}

std::optional<Transmit> Agent::next_transmit() {
  return engine_->station.next_transmit();
}

std::optional<Event> Agent::next_event() {
  return engine_->station.next_event();
}

Route Agent::route_of(const netmap::NodeKey& key) const {
  const Peer* peer = engine_->find(key);
  return peer == nullptr ? Route::none() : peer->route();
}

std::optional<Description> Agent::describe(const netmap::NodeKey& key, MonoTime now) const {
  const Peer* peer = engine_->find(key);
  if (peer == nullptr) return {};
  return peer->describe(now);
}

const Counters& Agent::counters() const {
  return engine_->station.counters;
}

}  // namespace sinew::path
