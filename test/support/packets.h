// IP packets by their fields, and their checksums as a child would compute them: what a test says a
// packet is, in the words of the test, to judge the code that reads and cuts packets by.
#pragma once

#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"

namespace sinew::test {

inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kPush = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kCwr = 0x80;

inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;

struct PacketSpec {
  bool is_v4 = true;
  std::uint8_t protocol = kTcp;  // others than TCP and UDP: the payload follows the IP header
  std::uint8_t from = 1;         // last byte of the address
  std::uint8_t to = 2;
  std::uint8_t ds = 0;
  std::uint8_t ttl = 64;
  std::uint32_t flow_label = 0;          // IPv6
  std::uint16_t id = 100;                // IPv4
  std::uint16_t fragmentation = 0x4000;  // IPv4: flags and offset
  Bytes ip_options = {};                 // IPv4, whole words
  std::uint16_t from_port = 1'000;
  std::uint16_t to_port = 2'000;
  bool has_checksum = true;  // UDP
  std::uint32_t sequence = 1;
  std::uint32_t acknowledgement = 7;
  std::uint8_t flags = kAck;
  std::uint16_t window = 500;
  Bytes tcp_options = {};  // whole words
  Bytes payload = {};

  friend bool operator==(const PacketSpec&, const PacketSpec&) = default;
};

// RFC 1071 as it is written: numbers of two bytes, high one first, every carry brought round.
inline std::uint16_t naive_sum(ByteView bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const unsigned low = i + 1 < bytes.size() ? bytes[i + 1] : 0;
    sum += static_cast<unsigned>(bytes[i]) << 8 | low;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(sum);
}

inline std::size_t ip_header_size(ByteView packet) {
  return packet[0] >> 4 == 6 ? 40 : std::size_t{packet[0]} % 16 * 4;
}

// Of TCP and UDP.
inline std::uint16_t naive_pseudo_sum(ByteView packet) {
  const bool is_v4 = packet[0] >> 4 == 4;
  const std::uint8_t protocol = packet[is_v4 ? 9 : 6];
  const ByteView addresses = is_v4 ? packet.subspan(12, 8) : packet.subspan(8, 32);
  const auto length = static_cast<std::uint32_t>(packet.size() - ip_header_size(packet));
  const std::uint32_t rest = (protocol + length) % 0xffff;
  return naive_sum(addresses, rest);
}

inline std::size_t checksum_offset_of(std::uint8_t protocol) {
  return protocol == kTcp ? 16 : 6;
}

// Of a whole TCP or UDP packet that is no fragment; UDP without a checksum is right over IPv4.
inline bool has_right_checksums(ByteView packet) {
  const std::size_t header = ip_header_size(packet);
  const bool is_v4 = packet[0] >> 4 == 4;
  if (is_v4 && naive_sum(packet.first(header)) != 0xffff) return false;
  const ByteView transport = packet.subspan(header);
  const bool is_udp = packet[is_v4 ? 9 : 6] == kUdp;
  if (is_udp && load_be<std::uint16_t>(transport.data() + 6) == 0) return is_v4;
  return naive_sum(transport, naive_pseudo_sum(packet)) == 0xffff;
}

inline void append_u16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}
inline void append_u32(Bytes& bytes, std::uint32_t value) {
  append_u16(bytes, value >> 16);
  append_u16(bytes, value & 0xffff);
}
inline void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

inline Bytes transport_of(const PacketSpec& spec) {
  Bytes bytes;
  if (spec.protocol == kTcp || spec.protocol == kUdp) {
    append_u16(bytes, spec.from_port);
    append_u16(bytes, spec.to_port);
  }
  if (spec.protocol == kTcp) {
    append_u32(bytes, spec.sequence);
    append_u32(bytes, spec.acknowledgement);
    bytes.push_back(static_cast<std::uint8_t>((20 + spec.tcp_options.size()) / 4 << 4));
    bytes.push_back(spec.flags);
    append_u16(bytes, spec.window);
    append_u32(bytes, 0);  // checksum and urgent pointer
    append(bytes, spec.tcp_options);
  } else if (spec.protocol == kUdp) {
    append_u16(bytes, 8 + spec.payload.size());
    append_u16(bytes, 0);  // checksum
  }
  append(bytes, spec.payload);
  return bytes;
}

inline Bytes ip_header_of(const PacketSpec& spec, std::size_t transport_size) {
  Bytes ip;
  if (spec.is_v4) {
    const std::size_t header = 20 + spec.ip_options.size();
    ip = {static_cast<std::uint8_t>(0x40 | header / 4), spec.ds};
    append_u16(ip, header + transport_size);
    append_u16(ip, spec.id);
    append_u16(ip, spec.fragmentation);
    append(ip, {spec.ttl, spec.protocol, 0, 0, 10, 0, 0, spec.from, 10, 0, 0, spec.to});
    append(ip, spec.ip_options);
    const auto checksum = static_cast<std::uint16_t>(~naive_sum(ip));
    store_be(ip.data() + 10, checksum);
  } else {
    append_u32(ip, 0x6000'0000U | static_cast<std::uint32_t>(spec.ds) << 20 | spec.flow_label);
    append_u16(ip, transport_size);
    append(ip, {spec.protocol, spec.ttl});
    append(ip, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, spec.from});
    append(ip, {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, spec.to});
  }
  return ip;
}

// The whole packet, all checksums right.
inline Bytes make_packet(const PacketSpec& spec) {
  const Bytes transport = transport_of(spec);
  Bytes packet = ip_header_of(spec, transport.size());
  const std::size_t header = packet.size();
  append(packet, transport);
  const bool has_checksum = spec.protocol == kTcp || (spec.protocol == kUdp && spec.has_checksum);
  if (!has_checksum) return packet;
  const auto checksum = static_cast<std::uint16_t>(~naive_sum(transport, naive_pseudo_sum(packet)));
  const bool is_udp_zero = spec.protocol == kUdp && checksum == 0;
  store_be(packet.data() + header + checksum_offset_of(spec.protocol),
           is_udp_zero ? std::uint16_t{0xffff} : checksum);
  return packet;
}

// The same as the kernel hands it to a device that completes checksums: the field holds the sum of
// the pseudo header.
inline Bytes make_unfinished_packet(const PacketSpec& spec) {
  Bytes packet = make_packet(spec);
  store_be(packet.data() + ip_header_size(packet) + checksum_offset_of(spec.protocol),
           naive_pseudo_sum(packet));
  return packet;
}

// What a super-packet stands for: the packets that its sender would have sent one by one.
inline std::vector<PacketSpec> segments_of(const PacketSpec& spec, std::size_t segment_size) {
  std::vector<PacketSpec> segments;
  std::size_t at = 0;
  do {
    const std::size_t size = std::min(segment_size, spec.payload.size() - at);
    const bool is_last = at + size == spec.payload.size();
    PacketSpec segment = spec;
    segment.payload.assign(spec.payload.begin() + static_cast<std::ptrdiff_t>(at),
                           spec.payload.begin() + static_cast<std::ptrdiff_t>(at + size));
    segment.sequence = static_cast<std::uint32_t>(spec.sequence + at);
    segment.id = static_cast<std::uint16_t>(spec.id + segments.size());
    if (!is_last) segment.flags &= static_cast<std::uint8_t>(~(kFin | kPush));
    if (at != 0) segment.flags &= static_cast<std::uint8_t>(~kCwr);
    segments.push_back(std::move(segment));
    at += size;
  } while (at < spec.payload.size());
  return segments;
}

}  // namespace sinew::test
