// NAT-PMP (RFC 6886): what a gateway is asked and answers at UDP port 5351. Integers are big
// endian.
//
//     request   external address  00 00
//               map               00 01 | 0 2 | our port 2 | wanted port 2 | lifetime in s 4
//     answer    external address  00 80 | result 2 | epoch in s 4 | address 4
//               map               00 81 | result 2 | epoch in s 4 | our port 2 | port 2 | lifetime
//               4
//
// There is no nonce: any machine of the local network that can forge the gateway's address can
// answer for it. Parsers look at nothing behind what they are given. Pure values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace sinew::portmap {

inline constexpr std::uint16_t kGatewayPort = 5351;  // of NAT-PMP and PCP

namespace natpmp {

inline constexpr std::size_t kAddressRequestSize = 2;
inline constexpr std::size_t kMapRequestSize = 12;
inline constexpr std::size_t kAddressAnswerSize = 12;
inline constexpr std::size_t kMapAnswerSize = 16;
inline constexpr std::uint16_t kSuccess = 0;
inline constexpr std::uint16_t kUnsupportedVersion = 1;

struct AddressAnswer {
  std::uint16_t result = 0;
  std::uint32_t epoch = 0;
  IpAddress external;

  friend bool operator==(const AddressAnswer&, const AddressAnswer&) = default;
};

struct MapAnswer {
  std::uint16_t result = 0;
  std::uint32_t epoch = 0;
  std::uint16_t internal_port = 0;
  std::uint16_t external_port = 0;
  std::uint32_t lifetime = 0;  // in seconds

  friend bool operator==(const MapAnswer&, const MapAnswer&) = default;
};

std::array<std::uint8_t, kAddressRequestSize> encode_address_request();
// Of a UDP port; a lifetime of 0 ends the mapping.
std::array<std::uint8_t, kMapRequestSize> encode_map_request(std::uint16_t internal_port,
                                                             std::uint16_t wanted_port,
                                                             std::uint32_t lifetime);

// Nothing for all that is not such an answer. A refusal may end behind the epoch.
std::optional<AddressAnswer> parse_address_answer(ByteView datagram);
std::optional<MapAnswer> parse_map_answer(ByteView datagram);

}  // namespace natpmp
}  // namespace sinew::portmap
