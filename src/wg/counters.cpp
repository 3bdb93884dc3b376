#include "wg/counters.h"

#include "base/verify.h"

namespace sinew::wg {

std::string_view name_of(Drop drop) {
  switch (drop) {
    case Drop::kMalformed: return "malformed";
    case Drop::kNotRunning: return "not_running";
    case Drop::kBadMac1: return "bad_mac1";
    case Drop::kCookieNeeded: return "cookie_needed";
    case Drop::kRateLimited: return "rate_limited";
    case Drop::kBadHandshake: return "bad_handshake";
    case Drop::kUnknownPeer: return "unknown_peer";
    case Drop::kStaleTimestamp: return "stale_timestamp";
    case Drop::kBadCookie: return "bad_cookie";
    case Drop::kUnknownIndex: return "unknown_index";
    case Drop::kExpiredSession: return "expired_session";
    case Drop::kReplay: return "replay";
    case Drop::kNotAuthentic: return "not_authentic";
    case Drop::kTransmitFull: return "transmit_full";
    case Drop::kLowOrderKey: return "low_order_key";
  }
  VERIFY_NOT_REACHED();
}

}  // namespace sinew::wg
