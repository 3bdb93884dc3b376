// WireGuard as an object without I/O: handshakes, sessions, timers and peers of one interface.
// Datagrams, time and randomness go in; datagrams, events and the next deadline come out. It
// follows the whitepaper and, where that is silent, the Linux kernel; the differences are named
// where they stand.
//
// The loop around it:
//
//     datagram of kind data                 begin_receive, open, window.accept, finish_receive
//     any other datagram                    feed
//     packets for a peer                    begin_send, seal, finish_send
//     deadline() has come                   expire; look again, it may have left work
//     after any of these                    next_event until empty, then next_transmit until empty
//
// Events come before expire(): the packets that waited for a session confirm it to the other side,
// and the keepalive that expire() would send for that is left out.
//
// Threads: a plain object of one thread, or behind one mutex. Sealing and opening happen between
// begin and finish, without the mutex, on a session that begin pinned.
//
// Time: `now` may stand still and step back. Steps back of more than a second are taken as no time
// passing; smaller ones, as come from threads that read their clocks before they take the mutex, as
// standing still. Timestamps we send grow for the life of a peer whatever the calendar does. A peer
// accepts only newer timestamps than the last one, so a machine whose calendar was ahead and has
// restarted is not heard until that time has come again or the peer is removed and added.
//
// Costs: begin and finish are O(1), allocate nothing and compute no keys; a handshake they call for
// is made by expire(), for which they move deadline() to now. A turn costs O(log peers) for each
// timer that is due and nothing for idle peers. Memory: O(peers); the tables of strangers'
// addresses and the queue of transmits have bounds, Limits.
//
// What an attacker can do who has no key: nothing changes by what he sends. Without our public key
// he gets no byte. With it, at most 64 bytes for 148 or 92 of his own, and the cost of one key
// exchange for each initiation within Limits. He cannot make others wait, except those whose
// address he shares.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "wg/allowed_ips.h"
#include "wg/cookie.h"
#include "wg/counters.h"
#include "wg/deadline_heap.h"
#include "wg/ids.h"
#include "wg/index_table.h"
#include "wg/limiter.h"
#include "wg/messages.h"
#include "wg/noise.h"
#include "wg/path.h"
#include "wg/session.h"
#include "wg/timers.h"

namespace sinew::wg {

struct Peer;

// A datagram that the device itself wants to send: a handshake message, a cookie reply, a
// keepalive.
struct Transmit {
  Path to;
  std::optional<PeerId> peer;  // whose handshake it begins
  std::array<std::uint8_t, kMaxHandshakeSize> buffer{};
  std::uint8_t size = 0;
  std::uint8_t ds = 0;  // the DS field of the outer IP header

  ByteView bytes() const { return ByteView(buffer).first(size); }
};

struct Event {
  enum class Kind : std::uint8_t {
    kSessionReady,     // begin_send() works: send what waits
    kPeerUnreachable,  // all handshakes stayed without answer: drop what waits
    kEndpointMoved,    // an authentic packet came from somewhere else
  };
  Kind kind;
  PeerId peer;

  friend bool operator==(const Event&, const Event&) = default;
};

// What `wg show` prints.
struct PeerInfo {
  PublicKey public_key;
  PresharedKey preshared_key;
  std::optional<Endpoint> endpoint;
  std::optional<WallTime> last_handshake;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  Duration persistent_keepalive{0};  // 0: off
};

enum class SendRefusal : std::uint8_t {
  kNoSession,    // a handshake is under way or begins with the next expire(): wait for an event
  kNoEndpoint,   // nobody knows where the peer is
  kUnknownPeer,  // removed
  kNotRunning,   // the link is down, or there is no private key
};

struct SendGrant {
  Session* session;  // pinned until finish_send()
  std::uint64_t first_counter;
  Path path;
};

// As many as a PeerId can tell apart.
inline constexpr std::size_t kMaxPeers = (std::size_t{1} << 20) - 1;

class Device {
 public:
  struct Limits {
    std::size_t peers = kMaxPeers;
    std::size_t transmits = 1024;       // that wait for the socket
    std::size_t sources = 16'384;       // whose handshakes are counted, by address
    std::uint32_t initiations = 1'000;  // a second from everybody without a cookie; and the burst
  };

