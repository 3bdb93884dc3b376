// One TCP connection inside a mesh while everything around it changes.
//
//     nucleus 192.0.2.1 ---+
//     alice   192.0.2.2 ---+--- net
//     bob     192.0.2.3 ---+
#include <doctest/doctest.h>

#include <string>

#include "support/mesh_node.h"
#include "support/tcp_flow.h"

namespace sinew::lab {
namespace {

constexpr std::size_t kSome = 1 << 20;

// What alice and bob say to each other without the nucleus' help.
constexpr const char* kFirewall = R"(
table inet cut {
  chain out {
    type filter hook output priority 0;
    ip daddr 192.0.2.3 udp dport 1-65535 drop
  }
  chain in {
    type filter hook input priority 0;
    ip saddr 192.0.2.3 udp sport 1-65535 drop
  }
}
)";

TEST_CASE("a connection survives the loss of the direct path, of the address and of the nucleus") {
  if (!is_possible()) return;
  Lab lab;
  Network& net = lab.network("net");
  Node& hub = lab.node("nucleus").join(net, {"192.0.2.1/24"});
  Node& alice_place = lab.node("alice").join(net, {"192.0.2.2/24"});
  Node& bob_place = lab.node("bob").join(net, {"192.0.2.3/24"});
  MeshNode nucleus(lab, hub, {.mode = "nucleus"});
  MeshNode alice(lab, alice_place, {.nuclei = {"192.0.2.1"}});
  MeshNode bob(lab, bob_place, {.nuclei = {"192.0.2.1"}});
  alice.wait_for_peer("bob");
  TcpFlow flow(alice_place, bob_place, bob.address());
  REQUIRE(flow.carry(kSome));
  alice.wait_for_route("bob", "direct 192.0.2.3:");

  alice_place.nft(kFirewall);
  REQUIRE(flow.carry(kSome));
  alice.wait_for_route("bob", "relay");
  CHECK(text_of(alice.peer("bob"), "why_not_direct") != "");
  REQUIRE(flow.carry(kSome));

  alice_place.nft("delete table inet cut\n");
  REQUIRE(flow.carry(kSome));
  alice.wait_for_route("bob", "direct 192.0.2.3:", 60s);
  REQUIRE(flow.carry(kSome));

  alice_place.ip("addr del 192.0.2.2/24 dev net\naddr add 192.0.2.77/24 dev net\n");
  REQUIRE(flow.carry(kSome));
  bob.wait_for_route("alice", "direct 192.0.2.77:");

  nucleus.kill();
  REQUIRE(flow.carry(kSome));
  CHECK(text_of(bob.peer("alice"), "route").starts_with("direct 192.0.2.77:"));
}

}  // namespace
}  // namespace sinew::lab
