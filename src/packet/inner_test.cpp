#include "packet/inner.h"

#include <doctest/doctest.h>

#include <set>

#include "support/hex.h"
#include "support/packets.h"

namespace sinew::packet {
namespace {

using test::make_packet;
using test::PacketSpec;

bool passes(const Bytes& packet) {
  return parse_inner(packet).has_value();
}

TEST_CASE("the gate tells what an IPv4 packet is") {
  const Bytes packet = make_packet({.ds = 0xb9, .ip_options = Bytes(8, 1), .payload = Bytes(5, 1)});
  const auto inner = parse_inner(packet);
  REQUIRE(inner);
  CHECK(inner->is_v4);
  CHECK(inner->header_length == 28);
  CHECK(inner->total_length == packet.size());
  CHECK(inner->protocol == kProtocolTcp);
  CHECK(inner->ds == 0xb9);
  CHECK(inner->source == packet.data() + 12);
  CHECK(inner->destination == packet.data() + 16);
  CHECK(inner->start() == packet.data());
  CHECK(inner->transport() == packet.data() + 28);
  CHECK(inner->transport_size() == 25);
  CHECK_FALSE(inner->is_fragment);
  CHECK(inner->has_ports());
}

TEST_CASE("the gate tells what an IPv6 packet is") {
  const Bytes packet = make_packet({.is_v4 = false, .protocol = kProtocolUdp, .ds = 0xb9});
  const auto inner = parse_inner(packet);
  REQUIRE(inner);
  CHECK_FALSE(inner->is_v4);
  CHECK(inner->header_length == 40);
  CHECK(inner->total_length == 48);
  CHECK(inner->protocol == kProtocolUdp);
  CHECK(inner->ds == 0xb9);
  CHECK(inner->source == packet.data() + 8);
  CHECK(inner->destination == packet.data() + 24);
  CHECK(inner->start() == packet.data());
  CHECK(inner->has_ports());
}

TEST_CASE("the gate refuses an IPv4 packet of which a byte is missing or a length is wrong") {
  Bytes packet = make_packet({.protocol = 1});
  REQUIRE(packet.size() == 20);
  CHECK(passes(packet));
  packet.pop_back();
  CHECK_FALSE(passes(packet));
  packet = make_packet({.protocol = 1, .payload = Bytes(4, 0)});
  packet[3] = 19;  // total length below the header
  CHECK_FALSE(passes(packet));
  packet[3] = 20;
  CHECK(passes(packet));
  packet[0] = 0x46;  // now the header is longer
  CHECK_FALSE(passes(packet));
  packet[3] = 24;
  CHECK(passes(packet));
  packet[3] = 25;
  CHECK_FALSE(passes(packet));
  packet[3] = 24;
  packet[0] = 0x44;
  CHECK_FALSE(passes(packet));
}

TEST_CASE("the gate refuses an IPv6 packet of which a byte is missing") {
  Bytes packet = make_packet({.is_v4 = false, .protocol = 59, .payload = Bytes(1, 0)});
  CHECK(passes(packet));
  packet.pop_back();
  CHECK_FALSE(passes(packet));
  packet[5] = 0;
  CHECK(passes(packet));
  packet.pop_back();
  CHECK_FALSE(passes(packet));
}

TEST_CASE("the gate refuses what is neither, and nothing at all") {
  CHECK_FALSE(passes({}));
  CHECK_FALSE(passes({0x45}));
  for (unsigned version = 0; version < 16; ++version) {
    Bytes packet(64, 0);
    packet[0] = static_cast<std::uint8_t>(version << 4 | 5);
    packet[3] = 20;
    CHECK(passes(packet) == (version == 4 || version == 6));
  }
}

TEST_CASE("padding is not part of a packet") {
  Bytes packet = make_packet({.payload = Bytes(3, 1)});
  packet.resize(packet.size() + 13);
  CHECK(parse_inner(packet)->total_length == 43);
}

TEST_CASE("fragments are known by their offset or by what is to follow") {
  for (const auto fragmentation : std::initializer_list<std::uint16_t>{0x2000, 0x0001, 0x1fff}) {
    const Bytes packet = make_packet({.fragmentation = fragmentation});
    CHECK(parse_inner(packet)->is_fragment);
    CHECK_FALSE(parse_inner(packet)->has_ports());
  }
  CHECK_FALSE(parse_inner(make_packet({.fragmentation = 0xc000}))->is_fragment);
  CHECK(parse_inner(make_packet({.is_v4 = false, .protocol = 44}))->is_fragment);
}

TEST_CASE("ports are not read behind the end") {
  PacketSpec spec = {.protocol = kProtocolUdp};
  Bytes packet = make_packet(spec);
  packet[3] = 24;
  packet.resize(24);
  CHECK(parse_inner(packet)->has_ports());
  packet[3] = 23;
  packet.resize(23);
  CHECK_FALSE(parse_inner(packet)->has_ports());
}

TEST_CASE("a flow hash depends on all that makes a flow, and on nothing else") {
  std::set<std::uint64_t> hashes;
  std::size_t count = 0;
  const auto add = [&](const PacketSpec& spec) {
    hashes.insert(parse_inner(make_packet(spec))->flow_hash(1));
    ++count;
  };
  for (const bool is_v4 : {true, false}) {
    add({.is_v4 = is_v4});
    add({.is_v4 = is_v4, .protocol = kProtocolUdp});
    add({.is_v4 = is_v4, .protocol = 1});
    add({.is_v4 = is_v4, .from = 2, .to = 1});
    add({.is_v4 = is_v4, .from = 9});
    add({.is_v4 = is_v4, .to = 9});
    add({.is_v4 = is_v4, .from_port = 9});
    add({.is_v4 = is_v4, .to_port = 9});
    add({.is_v4 = is_v4, .from_port = 2'000, .to_port = 1'000});
  }
  CHECK(hashes.size() == count);
  add({.ds = 3,
       .ttl = 9,
       .id = 9,
       .ip_options = Bytes(4, 1),
       .sequence = 9,
       .payload = Bytes(9, 9)});
  CHECK(hashes.size() == count - 1);
  const Bytes packet = make_packet({});
  CHECK(parse_inner(packet)->flow_hash(1) != parse_inner(packet)->flow_hash(2));
}

TEST_CASE("all fragments between two addresses have one flow hash") {
  const Bytes first = make_packet({.fragmentation = 0x2000, .from_port = 1});
  const Bytes last = make_packet({.fragmentation = 0x0005, .from_port = 2});
  CHECK(parse_inner(first)->flow_hash() == parse_inner(last)->flow_hash());
}

TEST_CASE("flows spread over the buckets of a table") {
  std::vector<std::size_t> buckets(64);
  for (std::uint16_t port = 0; port < 6'400; ++port) {
    const Bytes packet = make_packet({.from_port = port});
    ++buckets[parse_inner(packet)->flow_hash() % 64];
  }
  for (const std::size_t count : buckets) {
    CHECK(count > 50);
    CHECK(count < 160);
  }
}

}  // namespace
}  // namespace sinew::packet
