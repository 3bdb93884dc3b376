#include "packet/inner.h"

namespace sinew::packet {
namespace {

std::optional<InnerPacket> parse_v4(const std::uint8_t* ip, std::size_t size) {
  if (size < kIpv4HeaderSize) return std::nullopt;
  const std::size_t header_length = std::size_t{ip[0]} % 16 * 4;
  const std::size_t total_length = load_be<std::uint16_t>(ip + 2);
  const bool fits =
      header_length >= kIpv4HeaderSize && header_length <= total_length && total_length <= size;
  if (!fits) return std::nullopt;
  // More fragments, or an offset.
  const bool is_fragment = (load_be<std::uint16_t>(ip + 6) & 0x3fff) != 0;
  return InnerPacket{.source = ip + 12,
                     .destination = ip + 16,
                     .total_length = static_cast<std::uint32_t>(total_length),
                     .header_length = static_cast<std::uint16_t>(header_length),
                     .protocol = ip[9],
                     .ds = ip[1],
                     .is_v4 = true,
                     .is_fragment = is_fragment};
}

std::optional<InnerPacket> parse_v6(const std::uint8_t* ip, std::size_t size) {
  if (size < kIpv6HeaderSize) return std::nullopt;
  const std::size_t total_length = kIpv6HeaderSize + load_be<std::uint16_t>(ip + 4);
  if (total_length > size) return std::nullopt;
  return InnerPacket{.source = ip + 8,
                     .destination = ip + 24,
                     .total_length = static_cast<std::uint32_t>(total_length),
                     .header_length = kIpv6HeaderSize,
                     .protocol = ip[6],
                     .ds = static_cast<std::uint8_t>(load_be<std::uint16_t>(ip) >> 4),
                     .is_v4 = false,
                     .is_fragment = ip[6] == kProtocolIpv6Fragment};
}

// Two numbers that depend on all bits of both.
std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const auto product =
      static_cast<unsigned __int128>(a ^ 0x9e37'79b9'7f4a'7c15) * (b ^ 0xd6e8'feb8'6659'fd93);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

std::optional<InnerPacket> parse_inner(ByteView bytes) {
  if (bytes.empty()) return std::nullopt;
  const unsigned version = bytes[0] >> 4;
  if (version == 4) return parse_v4(bytes.data(), bytes.size());
  if (version == 6) return parse_v6(bytes.data(), bytes.size());
  return std::nullopt;
}

std::uint64_t InnerPacket::address_hash(std::uint64_t seed) const {
  if (is_v4) return mix(seed, load_le<std::uint64_t>(source));
  const std::uint64_t low =
      mix(seed ^ load_le<std::uint64_t>(source), load_le<std::uint64_t>(source + 8));
  return mix(low ^ load_le<std::uint64_t>(destination), load_le<std::uint64_t>(destination + 8));
}

std::uint64_t InnerPacket::flow_hash_behind(std::uint64_t address_hash) const {
  const std::uint64_t ports = has_ports() ? load_le<std::uint32_t>(transport()) : 0;
  return mix(address_hash, ports << 8 | protocol);
}

}  // namespace sinew::packet
