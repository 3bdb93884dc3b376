// Trains of datagrams across real networks: paths too narrow for them, addresses that vanish,
// places without a route.
//
//   alice 10.0.0.1 --- net --- 10.0.0.2 router 10.1.0.1 --- far --- 10.1.0.2 bob
//         fd00::1              fd00::2         fd01::1              fd01::2
#include <doctest/doctest.h>

#include "os/socket.h"
#include "support/lab.h"
#include "support/udp_mail.h"

using namespace sinew;
using namespace sinew::lab;
using sinew::test::Mail;
using sinew::test::receive_mail;
using sinew::test::texts;
using udp::Outgoing;
using udp::UdpPort;

namespace {

// 45 datagrams as WireGuard fills them in a tunnel of MTU 1420.
constexpr std::uint16_t kSegment = 1452;
constexpr std::size_t kTrain = 44 * kSegment + 500;

Endpoint any(bool is_v6, std::uint16_t port = 0) {
  return {.address = is_v6 ? IpAddress::any_v6() : IpAddress::any_v4(), .port = port};
}

IpAddress address(std::string_view text) {
  return must(IpAddress::parse(text));
}

struct Path {
  explicit Path(int far_mtu = 1500) : far(lab.network("far", far_mtu)) {
    router.join(far, {"10.1.0.1/24", "fd01::1/64"});
    bob.join(far, {"10.1.0.2/24", "fd01::2/64"}).default_route("10.1.0.1").default_route("fd01::1");
    alice.default_route("10.0.0.2").default_route("fd00::2");
    router.forward();
    // Addresses are resolved before a burst begins.
    REQUIRE(alice.can_ping("10.1.0.2"));
    REQUIRE(alice.can_ping("fd01::2"));
  }

  UdpPort open(Node& node, bool is_v6, std::uint16_t port = 0) {
    return node.inside([&] { return must(UdpPort::open(any(is_v6, port))); });
  }

  Lab lab;
  Network& net = lab.network("net");
  Network& far;
  Node& alice = lab.node("alice").join(net, {"10.0.0.1/24", "fd00::1/64"});
  Node& router = lab.node("router").join(net, {"10.0.0.2/24", "fd00::2/64"});
  Node& bob = lab.node("bob");
  udp::ReceiveRing ring{{.messages = 16}};
  Bytes bytes = Bytes(kTrain, 0x5a);
};

void check_train(const std::vector<Mail>& mail) {
  REQUIRE(mail.size() == 45);
  for (std::size_t i = 0; i < 44; ++i)
    CHECK(mail[i].text.size() == kSegment);
  CHECK(mail[44].text.size() == 500);
}

}  // namespace

TEST_CASE("a device too narrow for a train sends its datagrams in fragments") {
  if (!is_possible()) return;
  Path path;
  path.alice.ip("link set net mtu 1300");
  for (const bool is_v6 : {false, true}) {
    CAPTURE(is_v6);
    UdpPort from = path.open(path.alice, is_v6);
    UdpPort to = path.open(path.bob, is_v6, 5000);
    const Endpoint target{.address = address(is_v6 ? "fd01::2" : "10.1.0.2"), .port = 5000};
    const std::vector<Outgoing> messages = {
        {.to = &target, .segment_size = kSegment, .bytes = path.bytes},
        {.to = &target, .bytes = as_bytes("behind")}};
    const auto report = from.send(messages);
    CHECK(report.taken == 2);
    CHECK(report.dropped == 0);
    CHECK(report.stale_sources == 0);
    auto mail = receive_mail(to, path.ring, 46);
    REQUIRE(mail.size() == 46);
    CHECK(mail.back().text == "behind");
    mail.pop_back();
    check_train(mail);
    CHECK(from.counters().segmentation_refused == 1);
    CHECK(from.features().segmentation);  // of this path, not for good
  }
}

TEST_CASE("a narrow path farther away is crossed in fragments, of the router or our own") {
  if (!is_possible()) return;
  Path path(1300);
  for (const bool is_v6 : {false, true}) {
    CAPTURE(is_v6);
    UdpPort from = path.open(path.alice, is_v6);
    UdpPort to = path.open(path.bob, is_v6, 5000);
    const Endpoint target{.address = address(is_v6 ? "fd01::2" : "10.1.0.2"), .port = 5000};
    const Outgoing train = {.to = &target, .segment_size = kSegment, .bytes = path.bytes};
    // Routers do not fragment IPv6: the first train is what teaches the path MTU.
    std::vector<Mail> mail;
    for (int attempt = 0; attempt < 10 && mail.size() < 45; ++attempt) {
      CHECK(from.send({&train, 1}).dropped == 0);
      if (!test::wait_for_mail(to, is_v6 ? 500ms : 5s)) continue;
      mail = receive_mail(to, path.ring, 45);
      if (!is_v6) CHECK(attempt == 0);
    }
    check_train(mail);
  }
}

