// One TCP connection of the relay, as its loop keeps it. One thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "os/fd.h"
#include "tls/engine.h"

namespace sinew::relayd {

struct Link {
  enum class Phase : std::uint8_t {
    kHead,     // handshake, and the HTTP request
    kRelay,    // the switchboard's
    kGuest,    // the guest's
    kClosing,  // ends when all is sent
  };

  std::uint64_t id;
  os::Fd socket;
  Endpoint peer;
  tls::Engine engine;
  Phase phase = Phase::kHead;
  MonoTime since;       // opened, or changed to its phase
  MonoTime progressed;  // had nothing to send, or sent some of it
  Bytes head;           // of the request, until it is complete
  Bytes guest_output;   // not sealed yet
  bool waits_for_room = false;
};

}  // namespace sinew::relayd
