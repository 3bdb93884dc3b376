#include "packet/split.h"

#include <doctest/doctest.h>

#include <vector>

#include "base/rng.h"
#include "support/hex.h"
#include "support/packets.h"

namespace sinew::packet {
namespace {

using test::make_packet;
using test::make_unfinished_packet;
using test::PacketSpec;
using test::random_bytes;

VnetHeader header_for(const PacketSpec& spec, std::size_t segment_size) {
  const bool is_tcp = spec.protocol == test::kTcp;
  const std::size_t ip = spec.is_v4 ? 20 + spec.ip_options.size() : 40;
  VnetHeader header;
  header.flags = kNeedsChecksum;
  header.gso_type = !is_tcp ? kGsoUdpL4 : spec.is_v4 ? kGsoTcp4 : kGsoTcp6;
  header.gso_size = static_cast<std::uint16_t>(segment_size);
  header.checksum_start = static_cast<std::uint16_t>(ip);
  header.checksum_offset = static_cast<std::uint16_t>(test::checksum_offset_of(spec.protocol));
  return header;
}

std::vector<Bytes> split(const VnetHeader& header, const Bytes& packet) {
  const std::optional<SplitPlan> plan = plan_split(header, packet);
  REQUIRE(plan);
  std::vector<Bytes> segments;
  std::size_t total = 0;
  for (std::size_t i = 0; i < plan->segment_count; ++i) {
    Bytes segment(plan->segment_size(i));
    REQUIRE(write_segment(*plan, packet, i, segment.data()) == segment.size());
    REQUIRE(segment.size() <= plan->largest_segment);
    total += segment.size();
    segments.push_back(std::move(segment));
  }
  REQUIRE(total == plan->total_size());
  return segments;
}

std::vector<Bytes> expected_segments(const PacketSpec& spec, std::size_t segment_size) {
  std::vector<Bytes> segments;
  for (const PacketSpec& segment : test::segments_of(spec, segment_size))
    segments.push_back(make_packet(segment));
  return segments;
}

PacketSpec random_super_packet(Rng& rng) {
  PacketSpec spec;
  spec.is_v4 = rng.below(2) == 0;
  spec.protocol = rng.below(2) == 0 ? test::kTcp : test::kUdp;
  spec.ds = rng.number<std::uint8_t>();
  spec.flow_label = rng.number<std::uint32_t>() & 0xfffff;
  spec.id = rng.number<std::uint16_t>();
  spec.sequence = rng.number<std::uint32_t>();
  spec.acknowledgement = rng.number<std::uint32_t>();
  spec.flags = rng.number<std::uint8_t>();
  spec.window = rng.number<std::uint16_t>();
  if (rng.below(3) == 0) spec.ip_options = random_bytes(rng, rng.below(11) * 4);
  if (rng.below(2) == 0) spec.tcp_options = random_bytes(rng, rng.below(11) * 4);
  const std::size_t most = rng.below(4) == 0 ? 65'400 : 3'000;
  spec.payload = random_bytes(rng, rng.below(most));
  if (spec.is_v4 && spec.payload.size() > 65'000) spec.payload.resize(65'000);
  return spec;
}

TEST_CASE("a super-packet is cut into the packets its sender would have sent one by one") {
  SeededRng rng(1);
  for (int round = 0; round < 300; ++round) {
    const PacketSpec spec = random_super_packet(rng);
    const std::size_t size = 1 + rng.below(spec.payload.size() > 10'000 ? 9'000 : 300);
    CAPTURE(round);
    REQUIRE(split(header_for(spec, size + 100), make_unfinished_packet(spec)) ==
            expected_segments(spec, size + 100));
  }
}

TEST_CASE("FIN and PSH go on the last segment only, CWR on the first only") {
  PacketSpec spec;
  spec.flags = test::kAck | test::kFin | test::kPush | test::kCwr;
  spec.payload = Bytes(300, 1);
  VnetHeader header = header_for(spec, 100);
  header.gso_type |= kGsoEcn;
  const std::vector<Bytes> segments = split(header, make_unfinished_packet(spec));
  REQUIRE(segments.size() == 3);
  CHECK(segments[0][33] == (test::kAck | test::kCwr));
  CHECK(segments[1][33] == test::kAck);
  CHECK(segments[2][33] == (test::kAck | test::kFin | test::kPush));
}

TEST_CASE("lengths and checksums that the kernel left in a super-packet are not believed") {
  PacketSpec spec;
  spec.payload = Bytes(500, 3);
  for (const std::uint8_t protocol : {test::kTcp, test::kUdp}) {
    spec.protocol = protocol;
    VnetHeader header = header_for(spec, 200);
    Bytes packet = make_unfinished_packet(spec);
    for (const auto lie : std::initializer_list<std::uint16_t>{0, 1, 54, 65'535}) {
      header.header_length = lie;
      store_be(packet.data() + 10, lie);  // IPv4 checksum
      store_be(packet.data() + 20 + test::checksum_offset_of(protocol), lie);
      if (protocol == test::kUdp) store_be(packet.data() + 24, lie);  // UDP length
      REQUIRE(split(header, packet) == expected_segments(spec, 200));
    }
  }
}

TEST_CASE("identification and sequence number wrap around") {
  PacketSpec spec;
  spec.id = 0xfffe;
  spec.sequence = 0xffff'ff00;
  spec.payload = Bytes(1'000, 9);
  CHECK(split(header_for(spec, 250), make_unfinished_packet(spec)) == expected_segments(spec, 250));
}

TEST_CASE("segments of one byte work, and there are as many as bytes") {
  PacketSpec spec;
  spec.payload = Bytes(65'535 - 40, 5);
  const Bytes packet = make_unfinished_packet(spec);
  const auto plan = plan_split(header_for(spec, 1), packet);
  REQUIRE(plan);
  CHECK(plan->segment_count == spec.payload.size());
  CHECK(plan->segment_count <= kMaxSplitSegments);
  CHECK(plan->largest_segment == 41);
  CHECK(plan->last_segment == 41);
  Bytes last(41);
  CHECK(write_segment(*plan, packet, plan->segment_count - 1, last.data()) == 41);
  CHECK(test::has_right_checksums(last));
}

TEST_CASE("a super-packet of one segment is one packet, also when it is empty") {
  for (const std::size_t size : {0U, 1U, 99U, 100U}) {
    PacketSpec spec;
    spec.flags = test::kAck | test::kFin | test::kCwr;
    spec.payload = Bytes(size, 7);
    const auto segments = split(header_for(spec, 100), make_unfinished_packet(spec));
    REQUIRE(segments.size() == 1);
    CHECK(segments[0] == make_packet(spec));
  }
}

TEST_CASE("a packet without offloads goes as it is, without what stands behind it") {
  PacketSpec spec;
  spec.protocol = 1;
  spec.payload = Bytes(77, 7);
  Bytes packet = make_packet(spec);
  const Bytes alone = packet;
  packet.resize(packet.size() + 19, 0xaa);
  CHECK(split(VnetHeader{}, packet) == std::vector<Bytes>{alone});
}

TEST_CASE("an unfinished checksum is completed") {
  SeededRng rng(2);
  for (int round = 0; round < 200; ++round) {
    PacketSpec spec = random_super_packet(rng);
    VnetHeader header = header_for(spec, 0);
    header.gso_type = kGsoNone;
    REQUIRE(split(header, make_unfinished_packet(spec)) == std::vector<Bytes>{make_packet(spec)});
  }
}

TEST_CASE("an unfinished checksum of any protocol is completed where the header says") {
  PacketSpec spec;
  spec.protocol = 58;
  spec.is_v4 = false;
  spec.payload = test::unhex("80000000123400010102030405");
  store_be(spec.payload.data() + 2, std::uint16_t{0x0055});  // some partial sum
  Bytes packet = make_packet(spec);
  const VnetHeader header = {.flags = kNeedsChecksum, .checksum_start = 40, .checksum_offset = 2};
  const Bytes done = split(header, packet).at(0);
  const auto expected = static_cast<std::uint16_t>(~test::naive_sum(spec.payload));
  store_be(packet.data() + 42, expected);
  CHECK(done == packet);
}

TEST_CASE("a UDP checksum that comes out as zero is written as 0xffff, a TCP one as zero") {
  // The last two bytes of the payload bring the sum to 0xffff.
  const auto completed = [](std::uint8_t protocol, bool is_super) {
    PacketSpec spec;
    spec.protocol = protocol;
    spec.payload = Bytes(10, 0);
    const Bytes packet = make_packet(spec);
    const std::size_t field = 20 + test::checksum_offset_of(protocol);
    store_be(spec.payload.data() + 8, load_be<std::uint16_t>(packet.data() + field));
    VnetHeader header = header_for(spec, 10);
    if (!is_super) header.gso_type = kGsoNone;
    return load_be<std::uint16_t>(split(header, make_unfinished_packet(spec))[0].data() + field);
  };
  for (const bool is_super : {false, true}) {
    CHECK(completed(test::kUdp, is_super) == 0xffff);
    CHECK(completed(test::kTcp, is_super) == 0);
  }
}

TEST_CASE("a checksum outside of the packet or in the IP header is malformed") {
  PacketSpec spec;
  spec.payload = Bytes(10, 0);
  const Bytes packet = make_unfinished_packet(spec);
  const auto is_planned = [&](std::size_t start, std::size_t offset) {
    return plan_split({.flags = kNeedsChecksum,
                       .checksum_start = static_cast<std::uint16_t>(start),
                       .checksum_offset = static_cast<std::uint16_t>(offset)},
                      packet)
        .has_value();
  };
  CHECK(is_planned(20, packet.size() - 22));
  CHECK_FALSE(is_planned(20, packet.size() - 21));
  CHECK_FALSE(is_planned(19, 16));
  CHECK_FALSE(is_planned(packet.size(), 0));
  CHECK_FALSE(is_planned(20, 65'535));
  CHECK_FALSE(is_planned(65'535, 65'535));
}

struct Wrong {
  const char* what;
  void (*spoil)(VnetHeader&, Bytes&);
};

TEST_CASE("a malformed super-packet is refused") {
  PacketSpec spec;
  spec.payload = Bytes(1'000, 4);
  const Wrong wrongs[] = {
      {"no segment size", [](VnetHeader& h, Bytes&) { h.gso_size = 0; }},
      {"unknown kind", [](VnetHeader& h, Bytes&) { h.gso_type = 3; }},
      {"congestion mark without a kind", [](VnetHeader& h, Bytes&) { h.gso_type = kGsoEcn; }},
      {"kind of the other family", [](VnetHeader& h, Bytes&) { h.gso_type = kGsoTcp6; }},
      {"kind of the other protocol", [](VnetHeader& h, Bytes&) { h.gso_type = kGsoUdpL4; }},
      {"checksum elsewhere", [](VnetHeader& h, Bytes&) { h.checksum_start += 2; }},
      {"checksum at another offset", [](VnetHeader& h, Bytes&) { h.checksum_offset = 6; }},
      {"fragment", [](VnetHeader&, Bytes& p) { p[6] |= 0x20; }},
      {"TCP header too small", [](VnetHeader&, Bytes& p) { p[32] = 0x40; }},
      {"TCP header behind the end",
       [](VnetHeader&, Bytes& p) {
         p.resize(50), p[3] = 50, p[2] = 0;
         p[32] = 0x80;
       }},
      {"TCP header cut", [](VnetHeader&, Bytes& p) { p.resize(39), p[3] = 39, p[2] = 0; }},
      {"IP length beyond the packet", [](VnetHeader&, Bytes& p) { p.pop_back(); }},
      {"not IP", [](VnetHeader&, Bytes& p) { p[0] = 0x55; }},
      {"empty", [](VnetHeader&, Bytes& p) { p.clear(); }},
  };
  for (const Wrong& wrong : wrongs) {
    CAPTURE(wrong.what);
    VnetHeader header = header_for(spec, 100);
    Bytes packet = make_unfinished_packet(spec);
    REQUIRE(plan_split(header, packet));
    wrong.spoil(header, packet);
    CHECK_FALSE(plan_split(header, packet));
  }
}

TEST_CASE("a super-packet with IPv6 extension headers is refused, a single packet passes") {
  PacketSpec spec;
  spec.is_v4 = false;
  spec.payload = Bytes(500, 1);
  VnetHeader header = header_for(spec, 100);
  Bytes packet = make_unfinished_packet(spec);
  const Bytes extension = {test::kTcp, 0, 1, 4, 0, 0, 0, 0};
  packet.insert(packet.begin() + 40, extension.begin(), extension.end());
  packet[6] = 60;
  store_be(packet.data() + 4, static_cast<std::uint16_t>(packet.size() - 40));
  header.checksum_start = 48;
  CHECK_FALSE(plan_split(header, packet));
  header.gso_type = kGsoNone;
  CHECK(plan_split(header, packet));
}

TEST_CASE("the header before a packet is read and written in host byte order") {
  const VnetHeader header = {kNeedsChecksum, kGsoTcp4, 54, 1'400, 20, 16};
  std::array<std::uint8_t, kVnetHeaderSize> bytes;
  header.store(bytes.data());
  CHECK(VnetHeader::load(bytes.data()) == header);
  std::uint16_t gso_size;
  std::memcpy(&gso_size, bytes.data() + 4, sizeof gso_size);
  CHECK(gso_size == 1'400);
  CHECK(bytes[0] == 1);
  CHECK(bytes[1] == 1);
}

}  // namespace
}  // namespace sinew::packet
