// TUN interfaces, the kernel's TCP over them, and news of them. Where packets must get somewhere,
// the test carries them from one interface to the other, as they are:
//
//   alice tun0 10.9.0.1 ---- the test ---- 10.9.0.2 tun0 bob
//              fd09::1                     fd09::2
#include "tun/tun.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <algorithm>

#include "os/clock.h"
#include "os/poll.h"
#include "support/lab.h"
#include "support/refused_call.h"
#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;
using tun::Tun;
using tun::WriteOutcome;

namespace {

constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoTcp4 = 1;
constexpr std::uint8_t kGsoTcp6 = 4;

// The vnet header as the kernel fills it, in the byte order of the machine.
struct VnetHeader {
  explicit VnetHeader(ByteView bytes)
      : flags(bytes[0]),
        gso_type(bytes[1]),
        gso_size(word(bytes, 4)),
        checksum_start(word(bytes, 6)),
        checksum_offset(word(bytes, 8)) {}
  static std::uint16_t word(ByteView bytes, std::size_t at) {
    std::uint16_t value = 0;
    std::memcpy(&value, &bytes[at], sizeof value);
    return value;
  }

  std::uint8_t flags;
  std::uint8_t gso_type;
  std::uint16_t gso_size;
  std::uint16_t checksum_start;
  std::uint16_t checksum_offset;
};

Tun open_tun(Node& node, std::string_view name = "tun0", const tun::Options& options = {}) {
  return node.inside([&] { return must(Tun::open(name, options)); });
}

bool has_interface(Node& node, const std::string& name) {
  return node.run({"ip", "link", "show", name}).status.succeeded();
}

void configure(Tun& tun, int number) {
  const auto host = static_cast<std::uint8_t>(number);
  must(tun.set_mtu(1420));
  must(tun.add_address(IpAddress::v4(10, 9, 0, host), 24));
  must(tun.add_address(must(IpAddress::parse("fd09::" + std::to_string(number))), 64));
  must(tun.set_up());
}

// What crossed from one interface to the other.
struct Crossing {
  std::uint64_t packets = 0;
  std::uint64_t unwritten = 0;
  std::uint64_t super_packets = 0;
  std::uint64_t odd_headers = 0;
  std::size_t largest = 0;

