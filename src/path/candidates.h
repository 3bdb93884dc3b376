// Which of the addresses that a peer names are worth a ping, and what two NATs allow. Pure.
#pragma once

#include <optional>
#include <span>

#include "base/ip.h"
#include "netmap/netmap.h"

namespace sinew::path {

struct Settings;

// False for what no other machine answers at (unspecified, loopback, multicast, broadcast, port 0,
// link-local addresses of IPv6, whose zone nobody else knows, 100::/64), for addresses inside the
// network itself, and for IPv6 where that is switched off.
bool is_probeable(const Endpoint& endpoint, const Settings& settings);

// The NAT chooses another port for each destination, so nobody can be told where to send.
bool is_hard(const netmap::Connectivity& side);
// Lets in only packets from the very address and port that was sent to. Unknown counts as such.
bool is_strict(const netmap::Connectivity& side);

// What two sides need beyond pinging each other at the same time.
enum class Need : std::uint8_t {
  kNothing,
  kHolesHere,   // we are hard, they are strict: open many sockets, they guess
  kHolesThere,  // the other way round: guess
  kPrediction,  // both are hard: only if the next ports of both can be foretold
};
Need need_of(const netmap::Connectivity& here, const netmap::Connectivity& there);

// The public IPv4 endpoint that others see: mapped by the router first, then reflexive, then
// observed. IPv4 alone, as this is about NATs.
std::optional<Endpoint> public_endpoint(std::span<const netmap::Candidate> candidates);

// The last port seen of a NAT that counts its ports up: at least two reflexive endpoints of one
// address whose ports differ by 1 to kMaxPortStep. None when it cannot be foretold.
inline constexpr int kMaxPortStep = 16;
std::optional<Endpoint> predictable_endpoint(std::span<const netmap::Candidate> candidates);

}  // namespace sinew::path
