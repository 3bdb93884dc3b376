// A tunnel with a translating router in between, which forgets what does not talk.
//
//   alice 192.168.1.2 --- lan --- .1 home 198.51.100.1 --- internet --- 198.51.100.10 bob
//     tunnel 10.9.0.1                                                     10.9.0.2
#include <doctest/doctest.h>

#include <string>

#include "support/datagram_tap.h"
#include "support/lab.h"
#include "support/udp_probe.h"
#include "support/wg_pair.h"
#include "wg/messages.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr auto kOurs = WgProgram::kSinew;
constexpr auto kTheirs = WgProgram::kWireguardGo;

struct Home {
  Home(WgProgram program_of_alice, WgProgram program_of_bob, const NatOptions& nat)
      : home(lab.node("home")
                 .join(internet, {"198.51.100.1/24"})
                 .join(lan, {"192.168.1.1/24"})
                 .nat(internet, nat)),
        alice(lab, lab.node("alice").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1"),
              program_of_alice, {"10.9.0.1/24"}),
        bob(lab, lab.node("bob").join(internet, {"198.51.100.10/24"}), program_of_bob,
            {"10.9.0.2/24"}) {}

  void introduce(int keepalive_of_alice) {
    bob.add_peer(alice, {.allowed_ips = "10.9.0.1/32"});
    alice.add_peer(bob, {.allowed_ips = "10.9.0.2/32",
                         .endpoint = "198.51.100.10:51820",
                         .keepalive = keepalive_of_alice});
  }

  Lab lab;
  Network& internet = lab.network("internet");
  Network& lan = lab.network("lan");
  Node& home;
  WgEnd alice;
  WgEnd bob;
};

bool is_keepalive(const TappedDatagram& datagram) {
  return wg::kind_of(datagram.bytes) == wg::Kind::kData &&
         datagram.bytes.size() == wg::kKeepaliveSize;
}

}  // namespace

TEST_CASE("a persistent keepalive holds the way through a NAT of every kind open") {
  if (!are_tunnels_possible()) return;
  struct Case {
    NatKind kind;
    WgProgram alice;
    WgProgram bob;
  };
  for (const Case& one : {Case{NatKind::kFullCone, kOurs, kOurs},
                          {NatKind::kAddressRestricted, kOurs, kTheirs},
                          {NatKind::kPortRestricted, kTheirs, kOurs},
                          {NatKind::kSymmetric, kOurs, kOurs},
                          {NatKind::kSymmetric, kTheirs, kOurs}}) {
    CAPTURE(static_cast<int>(one.kind));
    CAPTURE(one.alice == kOurs);
    CAPTURE(one.bob == kOurs);
    constexpr auto kTimeout = 1s;
    Home net(one.alice, one.bob, {.kind = one.kind, .mapping_timeout = kTimeout});
    DatagramTap tap(net.internet, net.home);
    // The keepalive makes the first call as well.
    net.introduce(1);
    for (auto silence = 0s; silence <= kTimeout; silence += 1s)
      tap.wait_for(is_keepalive);
    CHECK(net.bob.node().can_ping("10.9.0.1"));
    CHECK(net.bob.peer_field("endpoints", net.alice).starts_with("198.51.100.1:"));
    transfer(net.alice, net.bob, "10.9.0.2", {"-n", "5M"});
    transfer(net.alice, net.bob, "10.9.0.2", {"-n", "5M", "-R"});
  }
}

TEST_CASE("after a NAT has forgotten a tunnel, the one inside brings it back by a word") {
  if (!are_tunnels_possible()) return;
  for (const NatKind kind : {NatKind::kPortRestricted, NatKind::kSymmetric}) {
    CAPTURE(static_cast<int>(kind));
    Home net(kOurs, kOurs, {.kind = kind, .mapping_timeout = 2s});
    net.introduce(0);
    REQUIRE(net.alice.node().can_ping("10.9.0.2"));
    REQUIRE(net.bob.node().can_ping("10.9.0.1"));
    const std::string handshake = net.bob.peer_field("latest-handshakes", net.alice);
    const std::string endpoint = net.bob.peer_field("endpoints", net.alice);
    UdpProbe nobody(net.bob.node(), "198.51.100.10:4000");
    CHECK_FALSE(nobody.receive(2500ms));  // the timeout itself is what is waited for
    CHECK_FALSE(net.bob.node().can_ping("10.9.0.1"));
    CHECK(net.alice.node().can_ping("10.9.0.2"));
    CHECK(net.bob.node().can_ping("10.9.0.1"));
    CHECK((net.bob.peer_field("endpoints", net.alice) != endpoint) ==
          (kind == NatKind::kSymmetric));
    CHECK(net.bob.peer_field("latest-handshakes", net.alice) == handshake);
  }
}
