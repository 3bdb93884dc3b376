#include "signal/map_copy.h"

#include <algorithm>
#include <utility>

#include "signal/client.h"

namespace sinew::signal {

bool MapCopy::take(Page page, bool may_restart) {
  const bool is_other = page.epoch != cursor_.epoch;
  if (is_other && (!may_restart || page.from != 0)) return false;
  if (is_other || (may_restart && page.from == 0 && cursor_.version != 0)) restart(page.epoch);
  if (page.to < cursor_.version) return false;
  if (page.from > cursor_.version) {
    is_complete_ = false;
    if (ahead_.size() < kMaxPullPages) ahead_.push_back(std::move(page));
    return false;
  }
  apply(page);
  const auto is_next = [this](const Page& ahead) { return ahead.from <= cursor_.version; };
  for (auto next = std::ranges::find_if(ahead_, is_next); next != ahead_.end();
       next = std::ranges::find_if(ahead_, is_next)) {
    const Page ahead = std::move(*next);
    ahead_.erase(next);
    if (ahead.to > cursor_.version) apply(ahead);
  }
  return true;
}

void MapCopy::restart(std::uint64_t epoch) {
  cursor_ = {.epoch = epoch, .version = 0};
  is_complete_ = false;
  is_full_ = true;
  is_sweep_due_ = false;
  ahead_.clear();
  unnamed_peers_.clear();
  unnamed_relays_.clear();
  for (const auto& [key, peer] : map_.peers)
    unnamed_peers_.insert(unnamed_peers_.end(), key);
  for (const auto& [id, relay] : map_.relays)
    unnamed_relays_.insert(unnamed_relays_.end(), id);
}

void MapCopy::apply(const Page& page) {
  // A relay's number may be given anew: its removal comes before it in the same page.
  for (const NodeKey& key : page.removed_peers)
    remove(key);
  for (const RelayId id : page.removed_relays)
    changes_.have_relays_changed |= map_.relays.erase(id) > 0;
  for (const netmap::Peer& peer : page.peers)
    upsert(peer);
  for (const netmap::Relay& relay : page.relays) {
    unnamed_relays_.erase(relay.id);
    const auto found = map_.relays.find(relay.id);
    if (found != map_.relays.end() && found->second == relay) continue;
    map_.relays.insert_or_assign(relay.id, relay);
    changes_.have_relays_changed = true;
  }
  cursor_.version = page.to;
  is_complete_ = !page.has_more;
  if (!is_complete_ || !is_full_) return;
  is_full_ = false;
  is_sweep_due_ = !unnamed_peers_.empty();
  sweep_relays();
}

void MapCopy::upsert(const netmap::Peer& peer) {
  if (peer.key == own_) return;
  unnamed_peers_.erase(peer.key);
  const auto found = map_.peers.find(peer.key);
  if (found == map_.peers.end() && map_.peers.size() >= kMaxPeers) return;
  if (found != map_.peers.end() && found->second == peer) return;
  map_.peers.insert_or_assign(peer.key, peer);
  changes_.changed.insert(peer.key);
  changes_.removed.erase(peer.key);
}

void MapCopy::remove(const NodeKey& key) {
  unnamed_peers_.erase(key);
  if (map_.peers.erase(key) == 0) return;
  changes_.changed.erase(key);
  changes_.removed.insert(key);
}

// Relays are configuration: a nucleus knows all of them at once.
void MapCopy::sweep_relays() {
  for (const RelayId id : unnamed_relays_)
    changes_.have_relays_changed |= map_.relays.erase(id) > 0;
  unnamed_relays_.clear();
}

void MapCopy::expire(MonoTime now) {
  if (!is_sweep_due_ || now < settled_) return;
  is_sweep_due_ = false;
  for (const NodeKey& key : std::exchange(unnamed_peers_, {}))
    remove(key);
}

MonoTime MapCopy::deadline() const {
  return is_sweep_due_ ? settled_ : MonoTime::never();
}

MapCopy::Changes MapCopy::take_changes() {
  return std::exchange(changes_, {});
}

}  // namespace sinew::signal
