// How packets get to a peer, as values that the path engine hands out. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/ip.h"
#include "base/strong_id.h"

namespace sinew::path {

// A UDP socket of this node. 0 is WireGuard's own; the others are those the agent asked for
// (SocketsWanted) to get through a hard NAT.
using SocketNumber = StrongId<struct SocketNumberTag, std::uint16_t>;
inline constexpr SocketNumber kMainSocket{0};

// A peer's address, and the socket from which it is reached.
struct Direct {
  Endpoint endpoint;
  SocketNumber socket;

  friend constexpr auto operator<=>(const Direct&, const Direct&) = default;
};

enum class RouteKind : std::uint8_t { kNone, kRelay, kDirect };

struct Route {
  RouteKind kind = RouteKind::kNone;
  Direct direct{};  // of kDirect

  static Route none() { return {}; }
  static Route relay() { return {.kind = RouteKind::kRelay}; }
  static Route to(const Direct& direct) { return {.kind = RouteKind::kDirect, .direct = direct}; }

  bool is_direct() const { return kind == RouteKind::kDirect; }
  // "direct 192.0.2.1:51820", "relay", "none".
  std::string to_string() const;

  friend bool operator==(const Route&, const Route&) = default;
};

// Why a route changed, for its history.
enum class Change : std::uint8_t {
  kStarted,         // somebody wants to talk
  kDirectFound,     // a probe was answered
  kBetterFound,     // another direct path is better
  kDirectSilent,    // the direct path stopped answering
  kRelayLost,       // the relay is gone and nothing is direct
  kRelayFound,      // a relay is there, and nothing is direct
  kNetworkChanged,  // of this machine
  kFellAsleep,      // nobody talked for long
  kPeerRestarted,   // it has a new disco key
};
std::string_view text_of(Change change);

struct HistoryEntry {
  MonoTime at;
  Route route;  // from then on
  Change change = Change::kStarted;

  friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

// Why packets do not go directly; what the operator is told.
enum class WhyNotDirect : std::uint8_t {
  kAsleep,       // nobody talks to this peer
  kProbing,      // still looking
  kProbesOff,    // by our own settings
  kNoDiscoKey,   // the map holds none for it
  kPeerOffline,  // says the map
  kUdpBlockedHere,
  kUdpBlockedThere,
  kBothHard,      // both NATs choose another port for each destination
  kPortsNotHit,   // one does, the other side is strict, and guessing has not succeeded so far
  kNoCandidates,  // the peer has told no usable address
  kTooSmall,      // pings pass, packets of full size do not
  kNoAnswer,      // none of its addresses answers
};
std::string_view text_of(WhyNotDirect why);

}  // namespace sinew::path
