// Explicit congestion notification through a tunnel (RFC 6040, normal mode), so that a router on
// the way can slow a flow down without losing packets. The sender copies the mark of the inner
// packet outside; the receiver brings a mark made on the way back inside. The DS byte is DSCP (six
// bits) and ECN (two bits).
//
// The outer header is not authentic: anybody on the way can set marks, which slows a flow down as
// losing its packets would. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace sinew::packet {

inline constexpr std::uint8_t kEcnMask = 3;
inline constexpr std::uint8_t kEcnNotCapable = 0;
inline constexpr std::uint8_t kEcnCapable1 = 1;
inline constexpr std::uint8_t kEcnCapable0 = 2;
inline constexpr std::uint8_t kEcnCongested = 3;  // CE

// Hidden: the outer packet does not tell what class of traffic is inside.
enum class Dscp : std::uint8_t { kHidden, kCopied };

// The DS byte of the outer packet.
constexpr std::uint8_t outer_ds(std::uint8_t inner_ds, Dscp dscp = Dscp::kCopied) {
  return dscp == Dscp::kCopied ? inner_ds : inner_ds & kEcnMask;
}

// The DS byte of the inner packet after it has left the tunnel; none: it is to be dropped, since it
// met congestion and its flow understands no other sign. The inner DSCP stays.
std::optional<std::uint8_t> combined_ds(std::uint8_t inner_ds, std::uint8_t outer_ds);

// Changes the DS byte of a packet that has passed parse_inner(), and its IPv4 header checksum by
// the difference, so that a wrong one stays wrong.
void set_ds(ByteSpan packet, std::uint8_t ds);

// Both: applies combined_ds() to a packet that has passed parse_inner(). False: drop it; it is
// unchanged. Call it before Coalescer::add(), with `inner_ds` from the InnerPacket.
[[nodiscard]] bool apply_outer_ds(ByteSpan packet, std::uint8_t inner_ds, std::uint8_t outer_ds);

}  // namespace sinew::packet
