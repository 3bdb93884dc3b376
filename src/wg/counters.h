// What happened, for an operator: every way a packet is dropped has a name and a count, and so has
// every handshake message. Values; the owner's thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sinew::wg {

enum class Drop : std::uint8_t {
  // Datagrams that came in.
  kMalformed,       // no message of WireGuard, or one at the wrong door
  kNotRunning,      // the link is down, or there is no private key
  kBadMac1,         // not meant for our key
  kCookieNeeded,    // too many handshakes: a cookie reply was sent in place of an answer
  kRateLimited,     // too many handshakes: nothing was sent
  kBadHandshake,    // a handshake message that does not authenticate
  kUnknownPeer,     // authentic, from somebody who is no peer of ours
  kStaleTimestamp,  // an initiation not newer than the last one: a replay
  kBadCookie,       // a cookie reply that does not authenticate or that nobody waits for
  kUnknownIndex,    // no session or handshake has this index
  kExpiredSession,  // a session past its time or its last counter
  kReplay,          // a counter that was seen before or is too old
  kNotAuthentic,    // a data packet with a wrong tag
  // Packets that go out.
  kTransmitFull,  // a handshake message found no room to wait for the socket
  kLowOrderKey,   // no handshake with a public key that gives everybody the same secret
  kLast = kLowOrderKey,
};
inline constexpr std::size_t kDropCount = static_cast<std::size_t>(Drop::kLast) + 1;

// "bad_mac1"
std::string_view name_of(Drop drop);

struct Counters {
  std::uint64_t initiations_sent = 0;
  std::uint64_t initiations_accepted = 0;
  std::uint64_t responses_sent = 0;
  std::uint64_t responses_accepted = 0;
  std::uint64_t cookies_sent = 0;
  std::uint64_t cookies_accepted = 0;
  std::uint64_t keepalives_sent = 0;
  std::uint64_t sessions_confirmed = 0;
  std::uint64_t peers_unreachable = 0;

  void count(Drop drop, std::uint64_t packets = 1) {
    drops_[static_cast<std::size_t>(drop)] += packets;
  }
  std::uint64_t dropped(Drop drop) const { return drops_[static_cast<std::size_t>(drop)]; }

 private:
  std::array<std::uint64_t, kDropCount> drops_{};
};

}  // namespace sinew::wg
