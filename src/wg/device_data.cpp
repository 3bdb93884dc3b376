// The part of wg/device.h that runs for every batch of packets: O(1), no allocation, no key made.
#include <utility>

#include "base/verify.h"
#include "wg/device.h"
#include "wg/peer.h"

namespace sinew::wg {

// Section 6.2: a session ends with its time or with its counters, whichever comes first.
bool Device::can_send(const Session* session, std::size_t packets, MonoTime now) const {
  return session != nullptr && !session->is_expired(now) &&
         packets <= kRejectAfterMessages - session->next_counter_;
}

std::expected<SendGrant, SendRefusal> Device::begin_send(PeerId id, std::size_t packets,
                                                         MonoTime now) {
  now = steady(now);
  Peer* peer = peer_of(id);
  if (peer == nullptr) return std::unexpected(SendRefusal::kUnknownPeer);
  if (!is_running_ || !ourselves_) return std::unexpected(SendRefusal::kNotRunning);
  if (!peer->path) return std::unexpected(SendRefusal::kNoEndpoint);
  Session* session = peer->current.get();
  if (!can_send(session, packets, now)) {
    peer->timers.want_handshake(now);
    reschedule(*peer);
    return std::unexpected(SendRefusal::kNoSession);
  }
  const std::uint64_t first = session->next_counter_;
  session->next_counter_ += packets;
  ++session->pins_;
  return SendGrant{.session = session, .first_counter = first, .path = *peer->path};
}

void Device::finish_send(const SendGrant& grant, std::size_t packets, std::size_t wire_bytes,
                         bool has_data, MonoTime now) {
  now = steady(now);
  Session& session = *grant.session;
  if (packets > 0 && !session.is_revoked_) {
    note_sent(existing(session.peer), wire_bytes, has_data, now);
  }
  unpin(session, 1);
}

void Device::note_sent(Peer& peer, std::size_t bytes, bool has_data, MonoTime now) {
  peer.tx_bytes += bytes;
  peer.timers.packet_sent(now);
  if (has_data) peer.timers.data_sent(now);
  const Session* session = peer.current.get();
  // Only the initiator renews by time, or else both would at once.
  const bool is_worn =
      session != nullptr && (session->next_counter_ >= kRekeyAfterMessages ||
                             (session->is_initiator && now - session->born >= kRekeyAfterTime));
  if (is_worn) peer.timers.want_handshake(now);
  reschedule(peer);
}

Session* Device::begin_receive(SessionIndex index, std::uint64_t counter, MonoTime now) {
  now = steady(now);
  const IndexTable::Entry* entry = indices_.find(index);
  if (entry == nullptr || entry->session == nullptr) {
    counters_.count(Drop::kUnknownIndex);
    return nullptr;
  }
  Session* session = entry->session;
  if (session->is_expired(now) || counter >= kRejectAfterMessages) {
    counters_.count(Drop::kExpiredSession);
    return nullptr;
  }
  if (!session->window.would_accept(counter)) {
    counters_.count(Drop::kReplay);
    return nullptr;
  }
  ++session->pins_;
  return session;
}

bool Device::finish_receive(Session& session, const Path& from, std::size_t packets,
                            std::size_t wire_bytes, bool has_data, MonoTime now, WallTime wall) {
  now = steady(now);
  const bool is_usable = !session.is_revoked_;
  if (is_usable && packets > 0) {
    Peer& peer = existing(session.peer);
    if (&session == peer.next.get()) confirm_next(peer, now, wall);
    if (&session == peer.previous.get()) settle_on_one(peer);
    keep_fresh_when_receiving(peer, now);
    note_path(peer, from);
    peer.rx_bytes += wire_bytes;
    peer.timers.packet_received(now);
    if (has_data) peer.timers.data_received(now);
    reschedule(peer);
  }
  unpin(session, packets);
  return is_usable;
}

// The other side has sent under the keys we answered with, so it has them.
void Device::confirm_next(Peer& peer, MonoTime now, WallTime wall) {
  retire(std::move(peer.previous), false);
  peer.previous = std::move(peer.current);
  peer.current = std::move(peer.next);
  complete_handshake(peer, false, now, wall);
}

// Two sides that called each other at once have two sessions, and each prefers its own. Both would
// then renew at once, for ever, and lose what is under way each time. So the side with the greater
// key goes over to the other's session, which the other side plainly uses.
void Device::settle_on_one(Peer& peer) {
  const Session* ours = peer.current.get();
  const Session* theirs = peer.previous.get();
  const bool is_double = ours != nullptr && ours->is_initiator && !theirs->is_initiator &&
                         ours->born - theirs->born < kRekeyTimeout;
  if (is_double && ourselves_->identity.public_key > peer.key)
    std::swap(peer.current, peer.previous);
}

// The initiator renews before the end, in time for a keepalive and a try that fails, even when it
// only receives. Once a session.
void Device::keep_fresh_when_receiving(Peer& peer, MonoTime now) {
  constexpr Duration kLate = kRejectAfterTime - kKeepaliveTimeout - kRekeyTimeout;
  const Session* session = peer.current.get();
  const bool is_late = session != nullptr && session->is_initiator && !peer.has_renewed_late &&
                       now - session->born >= kLate;
  if (!is_late) return;
  peer.has_renewed_late = true;
  peer.timers.want_handshake(now);
}

void Device::note_path(Peer& peer, const Path& from) {
  if (peer.path == from) return;
  const bool is_moved = !peer.path || peer.path->remote != from.remote;
  if (is_moved && !peer.is_roaming) return;
  peer.path = from;
  if (is_moved) raise(peer, Event::Kind::kEndpointMoved);
}

}  // namespace sinew::wg