  // `rng` outlives the device and makes keys.
  explicit Device(Rng& rng) : Device(rng, Limits{}) {}
  Device(Rng& rng, const Limits& limits);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  // No session is pinned any more.
  ~Device();

  // Configuration. Takes effect at once: a session that the new configuration would not have made
  // is forgotten.

  // Forgets all sessions, and removes the peer that is ourselves, if there is one.
  void set_private_key(std::optional<PrivateKey> key, MonoTime now);
  const PrivateKey* private_key() const;
  std::optional<PublicKey> public_key() const;

  // The peer with this key, which is made if it is new. None if the key is our own or there are
  // Limits::peers already. A peer is its 32 bytes: another encoding of the same point is another
  // peer, and does not stand for this one.
  //
  // The id is opaque: neither small nor in a row with others, and not given to another peer soon,
  // so that what still waits for a removed peer does not go to a stranger.
  std::optional<PeerId> add_peer(const PublicKey& key, MonoTime now);
  std::optional<PeerId> find_peer(const PublicKey& key) const;
  bool has_peer(PeerId id) const;
  void remove_peer(PeerId id);
  std::size_t peer_count() const;
  // f(PeerId) in no special order; `f` adds and removes nobody.
  void for_each_peer(const std::function<void(PeerId)>& f) const;

  // The peer exists, for these five.
  void set_preshared_key(PeerId id, const PresharedKey& key);
  void set_endpoint(PeerId id, const Endpoint& endpoint, MonoTime now);
  // The address of ours that packets to the peer left from is no longer there: the kernel chooses
  // another, until the peer is heard at one. Nothing if there is no such peer any more.
  void forget_source(PeerId id);
  // Off: only set_endpoint() moves its endpoint, wherever its packets come from, for who chooses
  // among several ways by himself. A response goes back the way that the initiation came.
  void set_roaming(PeerId id, bool is_roaming);
  void set_persistent_keepalive(PeerId id, Duration interval, MonoTime now);
  PeerInfo info(PeerId id) const;
  // Nothing if there is no such peer any more.
  std::optional<PublicKey> key_of(PeerId id) const;

  AllowedIps& allowed_ips() { return allowed_ips_; }
  const AllowedIps& allowed_ips() const { return allowed_ips_; }

  // The link is up: peers with a persistent keepalive are greeted. Down: sessions are forgotten,
  // transmits dropped, and nothing is sent or accepted.
  void start(MonoTime now);
  void stop();
  bool is_running() const { return is_running_; }

  // Handshakes and time.

  // A datagram that is not of kind data. `from` is where replies go.
  void feed(ByteView datagram, const Path& from, MonoTime now, WallTime wall);
  // When expire() is wanted; never() if at no time.
  MonoTime deadline() const;
  // Does what is due, as far as there is room among the transmits and for some milliseconds at
  // most; the rest stays due.
  void expire(MonoTime now, WallTime wall);
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

  // Data out: counters for `packets` packets of one session. They are spent, used or not.
  std::expected<SendGrant, SendRefusal> begin_send(PeerId id, std::size_t packets, MonoTime now);
  // `packets` of them were handed to the socket, maybe none; `wire_bytes` is their size with
  // kDataOverhead. A batch without data is one of keepalives.
  void finish_send(const SendGrant& grant, std::size_t packets, std::size_t wire_bytes,
                   bool has_data, MonoTime now);

