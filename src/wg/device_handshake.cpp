// The part of wg/device.h that makes sessions and does what is due.
#include <memory>
#include <utility>

#include "base/verify.h"
#include "wg/device.h"
#include "wg/peer.h"

namespace sinew::wg {
namespace {

// The DS field of handshake messages: AF41, as the kernel marks them.
constexpr std::uint8_t kHandshakeDs = 0x88;
// After this many wrong responses a handshake takes one only from an address that is proven.
constexpr unsigned kMaxBadResponses = 8;
// Most that are made in one turn: some milliseconds of key exchanges, in which packets wait.
constexpr std::uint64_t kInitiationsPerTurn = 32;
constexpr Duration kInitiationInterval = Duration(1s) / kInitiationsPerSecond;

}  // namespace

// --- what comes in

void Device::feed(ByteView datagram, const Path& from, MonoTime now, WallTime wall) {
  now = steady(now);
  if (!is_running_ || !ourselves_) return counters_.count(Drop::kNotRunning);
  switch (kind_of(datagram)) {
    case Kind::kInitiation: return feed_initiation(datagram, from, now);
    case Kind::kResponse: return feed_response(datagram, from, now, wall);
    case Kind::kCookie: return feed_cookie(datagram, now);
    case Kind::kData:
    case Kind::kInvalid: return counters_.count(Drop::kMalformed);
  }
}

void Device::feed_initiation(ByteView message, const Path& from, MonoTime now) {
  if (!ourselves_->cookies.has_valid_mac1(message)) return counters_.count(Drop::kBadMac1);
  const Initiation initiation = Initiation::decode(message);
  if (!is_admitted(message, initiation.sender, from, now)) return;

  auto responder = Responder::open(ourselves_->identity, initiation);
  if (!responder) return counters_.count(Drop::kBadHandshake);
  const auto id = find_peer(responder->claimed_key());
  if (!id) return counters_.count(Drop::kUnknownPeer);
  Peer& peer = existing(*id);
  if (!peer.static_static) return counters_.count(Drop::kLowOrderKey);
  const auto stamp = responder->open_timestamp(*peer.static_static);
  if (!stamp) return counters_.count(Drop::kBadHandshake);
  if (*stamp <= peer.last_received) return counters_.count(Drop::kStaleTimestamp);
  const bool is_flood = peer.last_initiation && now - *peer.last_initiation < kInitiationInterval;
  if (is_flood) return counters_.count(Drop::kRateLimited);
  if (!has_room()) return counters_.count(Drop::kTransmitFull);

  peer.last_received = *stamp;
  peer.last_initiation = now;
  peer.rx_bytes += message.size();
  respond(peer, *responder, from, now);
}

void Device::respond(Peer& peer, Responder& responder, const Path& from, MonoTime now) {
  Response response;
  const SessionIndex local = indices_.add(peer.id, rng_);
  const auto keys = responder.create_response(peer.preshared_key, local, rng_, response);
  if (!keys) {
    indices_.remove(local);
    return counters_.count(Drop::kBadHandshake);
  }
  ++counters_.initiations_accepted;
  note_path(peer, from);
  adopt(peer, std::make_unique<Session>(*keys, peer.id, now), now);
  send_message(peer, response, from, now);
  ++counters_.responses_sent;
  peer.timers.packet_received(now);
  peer.timers.response_sent(now);
  reschedule(peer);
}

void Device::feed_response(ByteView message, const Path& from, MonoTime now, WallTime wall) {
  if (!ourselves_->cookies.has_valid_mac1(message)) return counters_.count(Drop::kBadMac1);
  const Response response = Response::decode(message);
  const IndexTable::Entry* entry = indices_.find(response.receiver);
  if (entry == nullptr || entry->session != nullptr) return counters_.count(Drop::kUnknownIndex);
  Peer& peer = existing(entry->peer);
  VERIFY(peer.initiator && peer.initiator->local() == response.receiver);
  if (peer.bad_responses >= kMaxBadResponses && !is_admitted(message, response.sender, from, now)) {
    return;
  }
  const auto keys =
      peer.initiator->open_response(ourselves_->identity, peer.preshared_key, response);
  if (!keys) {
    ++peer.bad_responses;
    return counters_.count(Drop::kBadHandshake);
  }

  ++counters_.responses_accepted;
  peer.initiator.reset();  // its index goes to the session
  note_path(peer, from);
  adopt(peer, std::make_unique<Session>(*keys, peer.id, now), now);
  peer.rx_bytes += message.size();
  peer.timers.packet_received(now);
  complete_handshake(peer, true, now, wall);
  reschedule(peer);
}

void Device::feed_cookie(ByteView message, MonoTime now) {
  const CookieReply reply = CookieReply::decode(message);
  const IndexTable::Entry* entry = indices_.find(reply.receiver);
  if (entry == nullptr) return counters_.count(Drop::kUnknownIndex);
  // Not a packet of the peer: it moves no endpoint and no timer.
  if (!existing(entry->peer).cookie.accept(reply, now)) return counters_.count(Drop::kBadCookie);
  ++counters_.cookies_accepted;
}

bool Device::is_admitted(ByteView message, SessionIndex sender, const Path& from, MonoTime now) {
  const bool has_cookie = ourselves_->cookies.has_valid_mac2(message, from.remote, now);
  switch (limiter_.judge(from.remote.address, has_cookie, now)) {
    case HandshakeLimiter::Verdict::kAdmit: return true;
    case HandshakeLimiter::Verdict::kAskForCookie:
      reply_with_cookie(message, sender, from, now);
      return false;
    case HandshakeLimiter::Verdict::kDrop: counters_.count(Drop::kRateLimited); return false;
  }
  VERIFY_NOT_REACHED();
}

void Device::reply_with_cookie(ByteView message, SessionIndex sender, const Path& from,
                               MonoTime now) {
  if (!has_room()) return counters_.count(Drop::kTransmitFull);
  const CookieReply reply = ourselves_->cookies.create_reply(message, sender, from.remote, now);
  Transmit& transmit = transmits_.emplace_back();
  transmit.to = from;
  transmit.size = CookieReply::kSize;
  transmit.ds = kHandshakeDs;
  reply.encode(std::span(transmit.buffer).first<CookieReply::kSize>());
  counters_.count(Drop::kCookieNeeded);
  ++counters_.cookies_sent;
}

// --- sessions

// Section 6.3. The initiator may use a session at once. What the responder made waits as `next`,
// and if the initiator's own response comes meanwhile it stays on as `previous`, because the other
// side may have taken that one.
void Device::adopt(Peer& peer, std::unique_ptr<Session> session, MonoTime now) {
  indices_.set_session(session->local, *session);
  peer.timers.session_derived(now);
  retire(std::move(peer.previous), false);
  if (!session->is_initiator) {
    retire(std::move(peer.next), false);
    peer.next = std::move(session);
    return;
  }
  if (peer.next) {
    retire(std::move(peer.current), false);
    peer.previous = std::move(peer.next);
  } else {
    peer.previous = std::move(peer.current);
  }
  peer.current = std::move(session);
}

void Device::complete_handshake(Peer& peer, bool has_to_confirm, MonoTime now, WallTime wall) {
  forget_handshake(peer);
  peer.timers.handshake_complete(has_to_confirm, now);
  peer.has_renewed_late = false;
  peer.last_handshake = wall;
  ++counters_.sessions_confirmed;
  raise(peer, Event::Kind::kSessionReady);
}

// --- what goes out

std::optional<Transmit> Device::next_transmit() {
  if (transmits_.empty()) return std::nullopt;
  const Transmit transmit = transmits_.front();
  transmits_.pop_front();
  return transmit;
}

void Device::expire(MonoTime now, WallTime wall) {
  now = steady(now);
  const std::uint64_t enough = counters_.initiations_sent + kInitiationsPerTurn;
  while (has_room() && counters_.initiations_sent < enough) {
    const DeadlineHeap::Node* first = deadlines_.first();
    if (first == nullptr || first->at > now) return;
    expire_peer(existing(first->peer), now, wall);
  }
}

void Device::expire_peer(Peer& peer, MonoTime now, WallTime wall) {
  while (has_room()) {
    const PeerTimers::Due due = peer.timers.take_due(now);
    if (due == PeerTimers::Due::kNothing) break;
    do_due(peer, due, now, wall);
  }
  deadlines_.set(peer.due, peer.timers.deadline());
}

void Device::do_due(Peer& peer, PeerTimers::Due due, MonoTime now, WallTime wall) {
  switch (due) {
    case PeerTimers::Due::kNothing: return;
    case PeerTimers::Due::kInitiation: return send_initiation(peer, now, wall);
    case PeerTimers::Due::kRetry:
      if (peer.path) peer.path = Path{.remote = peer.path->remote, .local = {}, .interface = 0};
      return send_initiation(peer, now, wall);
    case PeerTimers::Due::kSilence:
      if (peer.path) peer.path = Path{.remote = peer.path->remote, .local = {}, .interface = 0};
      return;
    case PeerTimers::Due::kKeepalive: return send_keepalive(peer, now);
    case PeerTimers::Due::kGiveUp: return give_up(peer);
    case PeerTimers::Due::kForgetKeys:
      retire(std::move(peer.previous), false);
      retire(std::move(peer.current), false);
      retire(std::move(peer.next), false);
      return;
  }
}

void Device::give_up(Peer& peer) {
  forget_handshake(peer);
  ++counters_.peers_unreachable;
  raise(peer, Event::Kind::kPeerUnreachable);
}

// Forgets the handshake before, so that one response is accepted and no more.
void Device::send_initiation(Peer& peer, MonoTime now, WallTime wall) {
  forget_handshake(peer);
  if (!ourselves_ || !peer.path) return;
  const SessionIndex local = indices_.add(peer.id, rng_);
  const Timestamp stamp = Timestamp::after(peer.last_sent, wall);
  Initiation initiation;
  if (peer.static_static) {
    peer.initiator = Initiator::create(ourselves_->identity, peer.key, *peer.static_static, local,
                                       stamp, rng_, initiation);
  }
  if (!peer.initiator) {
    indices_.remove(local);
    counters_.count(Drop::kLowOrderKey);
    return give_up(peer);
  }
  peer.last_sent = stamp;
  peer.bad_responses = 0;
  send_message(peer, initiation, *peer.path, now);
  transmits_.back().peer = peer.id;
  ++counters_.initiations_sent;
  const Duration jitter(rng_.below(static_cast<std::uint64_t>(kMaxJitter.count()) + 1));
  peer.timers.initiation_sent(now, jitter);
}

template <typename Message>
void Device::send_message(Peer& peer, const Message& message, const Path& to, MonoTime now) {
  Transmit& transmit = transmits_.emplace_back();
  transmit.to = to;
  transmit.size = Message::kSize;
  transmit.ds = kHandshakeDs;
  const auto bytes = std::span(transmit.buffer).template first<Message::kSize>();
  message.encode(bytes);
  peer.cookie.add_macs(bytes, now);
  peer.tx_bytes += Message::kSize;
}

// An empty packet; it is sealed here, so that the packet path need not know about keepalives.
void Device::send_keepalive(Peer& peer, MonoTime now) {
  if (!peer.path) return;
  Session* session = peer.current.get();
  if (!can_send(session, 1, now)) return peer.timers.want_handshake_for_keepalive(now);
  const DataHeader header = {.receiver = session->remote, .counter = session->next_counter_++};
  Transmit& transmit = transmits_.emplace_back();
  transmit.to = *peer.path;
  transmit.size = kKeepaliveSize;
  header.store(transmit.buffer.data());
  session->sending.seal(crypto::nonce_of_counter(header.counter), {}, {},
                        std::span(transmit.buffer).subspan<kDataHeaderSize, kTagSize>());
  ++counters_.keepalives_sent;
  note_sent(peer, kKeepaliveSize, false, now);
}

}  // namespace sinew::wg
