#include "portmap/natpmp.h"

namespace sinew::portmap::natpmp {

namespace {

constexpr std::uint8_t kVersion = 0;
constexpr std::uint8_t kAddressOperation = 0;
constexpr std::uint8_t kMapUdpOperation = 1;
constexpr std::uint8_t kAnswerBit = 0x80;

// What stands before the part that only a success has to have.
struct Head {
  std::uint16_t result = 0;
  std::uint32_t epoch = 0;
};

std::optional<Head> read_head(ByteReader& reader, std::uint8_t operation) {
  const std::uint8_t version = reader.u8();
  const std::uint8_t answered = reader.u8();
  const Head head{reader.be<std::uint16_t>(), reader.be<std::uint32_t>()};
  if (reader.failed() || version != kVersion || answered != (operation | kAnswerBit))
    return std::nullopt;
  return head;
}

}  // namespace

std::array<std::uint8_t, kAddressRequestSize> encode_address_request() {
  return {kVersion, kAddressOperation};
}

std::array<std::uint8_t, kMapRequestSize> encode_map_request(std::uint16_t internal_port,
                                                             std::uint16_t wanted_port,
                                                             std::uint32_t lifetime) {
  std::array<std::uint8_t, kMapRequestSize> out;
  ByteWriter writer(out);
  writer.u8(kVersion);
  writer.u8(kMapUdpOperation);
  writer.zeros(2);
  writer.be(internal_port);
  writer.be(wanted_port);
  writer.be(lifetime);
  return out;
}

std::optional<AddressAnswer> parse_address_answer(ByteView datagram) {
  ByteReader reader(datagram);
  const auto head = read_head(reader, kAddressOperation);
  if (!head) return std::nullopt;
  const auto address = reader.array<4>();
  if (head->result == kSuccess && reader.failed()) return std::nullopt;
  return AddressAnswer{head->result, head->epoch, IpAddress::v4(address)};
}

std::optional<MapAnswer> parse_map_answer(ByteView datagram) {
  ByteReader reader(datagram);
  const auto head = read_head(reader, kMapUdpOperation);
  if (!head) return std::nullopt;
  MapAnswer answer{.result = head->result, .epoch = head->epoch};
  answer.internal_port = reader.be<std::uint16_t>();
  answer.external_port = reader.be<std::uint16_t>();
  answer.lifetime = reader.be<std::uint32_t>();
  if (head->result == kSuccess && reader.failed()) return std::nullopt;
  return answer;
}

}  // namespace sinew::portmap::natpmp
