#include "dataplane/notices.h"

namespace sinew::dataplane {

bool Notices::is_due(Place& place, wg::PeerId peer, const Endpoint& from, MonoTime now) {
  const bool is_same = place.peer == peer && place.from == from;
  if (is_same && now - place.noted < kNoticeInterval) return false;
  place = {.peer = peer, .from = from, .noted = now};
  return true;
}

void Notices::note_wanted(const wg::Device& device, wg::PeerId peer, MonoTime now) {
  if (wanted_waiting_.size() == kMaxWaiting) return;
  if (!is_due(wanted_[peer.value() % kPlaces], peer, {}, now)) return;
  if (const auto key = device.key_of(peer)) wanted_waiting_.push_back(*key);
}

void Notices::note_heard(const wg::Device& device, wg::PeerId peer, const wg::Path& from,
                         MonoTime now) {
  if (heard_waiting_.size() == kMaxWaiting) return;
  const std::size_t place = peer.value() + std::hash<Endpoint>{}(from.remote);
  if (!is_due(heard_[place % kPlaces], peer, from.remote, now)) return;
  if (const auto key = device.key_of(peer)) heard_waiting_.push_back({.peer = *key, .from = from});
}

void Notices::tell() {
  for (const wg::PublicKey& peer : wanted_waiting_)
    companion_->peer_wanted(peer);
  for (const Heard& heard : heard_waiting_)
    companion_->peer_heard(heard.peer, heard.from);
  wanted_waiting_.clear();
  heard_waiting_.clear();
}

}  // namespace sinew::dataplane
