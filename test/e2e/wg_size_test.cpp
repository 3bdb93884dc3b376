// Large packets, small networks, and datagrams of every size at the port.
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <string>

#include "base/rng.h"
#include "os/error.h"
#include "os/socket.h"
#include "support/lab.h"
#include "support/tcp_flow.h"
#include "support/udp_probe.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;
constexpr std::size_t kMaxDatagram = 65'507;

// One echo request of exactly this size inside, which no host may cut.
bool is_carried_whole(WgEnd& end, const std::string& address, int size) {
  return end.node()
      .run({"ping", "-n", "-q", "-c", "3", "-i", "0.1", "-w", "4", "-M", "do", "-s",
            std::to_string(size), address})
      .status.succeeded();
}

//   alice 192.0.2.1, 2001:db8:1::1 --- near --- router --- far --- 198.51.100.1, 2001:db8:2::1 bob
//                                      1500                1300
struct NarrowWay {
  explicit NarrowWay(WgProgram program_of_bob) : bob(make_bob(program_of_bob)) {
    router.join(near, {"192.0.2.254/24", "2001:db8:1::fe/64"})
        .join(far, {"198.51.100.254/24", "2001:db8:2::fe/64"})
        .forward();
  }
  WgEnd make_bob(WgProgram program) {
    Node& node = lab.node("bob").join(far, {"198.51.100.1/24", "2001:db8:2::1/64"});
    node.default_route("198.51.100.254").default_route("2001:db8:2::fe");
    return {lab, node, program, {"10.9.0.2/24"}};
  }

  Lab lab;
  Network& near = lab.network("near", 1500);
  Network& far = lab.network("far", 1300);
  Node& router = lab.node("router");
  WgEnd alice{lab,
              lab.node("alice")
                  .join(near, {"192.0.2.1/24", "2001:db8:1::1/64"})
                  .default_route("192.0.2.254")
                  .default_route("2001:db8:1::fe"),
              WgProgram::kSinew,
              {"10.9.0.1/24"}};
  WgEnd bob;
};

}  // namespace

TEST_CASE("jumbo packets go through a network that has room for them") {
  if (!are_tunnels_possible()) return;
  for (const auto program : {WgProgram::kSinew, WgProgram::kWireguardGo}) {
    WgPair pair({.bob = program, .tunnel_mtu = 8920, .network_mtu = 9000});
    pair.introduce();
    CHECK(is_carried_whole(pair.alice, "10.9.0.2", 8920 - 28));
    transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "50M"});
    transfer(pair.alice, pair.bob, "fd09::2", {"-n", "50M", "-R"});
    transfer(pair.bob, pair.alice, "10.9.0.1", {"-u", "-b", "50M", "-t", "1", "-l", "8000"});
  }
}

TEST_CASE("a tunnel of the greatest MTU works") {
  if (!are_tunnels_possible()) return;
  WgPair pair({.tunnel_mtu = 65'440, .network_mtu = 65'535});
  pair.introduce();
  CHECK(is_carried_whole(pair.alice, "10.9.0.2", 65'440 - 28));
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "50M"});
}

TEST_CASE("packets larger than the network takes are slower and not lost") {
  if (!are_tunnels_possible()) return;
  for (const std::string endpoint : {"192.0.2.2:51820", "[2001:db8::2]:51820"}) {
    for (const int network_mtu : {1400, 1300}) {
      CAPTURE(endpoint);
      CAPTURE(network_mtu);
      WgPair pair({.network_mtu = network_mtu});
      pair.introduce({.endpoint_of_bob = endpoint});
      CHECK(is_carried_whole(pair.alice, "10.9.0.2", 1420 - 28));
      transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "5M"});
      transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "5M", "-R"});
    }
  }
}

TEST_CASE("a router on the way with a smaller MTU is survived without configuration") {
  if (!are_tunnels_possible()) return;
  for (const auto program : {WgProgram::kSinew, WgProgram::kWireguardGo}) {
    for (const std::string endpoint : {"198.51.100.1:51820", "[2001:db8:2::1]:51820"}) {
      CAPTURE(endpoint);
      NarrowWay net(program);
      net.alice.add_peer(net.bob, {.allowed_ips = "10.9.0.2/32", .endpoint = endpoint});
      net.bob.add_peer(net.alice, {.allowed_ips = "10.9.0.1/32"});
      TcpFlow flow(net.alice.node(), net.bob.node(), "10.9.0.2");
      CHECK(flow.carry(2 * kMegabyte));
      CHECK(is_carried_whole(net.alice, "10.9.0.2", 1420 - 28));
    }
  }
}

TEST_CASE("T-WG-OVERSIZE (L03): datagrams of every size, and trains of them, stop nothing") {
  if (!are_tunnels_possible()) return;
  for (const std::string source : {"192.0.2.3", "2001:db8::3"}) {
    WgPair pair({.network_mtu = 9000});
    Node& carol = pair.lab.node("carol").join(pair.network, {"192.0.2.3/24", "2001:db8::3/64"});
    pair.introduce();
    TcpFlow flow(pair.alice.node(), pair.bob.node(), "10.9.0.2");
    const bool is_v4 = !source.contains(':');
    const Endpoint target =
        must(Endpoint::parse(is_v4 ? "192.0.2.2:51820" : "[2001:db8::2]:51820"));
    UdpProbe stranger(carol, is_v4 ? source + ":5000" : "[" + source + "]:5000");
    SeededRng rng(2);
    std::string noise(kMaxDatagram, '\0');
    for (std::size_t size = 0; size <= kMaxDatagram; size += size < 200 ? 1 : 997) {
      rng.fill({reinterpret_cast<std::uint8_t*>(noise.data()), size});
      // Every other one pretends to be data.
      if (size >= 4 && size % 2 == 0) store_le(reinterpret_cast<std::uint8_t*>(noise.data()), 4U);
      stranger.send(target, std::string_view(noise).substr(0, size));
      if (size % 50 == 0) CHECK(flow.carry(100'000));
    }
    stranger.send(target, noise);
    const int segment = 1;
    const os::Fd train =
        carol.udp_socket(must(Endpoint::parse(is_v4 ? source + ":5001" : "[" + source + "]:5001")));
    REQUIRE(::setsockopt(train.get(), SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0);
    const auto address = must(os::to_socket_address(target, os::family_of(train)));
    for (int i = 0; i < 100; ++i)
      static_cast<void>(::sendto(train.get(), noise.data(), 64, 0, address.get(), address.size));
    CHECK(flow.carry(kMegabyte));
    CHECK(pair.bob.counter("lost_not_wireguard") > 0);
    CHECK(pair.bob.counter("dropped_unknown_index") > 0);
    CHECK(pair.bob.peer_field("endpoints", pair.alice) == "192.0.2.1:51820");
  }
}
