// What a device knows about one peer. Internal to this module; a Device owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "wg/cookie.h"
#include "wg/deadline_heap.h"
#include "wg/ids.h"
#include "wg/messages.h"
#include "wg/noise.h"
#include "wg/path.h"
#include "wg/session.h"
#include "wg/timers.h"
#include "wg/timestamp.h"

namespace sinew::wg {

struct Peer {
  Peer(PeerId number, const PublicKey& their_key) : id(number), key(their_key), cookie(their_key) {
    due.peer = number;
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  bool has_session() const { return current || next || previous; }

  // Configuration.
  const PeerId id;
  const PublicKey key;
  PresharedKey preshared_key;
  std::optional<crypto::SharedSecret>
      static_static;  // none: no key of ours, or theirs is of low order
  Duration persistent_keepalive{0};
  bool is_roaming = true;  // follows authentic packets

  // Where it is, as of the last authentic packet, or as it was set.
  std::optional<Path> path;

  // The sessions of section 6.3. Packets go out under `current`. `previous` takes what was under
  // way when it was replaced. `next` is one that we answered for; it becomes current with the first
  // packet that proves the other side has it.
  std::unique_ptr<Session> previous;
  std::unique_ptr<Session> current;
  std::unique_ptr<Session> next;

  // The handshake that we began, while it waits for the response. One that the other side begins
  // meanwhile goes its own way beside it, so that two sides who call at once both succeed; the
  // kernel drops its own and has to wait for the next try.
  std::optional<Initiator> initiator;
  unsigned bad_responses = 0;  // to it
  CookieHolder cookie;
  Timestamp last_sent;      // in our initiations
  Timestamp last_received;  // in theirs; for the life of the peer
  std::optional<MonoTime> last_initiation;
  bool has_renewed_late =
      false;  // the handshake shortly before the end was begun, for this session

  PeerTimers timers;
  DeadlineHeap::Node due;  // no later than timers.deadline()

  // What was raised and not yet taken, one bit for each kind, in a list of such peers.
  std::uint8_t events = 0;
  Peer* next_with_event = nullptr;

  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::optional<WallTime> last_handshake;
};

}  // namespace sinew::wg
