#include "wg/device.h"

#include <algorithm>
#include <utility>

#include "base/verify.h"
#include "crypto/equal.h"
#include "wg/peer.h"

namespace sinew::wg {
namespace {

// A PeerId is a place among the slots, and how often the place was used before.
constexpr unsigned kSlotBits = 20;
constexpr std::uint32_t kSlotMask = (1U << kSlotBits) - 1;
static_assert(kMaxPeers <= kSlotMask);  // so the largest number names no peer

PeerId make_id(std::uint32_t slot, std::uint32_t generation) {
  return PeerId(generation << kSlotBits | slot);
}

// A step back up to this is two threads in each other's way; beyond, the clock was set.
constexpr Duration kClockSlack = 1s;

// Never more than a Duration holds, however often a clock is set back.
Duration saturated_sum(Duration a, Duration b) {
  return a > Duration::max() - b ? Duration::max() : a + b;
}

}  // namespace

std::size_t Device::KeyHash::operator()(const PublicKey& key) const {
  std::uint64_t hash = seed;
  for (std::size_t i = 0; i < PublicKey::kSize; i += 8) {
    hash = (hash ^ load_le<std::uint64_t>(key.bytes().data() + i)) * (seed | 1);
    hash ^= hash >> 29;
  }
  return static_cast<std::size_t>(hash);
}

Device::Device(Rng& rng, const Limits& limits)
    : rng_(rng),
      limits_(limits),
      ids_(0, KeyHash{rng.number<std::uint64_t>()}),
      limiter_(limits.sources, limits.initiations, rng) {
  VERIFY(limits.peers <= kMaxPeers);
  VERIFY(limits.transmits > 0);
}

Device::~Device() {
  stop();
  VERIFY(retired_ == nullptr);
}

// --- time

MonoTime Device::steady(MonoTime now) {
  MonoTime shifted = now + clock_offset_;
  if (shifted < last_now_) {
    const Duration step = last_now_ - shifted;
    if (step > kClockSlack) clock_offset_ = saturated_sum(clock_offset_, step);
    shifted = last_now_;
  }
  last_now_ = shifted;
  return shifted;
}

MonoTime Device::deadline() const {
  const DeadlineHeap::Node* first = deadlines_.first();
  return first == nullptr ? MonoTime::never() : first->at - clock_offset_;
}

// The node may be earlier than the timers, which then costs one look at them, but never later.
void Device::reschedule(Peer& peer) {
  const MonoTime deadline = peer.timers.deadline();
  if (deadline < peer.due.at) deadlines_.set(peer.due, deadline);
}

// --- our key

void Device::set_private_key(std::optional<PrivateKey> key, MonoTime now) {
  now = steady(now);
  if (key && ourselves_ &&
      crypto::equal_constant_time(key->expose(), ourselves_->identity.private_key.expose())) {
    return;
  }
  ourselves_.reset();
  if (key) {
    Identity identity(*std::move(key));
    CookieChecker cookies(identity.public_key, rng_);
    if (const auto self = find_peer(identity.public_key)) remove_peer(*self);
    ourselves_.emplace(std::move(identity), std::move(cookies));
  }
  for (const Slot& slot : slots_) {
    if (!slot.peer) continue;
    Peer& peer = *slot.peer;
    precompute(peer);
    revoke_sessions(peer);
    forget_handshake(peer);
    if (!is_running_) continue;
    peer.timers.start(peer.persistent_keepalive, now);
    reschedule(peer);
  }
}

const PrivateKey* Device::private_key() const {
  return ourselves_ ? &ourselves_->identity.private_key : nullptr;
}

std::optional<PublicKey> Device::public_key() const {
  if (!ourselves_) return std::nullopt;
  return ourselves_->identity.public_key;
}

void Device::precompute(Peer& peer) const {
  peer.static_static.reset();
  if (ourselves_) peer.static_static = crypto::x25519(ourselves_->identity.private_key, peer.key);
}

// --- peers

std::optional<PeerId> Device::add_peer(const PublicKey& key, MonoTime now) {
  now = steady(now);
  if (const auto existing_id = find_peer(key)) return existing_id;
  if (peer_count() >= limits_.peers || key == public_key()) return std::nullopt;
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
    deadlines_.reserve(slots_.capacity());
  }
  const std::uint32_t place = free_slots_.front();
  free_slots_.pop_front();
  const PeerId id = make_id(place, slots_[place].generation);
  slots_[place].peer = std::make_unique<Peer>(id, key);
  ids_.emplace(key, id);
  Peer& peer = *slots_[place].peer;
  precompute(peer);
  if (is_running_) peer.timers.start(Duration::zero(), now);
  return id;
}

