// What one node sends to addresses that have not answered it (L37). A member may claim that it is
// to be found anywhere; these caps make sure that the address so named gets no more than a trickle,
// whoever and how many claim it, and that a node as a whole stays quiet. Paths that have answered
// are not counted here: their pings have a rhythm of their own.
//
// Pings held back are not queued: a later round asks again. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/ip.h"
#include "base/lru_map.h"
#include "base/token_bucket.h"

namespace sinew::path {

// To one address, on any of its ports: 4 a second after a burst. Enough for a search's six rounds
// to six ports.
inline constexpr TokenBucket::Limits kPingsPerAddress{.interval = 250ms, .burst = 36};
// To all addresses that one peer names.
inline constexpr TokenBucket::Limits kPingsPerPeer{.interval = 50ms, .burst = 120};
// By the node: 200 a second, 24 kB/s.
inline constexpr TokenBucket::Limits kPingsInTotal{.interval = 5ms, .burst = 400};
inline constexpr std::size_t kAddressesCounted = 2048;  // those pinged longest ago are forgotten
// Answers to one peer's pings, and CallMe to one peer.
inline constexpr TokenBucket::Limits kPongsPerPeer{.interval = 5ms, .burst = 600};
inline constexpr TokenBucket::Limits kCallsPerPeer{.interval = 500ms, .burst = 6};

// Guessing ports sends more to one address, so it happens to one peer at a time, at a fixed pace,
// and seldom. The peer has to have called within the last kCalledLately.
inline constexpr std::size_t kGuesses = 1024;      // ports tried in one attempt
inline constexpr std::size_t kGuessesPerStep = 8;  // every kGuessStep: 200 a second, 24 kB/s
inline constexpr Duration kGuessStep = 40ms;
inline constexpr std::size_t kHolesPerStep = 16;  // pings out of fresh sockets
inline constexpr Duration kHoleStep = 25ms;
inline constexpr Duration kHolesStayOpen = 15s;    // then the sockets are closed
inline constexpr Duration kFirstPunchPause = 60s;  // between attempts; doubles
inline constexpr Duration kLongestPunchPause = 1h;
inline constexpr Duration kCalledLately = 10s;

class PingCaps {
 public:
  explicit PingCaps(MonoTime now) : in_total_(kPingsInTotal, now) {}

  // Counts a ping to this address, if it may be sent.
  bool take(const IpAddress& address, MonoTime now) {
    TokenBucket* bucket = per_address_.find(address);
    if (bucket == nullptr) {
      bucket = &per_address_.insert(address, TokenBucket(kPingsPerAddress, now));
    }
    return bucket->take(now) && in_total_.take(now);
  }

 private:
  LruMap<IpAddress, TokenBucket> per_address_{kAddressesCounted};
  TokenBucket in_total_;
};

}  // namespace sinew::path