  void look(ByteView vnet, ByteView packet) {
    const VnetHeader header(vnet);
    ++packets;
    largest = std::max(largest, packet.size());
    if (header.gso_type == 0) return;
    ++super_packets;
    const bool is_v4 = packet[0] >> 4 == 4;
    const std::size_t tcp_at = is_v4 ? (packet[0] & 15U) * 4U : 40U;
    const bool is_right = header.gso_type == (is_v4 ? kGsoTcp4 : kGsoTcp6) &&
                          header.flags == kNeedsChecksum && header.checksum_start == tcp_at &&
                          header.checksum_offset == 16 && header.gso_size <= 1420 - tcp_at - 20 &&
                          packet.size() > header.gso_size;
    odd_headers += is_right ? 0 : 1;
  }
};

void carry(Tun& from, Tun& to, Crossing& crossing) {
  Bytes buffer(tun::kVnetHeaderBytes + tun::kMaxPacketBytes);
  while (const auto size = must(from.read(0, buffer))) {
    const ByteView vnet = ByteView(buffer).first(tun::kVnetHeaderBytes);
    const ByteView packet = ByteView(buffer).first(*size).subspan(vnet.size());
    crossing.look(vnet, packet);
    // In three parts, as a coalescer would.
    const ByteView parts[] = {packet.first(20), packet.subspan(20, packet.size() / 2 - 10),
                              packet.subspan(20 + packet.size() / 2 - 10)};
    if (to.write(0, vnet, parts) != WriteOutcome::kWritten) ++crossing.unwritten;
  }
}

// The ones' complement sum of RFC 1071, as slowly as it is written there.
std::uint16_t checksum(ByteView bytes, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < bytes.size(); ++i)
    sum += std::uint32_t{bytes[i]} << (i % 2 == 0 ? 8 : 0);
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

// UDP from 10.9.0.2:4000 to 10.9.0.1:5000 with the sum of its pseudo-header as checksum.
Bytes unfinished_datagram(std::string_view text) {
  Bytes packet(28 + text.size());
  ByteWriter out(packet);
  out.be(std::uint16_t{0x4500});
  out.be(static_cast<std::uint16_t>(packet.size()));
  out.be(std::uint32_t{0});
  out.be(std::uint16_t{0x4011});  // 64 hops, UDP
  out.be(std::uint16_t{0});
  out.be(std::uint64_t{0x0a09'0002'0a09'0001});
  out.be(std::uint16_t{4000});
  out.be(std::uint16_t{5000});
  const auto udp_size = static_cast<std::uint16_t>(8U + text.size());
  out.be(udp_size);
  out.be(checksum(ByteView(packet).subspan(12, 8), 17U + udp_size));
  out.bytes(as_bytes(text));
  store_be(&packet[10], static_cast<std::uint16_t>(~checksum(ByteView(packet).first(20))));
  return packet;
}

WriteOutcome write(Tun& tun, std::array<std::uint8_t, tun::kVnetHeaderBytes> vnet,
                   ByteView packet) {
  return tun.write(0, vnet, {&packet, 1});
}

}  // namespace

TEST_CASE("an interface is there as long as its Tun") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  {
    const Tun tun = open_tun(host, "tun%d");
    CHECK(tun.name() == "tun0");
    CHECK(tun.queue_count() == 1);
    CHECK(tun.has_vnet_header());
    CHECK(tun.offloads().checksum);
    CHECK(tun.offloads().tso);
    CHECK(has_interface(host, "tun0"));
    CHECK(open_tun(host, "tun%d").name() == "tun1");
    CHECK_FALSE(has_interface(host, "tun1"));
  }
  CHECK_FALSE(has_interface(host, "tun0"));
}

TEST_CASE("a name that is taken is refused, whatever has it") {
  if (!is_possible()) return;
  Lab lab;
  Node& host =
      lab.node("host").ip("link add veth0 type veth peer name veth1\ntuntap add dev left mode tun");
  const Tun tun = open_tun(host);
  for (const char* name : {"tun0", "veth0", "left", "lo"}) {
    CAPTURE(name);
    const auto second = host.inside([&] { return Tun::open(name); });
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().kind == ErrorKind::kConflict);
  }
}

TEST_CASE("an interface is configured, from any namespace, and says what it is") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  Tun tun = open_tun(host);
  CHECK_FALSE(must(tun.link()).is_up);
  must(tun.change({.mtu = 1380,
                   .up = true,
                   .transmit_queue = 321,
                   .gso_max_bytes = 61'000,
                   .gso_max_segments = 45}));
  must(tun.add_address(IpAddress::v4(10, 9, 0, 1), 24));
  must(tun.add_address(IpAddress::v4(10, 9, 0, 1), 24));
  must(tun.add_address(must(IpAddress::parse("fd09::1")), 64));
  CHECK(must(tun.link()) == netlink::Link{.index = tun.index(),
                                          .name = "tun0",
                                          .mtu = 1380,
                                          .transmit_queue = 321,
                                          .is_up = true,
                                          .is_connected = true});
  const std::string shown = host.run({"ip", "-details", "addr", "show", "tun0"}).out;
  for (const char* part : {"mtu 1380", "qlen 321", "inet 10.9.0.1/24", "inet6 fd09::1/64",
                           "gso_max_size 61000", "gso_max_segs 45"}) {
    CAPTURE(shown);
    CHECK(shown.find(part) != std::string::npos);
  }
  CHECK(host.can_ping("10.9.0.1"));
  must(tun.set_up(false));
  CHECK_FALSE(must(tun.link()).is_up);
  CHECK_FALSE(tun.set_mtu(1).has_value());
}

