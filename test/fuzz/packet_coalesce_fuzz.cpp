// Coalescing, and cutting again: for each flow, what goes in comes out, in the same order beside
// all packets without ports of the same addresses, and no broken packet comes out mended. The input
// is a list of packets, each a few bytes that say how its flow goes on, or the packet itself.
#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"
#include "support/coalesced.h"
#include "support/packets.h"

using namespace sinew;
using namespace sinew::packet;

namespace {

class Flows {
 public:
  Flows() {
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      flows_[i].is_v4 = i % 3 != 0;
      flows_[i].protocol = i % 2 == 0 ? test::kTcp : test::kUdp;
      flows_[i].from_port = static_cast<std::uint16_t>(i / 4);
      flows_[i].id = i == 4 ? std::uint16_t{0} : std::uint16_t{100};
    }
  }

  Bytes next(ByteReader& reader) {
    test::PacketSpec& flow = flows_[reader.u8() % flows_.size()];
    const std::uint8_t change = reader.u8();
    const std::uint8_t value = reader.u8();
    test::PacketSpec spec = flow;
    spec.payload = Bytes(40, value);
    if (change % 32 == 11) {
      const ByteView raw = reader.take(std::min<std::size_t>(value, reader.remaining()));
      return {raw.begin(), raw.end()};
    }
    apply(change % 32, value, flow, spec);
    flow.sequence = spec.sequence + static_cast<std::uint32_t>(spec.payload.size());
    if (flow.id != 0) flow.id = static_cast<std::uint16_t>(spec.id + 1);
    Bytes packet = test::make_packet(spec);
    if (change % 32 == 10) packet[value % packet.size()] ^= static_cast<std::uint8_t>(1 + change);
    return packet;
  }

 private:
  static void apply(unsigned change, std::uint8_t value, test::PacketSpec& flow,
                    test::PacketSpec& spec) {
    switch (change) {
      case 0: spec.payload.resize(value); break;
      case 1: spec.flags = value; break;
      case 2: spec.sequence += value; break;
      case 3: spec.id = value; break;
      case 4: flow.ds = spec.ds = value; break;
      case 5: flow.window = spec.window = value; break;
      case 6: flow.ttl = spec.ttl = value; break;
      case 7: spec.fragmentation = static_cast<std::uint16_t>(value << 8); break;
      case 8: flow.tcp_options = spec.tcp_options = Bytes(value % 11 * 4, 1); break;
      case 9: spec.ip_options = Bytes(value % 11 * 4, 1); break;
      case 12: spec.has_checksum = false; break;
      case 13: spec.protocol = value; break;
      case 14: spec.payload = Bytes(value * 256, 1); break;
      case 15: flow.flow_label = spec.flow_label = value; break;
      default: break;
    }
  }

  std::array<test::PacketSpec, 12> flows_;
};

std::vector<Bytes> read_packets(ByteView input) {
  ByteReader reader(input);
  Flows flows;
  std::vector<Bytes> packets;
  while (reader.remaining() > 0 && packets.size() < Coalescer::kMaxPackets) {
    Bytes packet = flows.next(reader);
    if (const auto inner = parse_inner(packet)) {
      packet.resize(inner->total_length);
      packets.push_back(std::move(packet));
    }
  }
  return packets;
}

// Without what a super-packet cannot keep, in packets that are right: IPv4 ids that do not count,
// and the spelling of a TCP checksum of zero.
Bytes normal_form(Bytes packet) {
  const std::optional<InnerPacket> inner = parse_inner(packet);
  VERIFY(inner.has_value());
  const bool is_tcp = inner->protocol == kProtocolTcp;
  const std::size_t least = is_tcp ? kTcpHeaderSize : kUdpHeaderSize;
  const bool is_right =
      inner->has_ports() && inner->transport_size() >= least && test::has_right_checksums(packet);
  if (!is_right) return packet;
  std::uint8_t* checksum = packet.data() + inner->header_length + (is_tcp ? 16 : 6);
  if (is_tcp && load_be<std::uint16_t>(checksum) == 0xffff) store_be(checksum, std::uint16_t{0});
  if (!inner->is_v4) return packet;
  store_be(packet.data() + 4, std::uint16_t{0});
  store_be(packet.data() + 10, std::uint16_t{0});
  return packet;
}

struct Seen {
  Bytes bytes;
  std::uint64_t addresses;
  std::uint64_t flow;
  bool has_ports;
};

std::vector<Seen> look_at(const std::vector<Bytes>& packets) {
  std::vector<Seen> seen;
  for (const Bytes& packet : packets) {
    const InnerPacket inner = *parse_inner(packet);
    seen.push_back(
        {normal_form(packet), inner.address_hash(), inner.flow_hash(), inner.has_ports()});
  }
  return seen;
}

// Those that may not overtake each other, for a packet `of` their flow.
std::vector<ByteView> ordered_with(const Seen& of, const std::vector<Seen>& packets) {
  std::vector<ByteView> chosen;
  for (const Seen& packet : packets) {
    const bool is_ordered =
        packet.addresses == of.addresses && (!packet.has_ports || packet.flow == of.flow);
    if (is_ordered) chosen.push_back(packet.bytes);
  }
  return chosen;
}

bool are_equal(const std::vector<ByteView>& a, const std::vector<ByteView>& b) {
  return std::ranges::equal(a, b, [](ByteView x, ByteView y) { return std::ranges::equal(x, y); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<Bytes> packets = read_packets({data, size});
  Coalescer coalescer({.tcp = true, .udp = true}, size);
  std::vector<Bytes> written;
  for (const test::WrittenPackets& write : test::coalesce(coalescer, packets))
    written.insert(written.end(), write.packets.begin(), write.packets.end());
  VERIFY(written.size() == packets.size());
  const std::vector<Seen> in = look_at(packets);
  const std::vector<Seen> out = look_at(written);
  std::vector<std::uint64_t> flows;
  for (const Seen& packet : in) {
    if (std::ranges::find(flows, packet.flow) != flows.end()) continue;
    flows.push_back(packet.flow);
    VERIFY(are_equal(ordered_with(packet, in), ordered_with(packet, out)));
  }
  return 0;
}