std::optional<PeerId> Device::find_peer(const PublicKey& key) const {
  const auto found = ids_.find(key);
  if (found == ids_.end()) return std::nullopt;
  return found->second;
}

bool Device::has_peer(PeerId id) const {
  return peer_of(id) != nullptr;
}

std::size_t Device::peer_count() const {
  return ids_.size();
}

void Device::remove_peer(PeerId id) {
  Peer* peer = peer_of(id);
  if (peer == nullptr) return;
  allowed_ips_.remove_peer(id);
  revoke_sessions(*peer);
  forget_handshake(*peer);
  deadlines_.set(peer->due, MonoTime::never());
  drop_events(*peer);
  ids_.erase(peer->key);
  const std::uint32_t place = id.value() & kSlotMask;
  slots_[place].peer.reset();
  slots_[place].generation = (slots_[place].generation + 1) & (~std::uint32_t{0} >> kSlotBits);
  free_slots_.push_back(place);
}

void Device::for_each_peer(const std::function<void(PeerId)>& f) const {
  for (const Slot& slot : slots_) {
    if (slot.peer) f(slot.peer->id);
  }
}

Peer* Device::peer_of(PeerId id) const {
  const std::uint32_t place = id.value() & kSlotMask;
  if (place >= slots_.size()) return nullptr;
  Peer* peer = slots_[place].peer.get();
  return peer != nullptr && peer->id == id ? peer : nullptr;
}

Peer& Device::existing(PeerId id) const {
  Peer* peer = peer_of(id);
  VERIFY(peer != nullptr);
  return *peer;
}

void Device::set_preshared_key(PeerId id, const PresharedKey& key) {
  Peer& peer = existing(id);
  if (crypto::equal_constant_time(key.expose(), peer.preshared_key.expose())) return;
  peer.preshared_key = key.clone();
  // A handshake under way goes on: the key goes in only with the response.
  revoke_sessions(peer);
  peer.timers.keys_changed();
  reschedule(peer);
}

void Device::set_endpoint(PeerId id, const Endpoint& endpoint, MonoTime now) {
  now = steady(now);
  Peer& peer = existing(id);
  if (peer.path && peer.path->remote == endpoint) return;
  const bool is_first = !peer.path;
  peer.path = Path{.remote = endpoint, .local = {}, .interface = 0};
  if (!is_first || !is_running_) return;
  peer.timers.set_persistent_interval(peer.persistent_keepalive, now);
  reschedule(peer);
}

void Device::forget_source(PeerId id) {
  Peer* const peer = peer_of(id);
  if (peer == nullptr || !peer->path) return;
  peer->path->local = {};
  peer->path->interface = 0;
}

void Device::set_roaming(PeerId id, bool is_roaming) {
  existing(id).is_roaming = is_roaming;
}

void Device::set_persistent_keepalive(PeerId id, Duration interval, MonoTime now) {
  now = steady(now);
  Peer& peer = existing(id);
  if (peer.persistent_keepalive == interval) return;
  peer.persistent_keepalive = interval;
  if (!is_running_) return;
  peer.timers.set_persistent_interval(interval, now);
  reschedule(peer);
}

PeerInfo Device::info(PeerId id) const {
  const Peer& peer = existing(id);
  PeerInfo info;
  info.public_key = peer.key;
  info.preshared_key = peer.preshared_key.clone();
  if (peer.path) info.endpoint = peer.path->remote;
  info.last_handshake = peer.last_handshake;
  info.rx_bytes = peer.rx_bytes;
  info.tx_bytes = peer.tx_bytes;
  info.persistent_keepalive = peer.persistent_keepalive;
  return info;
}