  // Data in: the session of a packet, pinned once more; null, and counted, if the packet is to be
  // dropped.
  Session* begin_receive(SessionIndex index, std::uint64_t counter, MonoTime now);
  // `packets` packets of one session and one path were authentic and taken by its window. Unpins as
  // often. False if the session was revoked meanwhile: the packets are to be dropped.
  bool finish_receive(Session& session, const Path& from, std::size_t packets,
                      std::size_t wire_bytes, bool has_data, MonoTime now, WallTime wall);
  // For packets that were not authentic, or seen before.
  void unpin(Session& session, std::size_t packets);

  Counters& counters() { return counters_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Slot {
    std::unique_ptr<Peer> peer;
    std::uint32_t generation = 0;
  };
  struct KeyHash {
    std::uint64_t seed;
    std::size_t operator()(const PublicKey& key) const;
  };
  // What we are to those who call us.
  struct Ourselves {
    Identity identity;
    CookieChecker cookies;
  };

  // device.cpp: peers, sessions and events.
  MonoTime steady(MonoTime now);
  Peer* peer_of(PeerId id) const;
  Peer& existing(PeerId id) const;
  void precompute(Peer& peer) const;
  void retire(std::unique_ptr<Session> session, bool is_revoked);
  void revoke_sessions(Peer& peer);
  void forget_handshake(Peer& peer);
  void reschedule(Peer& peer);
  void raise(Peer& peer, Event::Kind kind);
  void drop_events(Peer& peer);

  // device_data.cpp
  bool can_send(const Session* session, std::size_t packets, MonoTime now) const;
  void note_sent(Peer& peer, std::size_t bytes, bool has_data, MonoTime now);
  void note_path(Peer& peer, const Path& from);
  void confirm_next(Peer& peer, MonoTime now, WallTime wall);
  void settle_on_one(Peer& peer);
  void keep_fresh_when_receiving(Peer& peer, MonoTime now);

  // device_handshake.cpp
  bool is_admitted(ByteView message, SessionIndex sender, const Path& from, MonoTime now);
  void reply_with_cookie(ByteView message, SessionIndex sender, const Path& from, MonoTime now);
  void feed_initiation(ByteView message, const Path& from, MonoTime now);
  void feed_response(ByteView message, const Path& from, MonoTime now, WallTime wall);
  void feed_cookie(ByteView message, MonoTime now);
  void respond(Peer& peer, Responder& responder, const Path& from, MonoTime now);
  void adopt(Peer& peer, std::unique_ptr<Session> session, MonoTime now);
  void complete_handshake(Peer& peer, bool has_to_confirm, MonoTime now, WallTime wall);
  void expire_peer(Peer& peer, MonoTime now, WallTime wall);
  void do_due(Peer& peer, PeerTimers::Due due, MonoTime now, WallTime wall);
  void give_up(Peer& peer);
  void send_initiation(Peer& peer, MonoTime now, WallTime wall);
  void send_keepalive(Peer& peer, MonoTime now);
  template <typename Message>
  void send_message(Peer& peer, const Message& message, const Path& to, MonoTime now);
  bool has_room() const { return transmits_.size() < limits_.transmits; }

  Rng& rng_;
  const Limits limits_;
  std::optional<Ourselves> ourselves_;
  bool is_running_ = false;
  MonoTime last_now_;         // as steady() gave it
  Duration clock_offset_{0};  // what steady() adds

  std::vector<Slot> slots_;
  std::deque<std::uint32_t> free_slots_;  // the one freed first is used first
  std::unordered_map<PublicKey, PeerId, KeyHash> ids_;
  AllowedIps allowed_ips_;
  IndexTable indices_;
  DeadlineHeap deadlines_;
  HandshakeLimiter limiter_;
  std::unique_ptr<Session> retired_;  // those that somebody has pinned still, in a list

  std::deque<Transmit> transmits_;
  Peer* first_with_event_ = nullptr;
  Peer* last_with_event_ = nullptr;
  Counters counters_;
};

}  // namespace sinew::wg