TEST_CASE("news tell of up, down, another MTU and the end") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  Tun tun = open_tun(host);
  auto monitor = host.inside([&] { return must(tun.monitor()); });
  CHECK_FALSE(must(monitor.news()).any());

  host.ip("link set tun0 up");
  auto news = must(monitor.news());
  CHECK(news.went_up);
  CHECK_FALSE(news.went_down);
  CHECK(news.now.is_up);

  host.ip("link set tun0 mtu 1280\nlink set lo mtu 1400");
  news = must(monitor.news());
  CHECK(news.mtu_changed);
  CHECK_FALSE(news.went_up);
  CHECK(news.now.mtu == 1280);

  host.ip("link set tun0 down\nlink set tun0 up");
  news = must(monitor.news());
  CHECK(news.went_up);
  CHECK(news.went_down);

  host.ip("link set lo mtu 1500");
  CHECK_FALSE(must(monitor.news()).any());

  host.ip("link del tun0");
  news = must(monitor.news());
  CHECK(news.is_gone);
  CHECK_FALSE(news.now.is_up);
  CHECK_FALSE(must(monitor.news()).any());

  Bytes buffer(2000);
  const auto read = tun.read(0, buffer);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().kind == ErrorKind::kNotFound);
  CHECK(write(tun, {}, unfinished_datagram("x")) == WriteOutcome::kGone);
  CHECK(tun.link().error().kind == ErrorKind::kNotFound);
}

TEST_CASE("news that did not fit the socket are asked for anew") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  Tun tun = open_tun(host);
  auto monitor = host.inside([&] { return must(tun.monitor()); });
  std::string commands;
  for (int i = 0; i < 500; ++i) {
    commands += "link set lo mtu " + std::to_string(2000 + i) + "\n";
  }
  host.ip(commands + "link set tun0 up\nlink set tun0 mtu 1300");
  netlink::LinkNews all;
  for (int i = 0; i < 20; ++i) {
    const auto news = must(monitor.news());
    all.went_up |= news.went_up;
    all.now = news.now;
  }
  CHECK(all.went_up);
  CHECK(all.now.mtu == 1300);
}

TEST_CASE("TCP comes and goes in super-packets with valid vnet headers") {
  if (!is_possible({"iperf3"})) return;
  Lab lab;
  Node& alice = lab.node("alice");
  Node& bob = lab.node("bob");
  Tun a = open_tun(alice);
  Tun b = open_tun(bob);
  configure(a, 1);
  configure(b, 2);
  for (const std::string server : {"10.9.0.2", "fd09::2"}) {
    CAPTURE(server);
    Crossing there;
    Crossing back;
    Process listener = bob.start({"iperf3", "-s", "-1", "--forceflush"});
    listener.wait_for_output("Server listening");
    Process client = alice.start({"iperf3", "-c", server, "-n", "30M"});
    const MonoTime deadline = os::SystemClock().now() + 30s;
    while (client.is_running() && os::SystemClock().now() < deadline) {
      pollfd ready[] = {{.fd = a.queue(0).get(), .events = POLLIN, .revents = 0},
                        {.fd = b.queue(0).get(), .events = POLLIN, .revents = 0}};
      must(os::poll_until(ready, os::SystemClock().now() + 20ms));
      carry(a, b, there);
      carry(b, a, back);
    }
    CAPTURE(client.output());
    CHECK(client.wait().succeeded());
    CHECK(there.super_packets > 100);
    CHECK(there.odd_headers == 0);
    CHECK(there.largest > 30'000);
    CHECK(there.unwritten == 0);
    CHECK(back.unwritten == 0);
    CHECK(back.odd_headers == 0);
    // 30 MB in packets of 1,420 bytes would be 22,000.
    CHECK(there.packets < 8000);
  }
}

TEST_CASE("the kernel completes a checksum when told, and believes none that is wrong") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  Tun tun = open_tun(host);
  configure(tun, 1);
  UdpProbe probe(host, "10.9.0.1:5000");
  constexpr std::array<std::uint8_t, tun::kVnetHeaderBytes> kPlain{};
  std::array<std::uint8_t, tun::kVnetHeaderBytes> unfinished{};
  unfinished[0] = kNeedsChecksum;
  const std::uint16_t start = 20;
  const std::uint16_t offset = 6;
  std::memcpy(&unfinished[6], &start, sizeof start);
  std::memcpy(&unfinished[8], &offset, sizeof offset);
  // Not finished and not said so: the kernel finds it wrong.
  CHECK(write(tun, kPlain, unfinished_datagram("wrong")) == WriteOutcome::kWritten);
  CHECK(write(tun, unfinished, unfinished_datagram("right")) == WriteOutcome::kWritten);
  const auto datagram = probe.receive();
  REQUIRE(datagram.has_value());
  CHECK(datagram->text == "right");
}