std::optional<PublicKey> Device::key_of(PeerId id) const {
  const Peer* const peer = peer_of(id);
  if (peer == nullptr) return std::nullopt;
  return peer->key;
}

// --- up and down

void Device::start(MonoTime now) {
  now = steady(now);
  if (std::exchange(is_running_, true)) return;
  for (const Slot& slot : slots_) {
    if (!slot.peer) continue;
    slot.peer->timers.start(slot.peer->persistent_keepalive, now);
    reschedule(*slot.peer);
  }
}

void Device::stop() {
  is_running_ = false;
  for (const Slot& slot : slots_) {
    if (!slot.peer) continue;
    Peer& peer = *slot.peer;
    revoke_sessions(peer);
    forget_handshake(peer);
    drop_events(peer);
    peer.timers.stop();
    peer.last_initiation.reset();
    deadlines_.set(peer.due, MonoTime::never());
  }
  transmits_.clear();
}

// --- sessions

void Device::retire(std::unique_ptr<Session> session, bool is_revoked) {
  if (!session) return;
  indices_.remove(session->local);
  session->is_retired_ = true;
  session->is_revoked_ = is_revoked;
  if (session->pins_ == 0) return;
  session->next_retired_ = std::move(retired_);
  retired_ = std::move(session);
}

void Device::unpin(Session& session, std::size_t packets) {
  VERIFY(session.pins_ >= packets);
  session.pins_ -= packets;
  if (session.pins_ > 0 || !session.is_retired_) return;
  std::unique_ptr<Session>* link = &retired_;
  while (link->get() != &session)
    link = &(*link)->next_retired_;
  *link = std::move(session.next_retired_);
}

// Those too that were replaced before and that somebody has pinned still.
void Device::revoke_sessions(Peer& peer) {
  retire(std::move(peer.previous), true);
  retire(std::move(peer.current), true);
  retire(std::move(peer.next), true);
  for (Session* session = retired_.get(); session != nullptr;
       session = session->next_retired_.get()) {
    if (session->peer == peer.id) session->is_revoked_ = true;
  }
}

void Device::forget_handshake(Peer& peer) {
  if (!peer.initiator) return;
  indices_.remove(peer.initiator->local());
  peer.initiator.reset();
  peer.timers.handshake_forgotten();
}

// --- events

void Device::raise(Peer& peer, Event::Kind kind) {
  const auto bit_of = [](Event::Kind event) { return 1U << static_cast<unsigned>(event); };
  // These two say the opposite; what is true now counts.
  unsigned opposite = 0;
  if (kind == Event::Kind::kSessionReady) opposite = bit_of(Event::Kind::kPeerUnreachable);
  if (kind == Event::Kind::kPeerUnreachable) opposite = bit_of(Event::Kind::kSessionReady);
  const bool is_listed = peer.events != 0;
  peer.events = static_cast<std::uint8_t>((peer.events & ~opposite) | bit_of(kind));
  if (is_listed) return;
  (last_with_event_ != nullptr ? last_with_event_->next_with_event : first_with_event_) = &peer;
  last_with_event_ = &peer;
}

std::optional<Event> Device::next_event() {
  Peer* peer = first_with_event_;
  if (peer == nullptr) return std::nullopt;
  const unsigned lowest = static_cast<unsigned>(std::countr_zero(peer->events));
  const Event event = {.kind = static_cast<Event::Kind>(lowest), .peer = peer->id};
  peer->events = static_cast<std::uint8_t>(peer->events & (peer->events - 1));
  if (peer->events == 0) {
    first_with_event_ = std::exchange(peer->next_with_event, nullptr);
    if (first_with_event_ == nullptr) last_with_event_ = nullptr;
  }
  return event;
}

void Device::drop_events(Peer& peer) {
  if (peer.events == 0) return;
  Peer* before = nullptr;
  for (Peer* at = first_with_event_; at != &peer; at = at->next_with_event)
    before = at;
  (before != nullptr ? before->next_with_event : first_with_event_) = peer.next_with_event;
  if (last_with_event_ == &peer) last_with_event_ = before;
  peer.next_with_event = nullptr;
  peer.events = 0;
}

}  // namespace sinew::wg
