// The MAP request of PCP (RFC 6887), for one UDP port. Integers are big endian, IPv4 addresses
// stand as ::ffff:a.b.c.d.
//
//     request  02 01 | 0 2 | lifetime in s 4 | our address 16 | map 36
//     answer   02 81 | 0 1 | result 1 | lifetime 4 | epoch in s 4 | 0 12 | map 36
//     map      nonce 12 | protocol 11 | 0 3 | our port 2 | outside port 2 | outside address 16
//
// The nonce is what makes a mapping ours: a gateway renews and ends one only for the nonce that
// made it, so it stays the same from the first request to the last. Options behind the map are
// ignored. Parsers look at nothing behind what they are given. Pure values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace sinew::portmap::pcp {

inline constexpr std::size_t kHeaderSize = 24;
inline constexpr std::size_t kMapSize = 60;           // with the header, without options
inline constexpr std::size_t kMaxMessageSize = 1100;  // RFC 6887 section 7

inline constexpr std::uint8_t kSuccess = 0;
inline constexpr std::uint8_t kUnsupportedVersion = 1;

using Nonce = std::array<std::uint8_t, 12>;

struct MapRequest {
  Nonce nonce{};
  IpAddress own;
  std::uint16_t internal_port = 0;
  Endpoint wanted;             // the address unspecified and port 0: any
  std::uint32_t lifetime = 0;  // in seconds; 0 ends the mapping

  friend bool operator==(const MapRequest&, const MapRequest&) = default;
};

struct MapAnswer {
  Nonce nonce{};
  std::uint8_t result = 0;
  std::uint32_t lifetime = 0;
  std::uint32_t epoch = 0;
  std::uint8_t protocol = 0;  // always UDP's
  std::uint16_t internal_port = 0;
  Endpoint external;

  friend bool operator==(const MapAnswer&, const MapAnswer&) = default;
};

std::array<std::uint8_t, kMapSize> encode_map_request(const MapRequest& request);
// Nothing for all that is not the answer to a MAP request.
std::optional<MapAnswer> parse_map_answer(ByteView datagram);

// Whether a gateway says that it does not speak this version of PCP: in NAT-PMP's words, or by a
// header of PCP without anything else.
bool is_unsupported_version(ByteView datagram);

}  // namespace sinew::portmap::pcp
