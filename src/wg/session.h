// The keys of one completed handshake, and what was sent and received under them. An attacker who
// records, replays, delays or forges packets changes nothing in here: the window takes a counter
// only after its packet was found authentic.
//
// A session is owned by its Device and changed only by the thread that may call it, but for the two
// ciphers: they are const and have no state, so that other threads seal and open with them while
// the session is pinned (device.h). A session that was replaced lives on until nobody has it
// pinned, then its keys are wiped.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "crypto/aead.h"
#include "wg/ids.h"
#include "wg/messages.h"
#include "wg/replay_window.h"

namespace sinew::wg {

// What a handshake leaves behind.
struct SessionKeys {
  crypto::AeadKey sending;
  crypto::AeadKey receiving;
  SessionIndex local;
  SessionIndex remote;
  bool is_initiator = false;
};

class Session {
 public:
  Session(const SessionKeys& keys, PeerId owner, MonoTime now)
      : sending(keys.sending),
        receiving(keys.receiving),
        local(keys.local),
        remote(keys.remote),
        peer(owner),
        born(now),
        is_initiator(keys.is_initiator) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const crypto::AeadCipher sending;
  const crypto::AeadCipher receiving;
  const SessionIndex local;   // in packets that come in
  const SessionIndex remote;  // in packets that go out
  const PeerId peer;
  const MonoTime born;
  const bool is_initiator;

  ReplayWindow window;

  // Section 6.2: neither sends nor receives from its 180th second on.
  bool is_expired(MonoTime now) const { return now - born >= kRejectAfterTime; }

 private:
  friend class Device;

  std::uint64_t next_counter_ = 0;
  std::uint32_t pins_ = 0;
  bool is_revoked_ = false;  // by a new configuration: what it still brings is not to be used
  bool is_retired_ = false;  // no longer its peer's
  std::unique_ptr<Session> next_retired_;
};

}  // namespace sinew::wg
