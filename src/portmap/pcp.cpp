#include "portmap/pcp.h"

namespace sinew::portmap::pcp {

namespace {

constexpr std::uint8_t kVersion = 2;
constexpr std::uint8_t kMapOperation = 1;
constexpr std::uint8_t kAnswerBit = 0x80;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kNatPmpVersion = 0;

}  // namespace

std::array<std::uint8_t, kMapSize> encode_map_request(const MapRequest& request) {
  std::array<std::uint8_t, kMapSize> out;
  ByteWriter writer(out);
  writer.u8(kVersion);
  writer.u8(kMapOperation);
  writer.zeros(2);
  writer.be(request.lifetime);
  writer.bytes(request.own.as_v6_bytes());
  writer.bytes(request.nonce);
  writer.u8(kUdp);
  writer.zeros(3);
  writer.be(request.internal_port);
  writer.be(request.wanted.port);
  writer.bytes(request.wanted.address.as_v6_bytes());
  return out;
}

std::optional<MapAnswer> parse_map_answer(ByteView datagram) {
  if (datagram.size() < kMapSize || datagram.size() > kMaxMessageSize || datagram.size() % 4 != 0)
    return std::nullopt;
  ByteReader reader(datagram);
  if (reader.u8() != kVersion || reader.u8() != (kMapOperation | kAnswerBit)) return std::nullopt;
  reader.skip(1);
  MapAnswer answer;
  answer.result = reader.u8();
  answer.lifetime = reader.be<std::uint32_t>();
  answer.epoch = reader.be<std::uint32_t>();
  reader.skip(12);
  answer.nonce = reader.array<12>();
  answer.protocol = reader.u8();
  reader.skip(3);
  answer.internal_port = reader.be<std::uint16_t>();
  answer.external.port = reader.be<std::uint16_t>();
  answer.external.address = IpAddress::v6(reader.array<16>());
  if (answer.protocol != kUdp) return std::nullopt;
  return answer;
}

// NAT-PMP has its result in the third and fourth byte, PCP in the fourth alone.
bool is_unsupported_version(ByteView datagram) {
  ByteReader reader(datagram);
  const std::uint8_t version = reader.u8();
  const std::uint8_t operation = reader.u8();
  const std::uint8_t high = reader.u8();
  const std::uint8_t result = reader.u8();
  if (reader.failed() || (operation & kAnswerBit) == 0 || result != kUnsupportedVersion)
    return false;
  return version == kNatPmpVersion ? high == 0 : version != kVersion || datagram.size() < kMapSize;
}

}  // namespace sinew::portmap::pcp
