// A STUN server without I/O, for every UDP port that offers one (RFC 8489 section 6.3, RFC 5780
// section 7.2). Keeps nothing about a client but its rate.
//
// What an attacker can do: have answers sent to an address he forges. So an answer is never longer
// than its request (L30), with one exception: a request of less than 32 bytes over IPv4, or 44 over
// IPv6, gets the smallest answer that is one, because clients of others send 20 bytes. That is at
// most 1.6 times (2.2 over IPv6) what came in, and one source, an IPv4 address or an IPv6 /64, gets
// at most kAnswersPerSecond. Refusals are sent only when they are not longer. The table of rates
// has kMaxSources entries; a flood of forged sources pushes out those seen longest ago, who then
// start with a full burst. O(1), no allocation once the table is full. Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/lru_map.h"
#include "base/rng.h"
#include "base/token_bucket.h"
#include "stun/message.h"

namespace sinew::stun {

inline constexpr std::uint32_t kAnswersPerSecond = 10;  // to one source
inline constexpr std::uint32_t kAnswerBurst = 20;       // a whole survey, repeated
inline constexpr std::size_t kMaxSources = 4096;

class Responder {
 public:
  // Where a request arrived, as clients know it.
  struct Addresses {
    Endpoint asked;
    std::uint16_t other_port = 0;                 // a second port at the same address; 0: none
    std::optional<IpAddress> other_address = {};  // a second address, with both ports
  };

  struct Reply {
    std::array<std::uint8_t, kMaxAnswerSize> buffer{};
    std::size_t size = 0;
    bool from_other_port = false;
    bool from_other_address = false;

    ByteView bytes() const { return ByteView(buffer).first(size); }
  };

  struct Counters {
    std::uint64_t answered = 0;
    std::uint64_t refused = 0;  // with an error that says why
    std::uint64_t dropped = 0;  // no request, or a refusal that would be too long
    std::uint64_t over_rate = 0;
  };

  explicit Responder(Rng& rng, std::size_t max_sources = kMaxSources);

  std::optional<Reply> respond(ByteView request, const Endpoint& from, const Addresses& mine,
                               MonoTime now);

  const Counters& counters() const { return counters_; }

 private:
  struct NoHash {
    std::size_t operator()(std::uint64_t key) const { return static_cast<std::size_t>(key); }
  };

  bool take_from_rate(const IpAddress& source, MonoTime now);

  // Keys the table: a stranger cannot aim at one place of it.
  std::array<std::uint64_t, 4> hash_key_;
  LruMap<std::uint64_t, TokenBucket, NoHash> rates_;
  Counters counters_;
};

}  // namespace sinew::stun
