#include "signal/group.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "base/verify.h"

namespace sinew::signal {
namespace {

Client::Config copy_of(const Client::Config& config, bool may_pin) {
  return {.key = config.key.clone(),
          .node = config.node.clone(),
          .disco = config.disco,
          .name = config.name,
          .wanted_v4 = config.wanted_v4,
          .wanted_v6 = config.wanted_v6,
          .is_wanted_required = config.is_wanted_required,
          .replaces = config.replaces,
          .is_sealed = config.is_sealed,
          .nucleus_key = may_pin ? config.nucleus_key : std::nullopt};
}

}  // namespace

Group::Group(Rng& rng, const Client::Config& config, std::size_t nuclei)
    : replaces_(config.replaces), is_registered_(nuclei, false), has_left_(nuclei, false) {
  VERIFY(nuclei >= 1 && nuclei <= kMaxNuclei);
  clients_.reserve(nuclei);
  for (std::size_t i = 0; i < nuclei; ++i)
    clients_.emplace_back(rng, copy_of(config, nuclei == 1));
}

void Group::set_servers(std::size_t nucleus, std::vector<Endpoint> servers, MonoTime now) {
  clients_[nucleus].set_servers(std::move(servers), now);
  collect(now);
}

void Group::set_stream(std::size_t nucleus, std::uint64_t stream, MonoTime now) {
  clients_[nucleus].set_stream(stream, now);
  collect(now);
}

void Group::set_local(const Client::Local& local, MonoTime now) {
  for (Client& client : clients_)
    client.set_local(local, now);
}

void Group::network_changed(MonoTime now) {
  for (Client& client : clients_)
    client.network_changed(now);
}

// One nucleus that knows both is enough.
void Group::punch(const NodeKey& target, const std::vector<netmap::Candidate>& candidates,
                  MonoTime now) {
  const auto knows = [&](const Client& client) {
    const auto found = client.map().peers.find(target);
    return client.state() == Client::State::kRegistered && found != client.map().peers.end() &&
           found->second.is_online;
  };
  const auto best = std::ranges::find_if(clients_, knows);
  if (best != clients_.end()) best->punch(target, candidates, now);
}

void Group::leave(MonoTime now) {
  for (Client& client : clients_)
    client.leave(now);
  collect(now);
}

bool Group::feed(ByteView datagram, const Route& from, MonoTime now) {
  const bool is_ours = std::ranges::any_of(
      clients_, [&](Client& client) { return client.feed(datagram, from, now); });
  if (is_ours) collect(now);
  return is_ours;
}

void Group::expire(MonoTime now) {
  for (Client& client : clients_)
    if (client.deadline() <= now) client.expire(now);
  collect(now);
}

MonoTime Group::deadline() const {
  MonoTime first = MonoTime::never();
  for (const Client& client : clients_)
    first = std::min(first, client.deadline());
  return first;
}

std::optional<Group::Sending> Group::next_transmit() {
  for (std::size_t i = 0; i < clients_.size(); ++i)
    if (auto transmit = clients_[i].next_transmit())
      return Sending{.nucleus = i, .transmit = *std::move(transmit)};
  return std::nullopt;
}

std::optional<Group::Event> Group::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Client::State Group::state() const {
  const auto rank = [](Client::State state) {
    switch (state) {
      case Client::State::kRegistered: return 5;
      case Client::State::kRefused: return 4;
      case Client::State::kRegistering: return 3;
      case Client::State::kOpening: return 2;
      case Client::State::kSilent: return 1;
      case Client::State::kLeft: return 0;
    }
    VERIFY_NOT_REACHED();
  };
  Client::State best = Client::State::kLeft;
  for (const Client& client : clients_)
    if (rank(client.state()) > rank(best)) best = client.state();
  return best;
}

std::optional<Endpoint> Group::observed() const {
  for (const Client& client : clients_)
    if (client.observed()) return client.observed();
  return std::nullopt;
}

// --- What the clients report ---

void Group::collect(MonoTime now) {
  for (std::size_t i = 0; i < clients_.size(); ++i)
    while (auto event = clients_[i].next_event())
      take(i, *std::move(event), now);
}

void Group::take(std::size_t nucleus, Client::Event event, MonoTime now) {
  if (const auto* change = std::get_if<Client::MapChangedEvent>(&event)) {
    return merge(nucleus, *change);
  }
  if (const auto* registered = std::get_if<Client::RegisteredEvent>(&event)) {
    return adopt_address(nucleus, *registered, now);
  }
  if (std::holds_alternative<Client::LostEvent>(event)) {
    is_registered_[nucleus] = false;
    merge_all(nucleus);
    if (is_any_registered()) return;
    is_lost_ = true;
  }
  if (std::holds_alternative<Client::BackEvent>(event)) {
    is_registered_[nucleus] = true;
    merge_all(nucleus);
    if (!std::exchange(is_lost_, false)) return;
  }
  if (std::holds_alternative<Client::LeftEvent>(event)) {
    has_left_[nucleus] = true;
    if (!std::ranges::all_of(has_left_, std::identity())) return;
  }
  events_.push_back({.nucleus = nucleus, .event = std::move(event)});
}

bool Group::is_any_registered() const {
  return std::ranges::any_of(is_registered_, std::identity());
}

// The first nucleus that registers us decides the address; the others follow.
void Group::adopt_address(std::size_t nucleus, const Client::RegisteredEvent& event, MonoTime now) {
  is_registered_[nucleus] = true;
  if (!leader_) leader_ = nucleus;
  if (*leader_ != nucleus) return;
  const bool is_news = map_.self != event.self;
  map_.self = event.self;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (i == nucleus || !is_news) continue;
    clients_[i].set_wanted(event.self.v4, event.self.v6, true, replaces_, now);
  }
  if (is_news) events_.push_back({.nucleus = nucleus, .event = event});
}