TEST_CASE("what an interface refuses is counted, and the next packet passes") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  Tun tun = open_tun(host);
  Bytes packet = unfinished_datagram("x");
  CHECK(write(tun, {}, packet) == WriteOutcome::kRefused);
  CHECK(tun.counters(0).refused_down == 1);
  configure(tun, 1);
  CHECK(write(tun, {}, as_bytes("?")) == WriteOutcome::kRefused);
  CHECK(tun.write(0, Bytes(tun::kVnetHeaderBytes), {}) == WriteOutcome::kRefused);
  std::array<std::uint8_t, tun::kVnetHeaderBytes> nonsense;
  nonsense.fill(0xff);
  CHECK(write(tun, nonsense, packet) == WriteOutcome::kRefused);
  CHECK(tun.counters(0).refused_invalid == 3);
  CHECK(write(tun, {}, packet) == WriteOutcome::kWritten);
}

TEST_CASE("an interface has as many queues as asked for, and a queue can rest") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  Tun tun = open_tun(host, "tun%d", {.queues = 4});
  CHECK(tun.name() == "tun0");
  CHECK(tun.queue_count() == 4);
  CHECK_FALSE(has_interface(host, "tun1"));
  configure(tun, 1);
  for (const unsigned queue : {1U, 2U, 3U})
    must(tun.set_active(queue, false));
  UdpProbe probe(host, "10.9.0.1:5000");
  const auto count = [&](unsigned queue) {
    std::size_t packets = 0;
    Bytes buffer(2000);
    while (must(tun.read(queue, buffer)))
      ++packets;
    return packets;
  };
  for (std::uint16_t port = 1; port <= 50; ++port) {
    probe.send({.address = IpAddress::v4(10, 9, 0, 2), .port = port}, "x");
  }
  CHECK(count(0) >= 50);  // the kernel adds its own, such as router solicitations
  for (const unsigned queue : {1U, 2U, 3U}) {
    CHECK(count(queue) == 0);
    const Bytes packet = unfinished_datagram("x");
    const ByteView part = packet;
    CHECK(tun.write(queue, Bytes(tun::kVnetHeaderBytes), {&part, 1}) == WriteOutcome::kRefused);
    must(tun.set_active(queue, true));
    must(tun.set_active(queue, true));
    CHECK(tun.write(queue, Bytes(tun::kVnetHeaderBytes), {&part, 1}) == WriteOutcome::kWritten);
  }
  CHECK(tun.counters(1).refused_other == 1);
}

TEST_CASE("an interface works without vnet header, and without UDP super-packets") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host");
  {
    Tun plain = open_tun(host, "tun0", {.vnet_header = false});
    CHECK_FALSE(plain.has_vnet_header());
    CHECK(plain.offloads() == tun::Offloads{});
    configure(plain, 1);
    UdpProbe probe(host, "10.9.0.1:5000");
    probe.send({.address = IpAddress::v4(10, 9, 0, 2), .port = 7}, "x");
    Bytes buffer(2000);
    bool is_seen = false;
    while (const auto size = must(plain.read(0, buffer))) {
      is_seen |= *size == 29 && buffer[0] == 0x45;
    }
    CHECK(is_seen);
  }
  // As Linux before 6.2 answers, and one that offers nothing.
  constexpr unsigned kAll = 0x67;
  host.inside([] {
    test::with_refused_argument(SYS_ioctl, 2, kAll, EINVAL, [] {
      CHECK(must(Tun::open("tun1")).offloads() ==
            tun::Offloads{.checksum = true, .tso = true, .uso = false});
    });
  });
}
