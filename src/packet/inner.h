// The gate for packets inside the tunnel: what passes parse_inner() has an IP header that is all
// there and lengths that fit, so that nobody behind it checks them again. The header is at least 20
// (IPv4) or 40 bytes (IPv6), and `total_length` is at least that and at most what was given:
// padding behind it is not part of the packet. A keepalive is empty and never comes here.
//
// Checksums are not looked at: a router passes on what only the receiver can judge. An attacker can
// put anything behind the header; `protocol` says no more than what the IP header claims.
// Pure; the result points into the packet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"

namespace sinew::packet {

inline constexpr std::size_t kIpv4HeaderSize = 20;  // without options
inline constexpr std::size_t kIpv6HeaderSize = 40;  // without extension headers
inline constexpr std::size_t kTcpHeaderSize = 20;   // without options
inline constexpr std::size_t kUdpHeaderSize = 8;
inline constexpr std::size_t kMaxPacketSize = 65'535;  // of a packet, or of a super-packet

inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIpv6Fragment = 44;

struct InnerPacket {
  const std::uint8_t* source;       // 4 or 16 bytes
  const std::uint8_t* destination;  // 4 or 16 bytes
  std::uint32_t total_length;       // from the first byte of the IP header
  std::uint16_t header_length;      // of the IP header: with IPv4 options, without IPv6 extensions
  std::uint8_t protocol;            // IPv6: of the first extension header, if there are any
  std::uint8_t ds;                  // DSCP and ECN
  bool is_v4;
  bool is_fragment;  // IPv6: only when the fragment header is the first extension

  std::size_t address_size() const { return is_v4 ? 4 : 16; }
  const std::uint8_t* start() const { return source - (is_v4 ? 12 : 8); }
  const std::uint8_t* transport() const { return start() + header_length; }
  std::size_t transport_size() const { return total_length - header_length; }
  // TCP or UDP with both port numbers there to be read.
  bool has_ports() const {
    return (protocol == kProtocolTcp || protocol == kProtocolUdp) && !is_fragment &&
           transport_size() >= 4;
  }

  // Equal for the packets of one flow: addresses, protocol, and ports where has_ports(). Who does
  // not know `seed` cannot aim for collisions beyond what luck brings.
  std::uint64_t flow_hash(std::uint64_t seed = 0) const {
    return flow_hash_behind(address_hash(seed));
  }
  // The two halves of it: both addresses, and what it makes of that.
  std::uint64_t address_hash(std::uint64_t seed = 0) const;
  std::uint64_t flow_hash_behind(std::uint64_t address_hash) const;
};

// Nothing when these bytes are not an IP packet of which all is there.
std::optional<InnerPacket> parse_inner(ByteView bytes);

}  // namespace sinew::packet