void Group::merge(std::size_t nucleus, const Client::MapChangedEvent& change) {
  Client::MapChangedEvent merged;
  merged.is_complete = change.is_complete;
  for (const NodeKey& key : change.changed)
    newest_[key] = nucleus;
  for (const auto* keys : {&change.changed, &change.removed})
    for (const NodeKey& key : *keys)
      merge_peer(key, merged);
  if (change.have_relays_changed) {
    std::map<RelayId, netmap::Relay> relays;
    for (const Client& client : clients_)
      relays.insert(client.map().relays.begin(), client.map().relays.end());
    merged.have_relays_changed = relays != map_.relays;
    map_.relays = std::move(relays);
  }
  const bool is_news = !merged.changed.empty() || !merged.removed.empty() ||
                       merged.have_relays_changed || merged.is_complete;
  if (is_news) events_.push_back({.nucleus = nucleus, .event = std::move(merged)});
}

// A nucleus has fallen silent, and what it said is older than what the others say; or is back.
void Group::merge_all(std::size_t nucleus) {
  std::set<NodeKey> keys;
  for (const Client& client : clients_)
    for (const auto& [key, unused] : client.map().peers)
      keys.insert(key);
  Client::MapChangedEvent merged;
  for (const NodeKey& key : keys)
    merge_peer(key, merged);
  if (!merged.changed.empty() || !merged.removed.empty())
    events_.push_back({.nucleus = nucleus, .event = std::move(merged)});
}

void Group::merge_peer(const NodeKey& key, Client::MapChangedEvent& merged) {
  const netmap::Peer* best = nullptr;
  int best_rank = 0;
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    const auto found = clients_[i].map().peers.find(key);
    if (found == clients_[i].map().peers.end()) continue;
    const auto newest = newest_.find(key);
    const bool is_newest = newest != newest_.end() && newest->second == i;
    const int rank =
        1 + (is_registered_[i] ? 4 : 0) + (found->second.is_online ? 2 : 0) + (is_newest ? 1 : 0);
    if (rank <= best_rank) continue;
    best = &found->second;
    best_rank = rank;
  }
  const auto before = map_.peers.find(key);
  if (best == nullptr) {
    if (before == map_.peers.end()) return;
    map_.peers.erase(before);
    newest_.erase(key);
    merged.removed.push_back(key);
  } else if (before == map_.peers.end() || before->second != *best) {
    map_.peers.insert_or_assign(key, *best);
    merged.changed.push_back(key);
  }
}

}  // namespace sinew::signal
