#include "path/route.h"

#include "base/verify.h"

namespace sinew::path {

std::string Route::to_string() const {
  switch (kind) {
    case RouteKind::kNone: return "none";
    case RouteKind::kRelay: return "relay";
    case RouteKind::kDirect: return "direct " + direct.endpoint.to_string();
  }
  VERIFY_NOT_REACHED();
}

std::string_view text_of(Change change) {
  switch (change) {
    case Change::kStarted: return "somebody wants to talk";
    case Change::kDirectFound: return "a probe was answered";
    case Change::kBetterFound: return "another direct path is better";
    case Change::kDirectSilent: return "the direct path fell silent";
    case Change::kRelayLost: return "the relay is gone";
    case Change::kRelayFound: return "a relay is there";
    case Change::kNetworkChanged: return "the network of this machine changed";
    case Change::kFellAsleep: return "nobody has talked for long";
    case Change::kPeerRestarted: return "the peer was started anew";
  }
  VERIFY_NOT_REACHED();
}

std::string_view text_of(WhyNotDirect why) {
  switch (why) {
    case WhyNotDirect::kAsleep: return "nobody talks to this peer";
    case WhyNotDirect::kProbing: return "still looking for a direct path";
    case WhyNotDirect::kProbesOff: return "probes are switched off here";
    case WhyNotDirect::kNoDiscoKey: return "the map holds no key for probing this peer";
    case WhyNotDirect::kPeerOffline: return "the peer is offline";
    case WhyNotDirect::kUdpBlockedHere: return "UDP is blocked at our end";
    case WhyNotDirect::kUdpBlockedThere: return "UDP is blocked at the peer's end";
    case WhyNotDirect::kBothHard:
      return "both NATs are symmetric: each chooses another port for every destination";
    case WhyNotDirect::kPortsNotHit:
      return "one NAT is symmetric and the other strict; guessing its ports has not succeeded";
    case WhyNotDirect::kNoCandidates: return "the peer has told no address that can be probed";
    case WhyNotDirect::kTooSmall: return "the direct path does not carry packets of full size";
    case WhyNotDirect::kNoAnswer: return "none of the peer's addresses answers";
  }
  VERIFY_NOT_REACHED();
}

}  // namespace sinew::path