TEST_CASE("an address that vanished is left out, reported, and what was to leave from it arrives") {
  if (!is_possible()) return;
  Path path;
  path.alice.ip("addr add 10.0.0.3/24 dev net\naddr add fd00::3/64 dev net");
  for (const bool is_v6 : {false, true}) {
    CAPTURE(is_v6);
    UdpPort from = path.open(path.alice, is_v6);
    UdpPort to = path.open(path.bob, is_v6, 5000);
    const Endpoint target{.address = address(is_v6 ? "fd01::2" : "10.1.0.2"), .port = 5000};
    Outgoing train = {.to = &target, .segment_size = kSegment, .bytes = path.bytes};
    train.local = address(is_v6 ? "fd00::3" : "10.0.0.3");
    CHECK(from.send({&train, 1}).stale_sources == 0);
    auto mail = receive_mail(to, path.ring, 45);
    check_train(mail);
    CHECK(mail[0].from.address == train.local);

    path.alice.ip(is_v6 ? "addr del fd00::3/64 dev net" : "addr del 10.0.0.3/24 dev net");
    const auto report = from.send({&train, 1});
    CHECK(report.stale_sources == 1);
    CHECK(report.dropped == 0);
    mail = receive_mail(to, path.ring, 45);
    check_train(mail);
    CHECK(mail[0].from.address == address(is_v6 ? "fd00::1" : "10.0.0.1"));
    CHECK(mail[0].train > 1);
  }
}

TEST_CASE("an interface that vanished is left out and reported") {
  if (!is_possible()) return;
  Path path;
  for (const bool is_v6 : {false, true}) {
    CAPTURE(is_v6);
    UdpPort from = path.open(path.alice, is_v6);
    UdpPort to = path.open(path.bob, is_v6, 5000);
    const Endpoint target{.address = address(is_v6 ? "fd01::2" : "10.1.0.2"), .port = 5000};
    const Outgoing one = {.to = &target, .interface = 4711, .bytes = as_bytes("x")};
    CHECK(from.send({&one, 1}).stale_sources == 1);
    CHECK(texts(receive_mail(to, path.ring, 1)) == std::vector<std::string>{"x"});
  }
}

TEST_CASE("a place without a route is dropped and the others get theirs") {
  if (!is_possible()) return;
  Path path;
  path.alice.ip("route add unreachable 203.0.113.0/24\nroute add unreachable 2001:db8::/32");
  for (const bool is_v6 : {false, true}) {
    CAPTURE(is_v6);
    UdpPort from = path.open(path.alice, is_v6);
    UdpPort to = path.open(path.bob, is_v6, 5000);
    const Endpoint nowhere{.address = address(is_v6 ? "2001:db8::1" : "203.0.113.1"), .port = 1};
    const Endpoint target{.address = address(is_v6 ? "fd01::2" : "10.1.0.2"), .port = 5000};
    const IpAddress ours = address(is_v6 ? "fd00::1" : "10.0.0.1");
    const std::vector<Outgoing> messages = {
        {.to = &target, .bytes = as_bytes("before")},
        {.to = &nowhere, .local = ours, .segment_size = kSegment, .bytes = path.bytes},
        {.to = &target, .bytes = as_bytes("behind")}};
    const auto report = from.send(messages);
    CHECK(report.taken == 3);
    CHECK(report.dropped == 0b010);
    CHECK(report.stale_sources == 0);  // the address is still ours
    CHECK(texts(receive_mail(to, path.ring, 2)) == std::vector<std::string>{"before", "behind"});
  }
}

TEST_CASE("a pair works where IPv6 is switched off") {
  if (!is_possible()) return;
  Path path;
  path.alice.sysctl("net.ipv6.conf.all.disable_ipv6", "1");
  auto pair = path.alice.inside([] { return must(udp::open_pair(0)); });
  REQUIRE(pair.v4.has_value());
  UdpPort to = path.open(path.bob, false, 5000);
  const Endpoint target{.address = address("10.1.0.2"), .port = 5000};
  const Outgoing one = {.to = &target, .bytes = as_bytes("x")};
  CHECK(pair.v4->send({&one, 1}).dropped == 0);
  CHECK(receive_mail(to, path.ring, 1).size() == 1);
  if (!pair.v6) return;
  const Endpoint target6{.address = address("fd01::2"), .port = 5000};
  const Outgoing lost = {.to = &target6, .bytes = as_bytes("x")};
  CHECK(pair.v6->send({&lost, 1}).dropped == 1);
}

TEST_CASE("a pair finds the one port that is free in both families") {
  if (!is_possible()) return;
  Lab lab;
  Node& host = lab.node("host").sysctl("net.ipv4.ip_local_port_range", "40000 40007");
  host.inside([] {
    std::vector<UdpPort> taken;
    for (std::uint16_t port = 40'000; port < 40'008; ++port) {
      if (port != 40'005) taken.push_back(must(UdpPort::open(any(true, port))));
    }
    for (int i = 0; i < 10; ++i)
      CHECK(must(udp::open_pair(0)).port() == 40'005);
    taken.push_back(must(UdpPort::open(any(true, 40'005))));
    CHECK_FALSE(udp::open_pair(0).has_value());
  });
}

TEST_CASE("a train that the socket takes in part goes on where it stopped") {
  if (!is_possible()) return;
  Path path;
  // Nobody answers for this address, so the kernel keeps what is sent there for a while.
  UdpPort from =
      path.alice.inside([] { return must(UdpPort::open(any(false), {.send_buffer = 20'000})); });
  const Endpoint nobody{.address = address("10.0.0.99"), .port = 1};
  const Bytes bytes(48 * 1000, 1);
  const std::vector<Outgoing> messages = {{.to = &nobody, .bytes = as_bytes("first")},
                                          {.to = &nobody, .segment_size = 8000, .bytes = bytes}};
  const auto report = from.send(messages);
  REQUIRE(report.would_block);
  CHECK(report.dropped == 0);
  CHECK(report.taken == 1);
  CHECK(report.bytes_of_next < bytes.size());
  CHECK(report.bytes_of_next % 8000 == 0);
}
