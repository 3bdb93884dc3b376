#include "packet/coalesce.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/rng.h"
#include "support/coalesced.h"
#include "support/hex.h"
#include "support/packets.h"

namespace sinew::packet {
namespace {

using test::coalesce;
using test::make_packet;
using test::PacketSpec;
using test::random_bytes;
using test::WrittenPackets;

// A packet of a test, and whether it was damaged on the way here.
struct Arrival {
  PacketSpec spec;
  bool is_damaged = false;

  Bytes bytes() const {
    Bytes packet = make_packet(spec);
    if (is_damaged) packet.back() ^= 0x10;
    return packet;
  }
};

std::vector<Bytes> bytes_of(const std::vector<Arrival>& arrivals) {
  std::vector<Bytes> packets;
  for (const Arrival& arrival : arrivals)
    packets.push_back(arrival.bytes());
  return packets;
}

// Consecutive segments of one flow.
std::vector<Arrival> segments(std::size_t count, PacketSpec spec = {}, std::size_t size = 100) {
  std::vector<Arrival> arrivals;
  for (std::size_t i = 0; i < count; ++i) {
    spec.payload = Bytes(size, static_cast<std::uint8_t>(i));
    arrivals.push_back({spec});
    spec.sequence += static_cast<std::uint32_t>(size);
    if (spec.id != 0) ++spec.id;
  }
  return arrivals;
}

std::vector<std::size_t> sizes_of(const std::vector<WrittenPackets>& written) {
  std::vector<std::size_t> sizes;
  for (const WrittenPackets& write : written)
    sizes.push_back(write.packets.size());
  return sizes;
}

std::vector<std::size_t> group_sizes(const std::vector<Arrival>& arrivals,
                                     TunOffloads offloads = {.tcp = true, .udp = true}) {
  Coalescer coalescer(offloads);
  return sizes_of(coalesce(coalescer, bytes_of(arrivals)));
}

using Sizes = std::vector<std::size_t>;

TEST_CASE("consecutive segments become one super-packet, and are the same when cut again") {
  for (const bool is_v4 : {true, false}) {
    for (const std::uint8_t protocol : {test::kTcp, test::kUdp}) {
      const auto arrivals = segments(5, {.is_v4 = is_v4, .protocol = protocol});
      Coalescer coalescer({.tcp = true, .udp = true});
      const auto written = coalesce(coalescer, bytes_of(arrivals));
      REQUIRE(written.size() == 1);
      CHECK(written[0].packets == bytes_of(arrivals));
      const VnetHeader& header = written[0].header;
      const bool is_tcp = protocol == test::kTcp;
      CHECK(header.gso_type == (!is_tcp ? kGsoUdpL4 : is_v4 ? kGsoTcp4 : kGsoTcp6));
      CHECK(header.flags == kNeedsChecksum);
      CHECK(header.gso_size == 100);
      CHECK(header.checksum_start == (is_v4 ? 20 : 40));
      CHECK(header.header_length == header.checksum_start + (is_tcp ? 20 : 8));
    }
  }
}

TEST_CASE("the checksum field of a super-packet holds the pseudo header's sum, not complemented") {
  for (const bool is_v4 : {true, false}) {
    for (const std::uint8_t protocol : {test::kTcp, test::kUdp}) {
      std::vector<Bytes> packets = bytes_of(segments(3, {.is_v4 = is_v4, .protocol = protocol}));
      Coalescer coalescer({.tcp = true, .udp = true});
      for (Bytes& packet : packets)
        coalescer.add(packet, *parse_inner(packet));
      coalescer.flush([&](const TunWrite& write) {
        Bytes whole;
        for (const ByteView part : write.parts)
          whole.insert(whole.end(), part.begin(), part.end());
        const std::size_t ip = test::ip_header_size(whole);
        CHECK(load_be<std::uint16_t>(whole.data() + ip + test::checksum_offset_of(protocol)) ==
              test::naive_pseudo_sum(whole));
        if (is_v4) CHECK(test::naive_sum(ByteView(whole).first(20)) == 0xffff);
      });
    }
  }
}

TEST_CASE("what the device cannot cut again is not put together") {
  const auto tcp = segments(3);
  const auto udp = segments(3, {.protocol = test::kUdp});
  CHECK(group_sizes(tcp, {.tcp = false, .udp = true}) == Sizes{1, 1, 1});
  CHECK(group_sizes(udp, {.tcp = true, .udp = false}) == Sizes{1, 1, 1});
}

TEST_CASE("a shorter segment is the last one, a longer one begins anew") {
  for (const std::uint8_t protocol : {test::kTcp, test::kUdp}) {
    auto arrivals = segments(2, {.protocol = protocol});
    PacketSpec next = arrivals[1].spec;
    next.sequence += 100, next.id += 1;
    next.payload = Bytes(99, 5);
    arrivals.push_back({next});
    next.sequence += 99, next.id += 1;
    arrivals.push_back({next});
    CHECK(group_sizes(arrivals) == Sizes{3, 1});
    arrivals[2].spec.payload.resize(101);
    arrivals[3].spec.sequence += 2;
    CHECK(group_sizes(arrivals) == Sizes{2, 2});
  }
}

TEST_CASE("PSH ends a super-packet and stays on its last segment") {
  auto arrivals = segments(5);
  arrivals[2].spec.flags |= test::kPush;
  Coalescer coalescer({});
  const auto written = coalesce(coalescer, bytes_of(arrivals));
  CHECK(sizes_of(written) == Sizes{3, 2});
  CHECK(written[0].packets[1] == arrivals[1].bytes());
  CHECK(written[0].packets[2] == arrivals[2].bytes());
  arrivals[0].spec.flags |= test::kPush;
  CHECK(group_sizes(arrivals) == Sizes{1, 2, 2});
}

TEST_CASE("a packet that differs in a header does not join") {
  const auto differs = [](PacketSpec spec, auto change) {
    auto arrivals = segments(3, std::move(spec));
    change(arrivals[2].spec);
    return group_sizes(arrivals) == Sizes{2, 1};
  };
  const PacketSpec v4;
  const PacketSpec v6 = {.is_v4 = false};
  const PacketSpec udp = {.protocol = test::kUdp};
  const PacketSpec with_time = {.tcp_options = test::unhex("0101080a0000000100000002")};
  CHECK(differs(v4, [](PacketSpec& s) { s.ds = 0x10; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.ds = 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.ds = 3; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.ttl -= 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.fragmentation = 0; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.fragmentation = 0xc000; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.id += 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.id -= 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.acknowledgement += 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.window += 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.sequence += 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.sequence -= 1; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.tcp_options = Bytes(4, 1); }));
  CHECK(differs(v4, [](PacketSpec& s) { s.ip_options = Bytes(4, 1); }));
  CHECK(differs(v4, [](PacketSpec& s) { s.flags |= test::kFin; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.flags |= test::kSyn; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.flags |= test::kCwr; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.flags = 0; }));
  CHECK(differs(v4, [](PacketSpec& s) { s.payload.clear(); }));
  CHECK(differs(with_time, [](PacketSpec& s) { s.tcp_options[7] += 1; }));
  CHECK(differs(v6, [](PacketSpec& s) { s.ds = 3; }));
  CHECK(differs(v6, [](PacketSpec& s) { s.ttl -= 1; }));
  CHECK(differs(v6, [](PacketSpec& s) { s.flow_label = 1; }));
  CHECK(differs(udp, [](PacketSpec& s) { s.ds = 3; }));
  CHECK(differs(udp, [](PacketSpec& s) { s.id += 1; }));
  CHECK(differs(udp, [](PacketSpec& s) { s.has_checksum = false; }));
  CHECK_FALSE(differs(v4, [](PacketSpec&) {}));
}

// A packet with one byte of its transport header changed, and the checksum right again.
Bytes with_transport_byte(const Arrival& arrival, std::size_t at, std::uint8_t value) {
  Bytes packet = arrival.bytes();
  std::uint8_t* transport = packet.data() + test::ip_header_size(packet);
  std::uint8_t* checksum = transport + test::checksum_offset_of(arrival.spec.protocol);
  transport[at] = value;
  store_be(checksum, std::uint16_t{0});
  const ByteView summed = ByteView(packet).subspan(test::ip_header_size(packet));
  store_be(checksum,
           static_cast<std::uint16_t>(~test::naive_sum(summed, test::naive_pseudo_sum(packet))));
  REQUIRE(test::has_right_checksums(packet));
  return packet;
}

TEST_CASE("what has bits set that have no meaning yet goes alone") {
  CHECK(group_sizes(segments(3, {.fragmentation = 0xc000})) == Sizes{1, 1, 1});
  std::vector<Bytes> packets;
  for (const Arrival& arrival : segments(3))
    packets.push_back(with_transport_byte(arrival, 12, 0x51));
  Coalescer coalescer({});
  CHECK(sizes_of(coalesce(coalescer, packets)) == Sizes{1, 1, 1});
}

TEST_CASE("another urgent pointer, or a UDP length that is not the packet's, does not join") {
  const auto tcp = segments(3);
  std::vector<Bytes> packets = bytes_of(tcp);
  packets[2] = with_transport_byte(tcp[2], 19, 1);
  Coalescer coalescer({.tcp = true, .udp = true});
  CHECK(sizes_of(coalesce(coalescer, packets)) == Sizes{2, 1});
  const auto udp = segments(3, {.protocol = test::kUdp});
  packets = bytes_of(udp);
  packets[2] = with_transport_byte(udp[2], 5, 50);
  CHECK(sizes_of(coalesce(coalescer, packets)) == Sizes{2, 1});
}

TEST_CASE("identifications are consecutive, or zero in packets that are not fragmented") {
  CHECK(group_sizes(segments(3, {.id = 0})) == Sizes{3});
  CHECK(group_sizes(segments(3, {.id = 0, .fragmentation = 0})) == Sizes{1, 1, 1});
  CHECK(group_sizes(segments(3, {.id = 0xffff, .fragmentation = 0})) == Sizes{2, 1});
  auto equal = segments(3);
  for (Arrival& arrival : equal)
    arrival.spec.id = 7;
  CHECK(group_sizes(equal) == Sizes{1, 1, 1});
}

TEST_CASE("options that are equal in all segments are allowed in TCP, not in IPv4") {
  CHECK(group_sizes(segments(3, {.tcp_options = Bytes(40, 1)})) == Sizes{3});
  CHECK(group_sizes(segments(3, {.ip_options = Bytes(4, 1)})) == Sizes{1, 1, 1});
}

TEST_CASE("a broken packet is neither mended nor changed, and its neighbours still join") {
  for (const bool is_v4 : {true, false}) {
    for (const std::uint8_t protocol : {test::kTcp, test::kUdp}) {
      for (std::size_t broken = 0; broken < 6; ++broken) {
        auto arrivals = segments(6, {.is_v4 = is_v4, .protocol = protocol});
        arrivals[broken].is_damaged = true;
        Coalescer coalescer({.tcp = true, .udp = true});
        std::size_t at = 0;
        for (const WrittenPackets& write : coalesce(coalescer, bytes_of(arrivals))) {
          for (const Bytes& packet : write.packets)
            REQUIRE(packet == arrivals[at++].bytes());
          const bool has_broken = at - write.packets.size() <= broken && broken < at;
          if (has_broken) CHECK(write.packets.size() == 1);
          if (has_broken) CHECK(write.header == VnetHeader{});
        }
        CHECK(at == 6);
      }
    }
  }
}

TEST_CASE("a broken IPv4 header is not mended either") {
  for (std::size_t broken = 0; broken < 2; ++broken) {
    std::vector<Bytes> packets = bytes_of(segments(2));
    packets[broken][10] ^= 1;
    Coalescer coalescer({});
    const auto written = coalesce(coalescer, packets);
    REQUIRE(sizes_of(written) == Sizes{1, 1});
    CHECK(written[broken].packets[0] == packets[broken]);
  }
}

TEST_CASE("a packet of a flow ends what is open of it, so that nothing is overtaken") {
  const auto with_between = [](const PacketSpec& between) {
    auto arrivals = segments(4);
    arrivals.insert(arrivals.begin() + 2, {between});
    return group_sizes(arrivals);
  };
  PacketSpec acknowledgement;
  CHECK(with_between(acknowledgement) == Sizes{2, 1, 2});
  CHECK(with_between({.fragmentation = 0x2000, .payload = Bytes(8, 0)}) == Sizes{2, 1, 2});
  CHECK(with_between({.protocol = 1, .payload = Bytes(8, 0)}) == Sizes{2, 1, 2});
  // Other ports, the other direction, another protocol, other addresses: not of this flow.
  CHECK(with_between({.from_port = 1}) == Sizes{4, 1});
  CHECK(with_between({.from = 2, .to = 1}) == Sizes{4, 1});
  CHECK(with_between({.protocol = test::kUdp}) == Sizes{4, 1});
  CHECK(with_between({.from = 3, .fragmentation = 0x2000, .payload = Bytes(8, 0)}) == Sizes{4, 1});
}

TEST_CASE("flows that alternate are all put together") {
  std::vector<Arrival> arrivals;
  const std::size_t flows = 16;
  for (std::size_t i = 0; i < 8 * flows; ++i) {
    PacketSpec spec = {.from_port = static_cast<std::uint16_t>(i % flows)};
    arrivals.push_back(segments(8, spec)[i / flows]);
  }
  Coalescer coalescer({}, 5);
  CHECK(sizes_of(coalesce(coalescer, bytes_of(arrivals))) == Sizes(flows, 8));
}

TEST_CASE("flows whose hashes are equal are not mixed up, and the last of them go alone") {
  // With this seed the addresses do not count: one factor of the hash is zero.
  constexpr std::uint64_t kBlindSeed = 0x9e37'79b9'7f4a'7c15;
  std::vector<Bytes> packets;
  std::vector<std::vector<Arrival>> flows;
  for (std::uint8_t from = 1; from <= 12; ++from)
    flows.push_back(segments(3, {.from = from}));
  for (std::size_t i = 0; i < 3; ++i) {
    for (const auto& flow : flows)
      packets.push_back(flow[i].bytes());
  }
  REQUIRE(parse_inner(packets[0])->flow_hash(kBlindSeed) ==
          parse_inner(packets[1])->flow_hash(kBlindSeed));
  Coalescer coalescer({}, kBlindSeed);
  const auto written = coalesce(coalescer, packets);
  // Eight find a place in the table; four times three packets go alone.
  REQUIRE(written.size() == 8 + 12);
  for (std::size_t i = 0; i < 8; ++i)
    CHECK(written[i].packets == bytes_of(flows[i]));
  for (std::size_t i = 8; i < 20; ++i)
    CHECK(written[i].packets[0] == flows[8 + (i - 8) % 4][(i - 8) / 4].bytes());
}

TEST_CASE("a super-packet has at most 64 parts and 65,535 bytes") {
  CHECK(group_sizes(segments(130)) == Sizes{64, 64, 2});
  // 64 packets of 20 + 20 + 1023 bytes have 65,512 bytes together, of 1024 no more than 63 do.
  CHECK(group_sizes(segments(64, {}, 1'023)) == Sizes{64});
  CHECK(group_sizes(segments(64, {}, 1'024)) == Sizes{63, 1});
  CHECK(group_sizes(segments(2, {}, 32'747)) == Sizes{2});
  CHECK(group_sizes(segments(2, {}, 32'748)) == Sizes{1, 1});
}

TEST_CASE("as many flows as packets, and again after a flush") {
  Coalescer coalescer({}, 9);
  for (int round = 0; round < 3; ++round) {
    std::vector<Bytes> packets;
    for (std::size_t i = 0; i < Coalescer::kMaxPackets; ++i) {
      PacketSpec spec = {.from_port = static_cast<std::uint16_t>(i), .payload = Bytes(10, 1)};
      packets.push_back(make_packet(spec));
    }
    CHECK(coalesce(coalescer, packets).size() == Coalescer::kMaxPackets);
  }
  std::vector<Bytes> packets = bytes_of(segments(1));
  coalescer.add(packets[0], *parse_inner(packets[0]));
  CHECK_FALSE(coalescer.is_full());
  coalescer.clear();
  CHECK(coalescer.is_empty());
}

TEST_CASE("padding behind a packet is cut off") {
  std::vector<Bytes> packets = bytes_of(segments(2));
  const std::vector<Bytes> alone = packets;
  for (Bytes& packet : packets)
    packet.resize(packet.size() + 11, 0xcc);
  Coalescer coalescer({});
  const auto written = coalesce(coalescer, packets);
  REQUIRE(written.size() == 1);
  CHECK(written[0].packets == alone);
}

// The naive twin: a list of groups, looked through from its end, that compares the fields of specs.
class NaiveCoalescer {
 public:
  void add(std::size_t index, const Arrival& arrival) {
    Group* open = nullptr;
    for (Group& group : groups_) {
      if (group.is_open && are_ordered(group.first.spec, arrival.spec)) open = &group;
    }
    if (open != nullptr && may_join(*open, arrival)) {
      open->members.push_back(index);
      open->last = arrival;
      open->bytes += arrival.spec.payload.size();
      open->is_open = arrival.spec.payload.size() == open->first.spec.payload.size() &&
                      !has_push(arrival.spec) && open->members.size() < 64;
      return;
    }
    for (Group& group : groups_) {
      if (are_ordered(group.first.spec, arrival.spec)) group.is_open = false;
    }
    const bool is_open = is_data(arrival.spec) && !has_push(arrival.spec);
    groups_.push_back({{index}, arrival, arrival, arrival.bytes().size(), is_open});
  }

  std::vector<std::vector<std::size_t>> groups() const {
    std::vector<std::vector<std::size_t>> all;
    for (const Group& group : groups_)
      all.push_back(group.members);
    return all;
  }

  // True when neither may overtake the other.
  static bool are_ordered(const PacketSpec& a, const PacketSpec& b) {
    if (a.is_v4 != b.is_v4 || a.from != b.from || a.to != b.to) return false;
    if (!has_ports(a) || !has_ports(b)) return true;
    return a.protocol == b.protocol && a.from_port == b.from_port && a.to_port == b.to_port;
  }

 private:
  struct Group {
    std::vector<std::size_t> members;
    Arrival first;
    Arrival last;
    std::size_t bytes;
    bool is_open;
  };

  static bool is_fragment(const PacketSpec& spec) {
    return spec.is_v4 && (spec.fragmentation & 0x3fff) != 0;
  }
  static bool has_ports(const PacketSpec& spec) {
    return (spec.protocol == test::kTcp || spec.protocol == test::kUdp) && !is_fragment(spec);
  }
  static bool has_push(const PacketSpec& spec) {
    return spec.protocol == test::kTcp && (spec.flags & test::kPush) != 0;
  }
  static bool is_data(const PacketSpec& spec) {
    if (!has_ports(spec) || spec.payload.empty()) return false;
    if (spec.is_v4 && !spec.ip_options.empty()) return false;
    if (spec.protocol == test::kUdp) return spec.has_checksum;
    return spec.flags == test::kAck || spec.flags == (test::kAck | test::kPush);
  }
  // Without the fields that the packet does not have.
  static PacketSpec visible(PacketSpec spec) {
    if (spec.protocol == test::kUdp) {
      spec.flags = 0;
      spec.sequence = 0;
      spec.window = 0;
    }
    return spec;
  }
  static bool may_join(const Group& group, const Arrival& arrival) {
    const PacketSpec& first = group.first.spec;
    const PacketSpec& last = group.last.spec;
    if (!is_data(arrival.spec) || group.first.is_damaged || arrival.is_damaged) return false;
    if (arrival.spec.payload.size() > first.payload.size()) return false;
    if (group.bytes + arrival.spec.payload.size() > 65'535) return false;
    // What it would look like had the sender gone on as before.
    PacketSpec expected = last;
    const bool stays_zero = first.id == 0 && (first.fragmentation & 0x4000) != 0;
    if (first.is_v4 && !stays_zero) ++expected.id;
    if (first.protocol == test::kTcp)
      expected.sequence += static_cast<std::uint32_t>(last.payload.size());
    expected.payload = arrival.spec.payload;
    if (has_push(arrival.spec)) expected.flags |= test::kPush;
    return visible(expected) == visible(arrival.spec);
  }

  std::vector<Group> groups_;
};

// Flows that behave, most of the time.
class Traffic {
 public:
  explicit Traffic(Rng& rng) : rng_(rng), flows_(1 + rng.below(12)) {
    for (PacketSpec& flow : flows_) {
      flow.is_v4 = rng.below(3) != 0;
      flow.protocol = rng.below(2) == 0 ? test::kTcp : test::kUdp;
      flow.from = static_cast<std::uint8_t>(1 + rng.below(2));
      flow.from_port = static_cast<std::uint16_t>(rng.below(4));
      flow.sequence = rng.number<std::uint32_t>();
      flow.id = rng.below(3) == 0 ? std::uint16_t{0} : rng.number<std::uint16_t>();
      if (flow.protocol == test::kTcp && rng.below(2) == 0)
        flow.tcp_options = Bytes(4 * rng.below(4), 1);
      if (!flow.is_v4) flow.id = 0, flow.fragmentation = 0;
    }
  }

  Arrival next() {
    PacketSpec& flow = flows_[rng_.below(flows_.size())];
    PacketSpec spec = flow;
    spec.payload = random_bytes(rng_, 64);
    Arrival arrival{spec};
    if (rng_.below(4) == 0) arrival = trouble(flow, spec);
    const bool is_lost_after = rng_.below(20) == 0;
    flow.sequence += static_cast<std::uint32_t>(arrival.spec.payload.size()) + is_lost_after;
    if (flow.is_v4 && flow.id != 0) ++flow.id;
    return arrival;
  }

 private:
  Arrival trouble(PacketSpec& flow, PacketSpec spec) {
    switch (rng_.below(14)) {
      case 0: spec.payload.resize(1 + rng_.below(70)); break;
      case 1: spec.flags |= test::kPush; break;
      case 2: spec.payload.clear(); break;
      case 3: spec.flags |= test::kFin; break;
      case 4: spec.ds = flow.ds = static_cast<std::uint8_t>(rng_.below(4)); break;
      case 5: spec.window = flow.window = static_cast<std::uint16_t>(rng_.below(3)); break;
      case 6: spec.ttl -= 1; break;
      case 7:
        if (spec.is_v4) spec.fragmentation = 0x2000;
        break;
      case 8: spec.protocol = 1; break;
      case 9:
        if (spec.is_v4) spec.ip_options = Bytes(8, 1);
        break;
      case 10: spec.sequence += static_cast<std::uint32_t>(rng_.below(3)) - 1; break;
      case 11:
        if (spec.is_v4) spec.id = flow.id = static_cast<std::uint16_t>(rng_.below(3));
        break;
      case 12:
        if (spec.is_v4 && spec.protocol == test::kUdp) spec.has_checksum = false;
        break;
      default: return {spec, spec.payload.size() > 0};
    }
    return {spec};
  }

  Rng& rng_;
  std::vector<PacketSpec> flows_;
};

std::vector<Arrival> random_arrivals(Rng& rng) {
  Traffic traffic(rng);
  std::vector<Arrival> arrivals;
  const std::size_t count = 1 + rng.below(Coalescer::kMaxPackets);
  for (std::size_t i = 0; i < count; ++i)
    arrivals.push_back(traffic.next());
  for (std::size_t swap = rng.below(10); swap > 0 && count > 1; --swap) {
    const std::size_t at = rng.below(count - 1);
    std::swap(arrivals[at], arrivals[at + 1]);
  }
  return arrivals;
}

// What comes out for an arrival that is packet number `place` of its super-packet.
Bytes expected_bytes(const Arrival& arrival, const Arrival& first, std::size_t place) {
  Arrival expected = arrival;
  if (first.spec.is_v4) expected.spec.id = static_cast<std::uint16_t>(first.spec.id + place);
  return expected.bytes();
}

TEST_CASE("random traffic is grouped as by a naive twin, and is the same when cut again") {
  SeededRng rng(77);
  std::size_t joined = 0;
  for (int round = 0; round < 150; ++round) {
    CAPTURE(round);
    const std::vector<Arrival> arrivals = random_arrivals(rng);
    NaiveCoalescer naive;
    for (std::size_t i = 0; i < arrivals.size(); ++i)
      naive.add(i, arrivals[i]);
    Coalescer coalescer({.tcp = true, .udp = true}, rng.number<std::uint64_t>());
    const std::vector<WrittenPackets> written = coalesce(coalescer, bytes_of(arrivals));
    const auto groups = naive.groups();
    REQUIRE(written.size() == groups.size());
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      REQUIRE(written[i].packets.size() == groups[i].size());
      for (std::size_t k = 0; k < groups[i].size(); ++k) {
        const Arrival& arrival = arrivals[groups[i][k]];
        REQUIRE(written[i].packets[k] == expected_bytes(arrival, arrivals[groups[i][0]], k));
        order.push_back(groups[i][k]);
      }
      joined += groups[i].size() - 1;
    }
    // The twin's own promise: nothing lost or doubled, and none overtaken.
    for (std::size_t i = 0; i < order.size(); ++i) {
      for (std::size_t k = i + 1; k < order.size(); ++k) {
        const bool is_overtaken =
            order[k] < order[i] &&
            NaiveCoalescer::are_ordered(arrivals[order[i]].spec, arrivals[order[k]].spec);
        if (is_overtaken) FAIL("packet " << order[i] << " overtakes " << order[k]);
      }
    }
    std::ranges::sort(order);
    for (std::size_t i = 0; i < arrivals.size(); ++i)
      REQUIRE(order.at(i) == i);
  }
  CHECK(joined > 1'000);  // the traffic is worth the test
}

}  // namespace
}  // namespace sinew::packet
