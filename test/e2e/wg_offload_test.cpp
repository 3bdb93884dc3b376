// What the kernel may do for us, taken away piece by piece, and what a header says of a packet,
// carried across.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "support/lab.h"
#include "support/packet_count.h"
#include "support/tcp_flow.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

using Words = std::vector<std::string>;

void transfer_both_ways(WgPair& pair) {
  REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "20M"});
  transfer(pair.alice, pair.bob, "fd09::2", {"-n", "20M", "-R", "-P", "2"});
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-u", "-b", "50M", "-t", "1", "-l", "1392"});
}

//   alice 192.0.2.1 --- near --- router --- far --- 198.51.100.1 bob
struct Routed {
  Routed() {
    alice.add_peer(bob, {.allowed_ips = "10.9.0.2/32", .endpoint = "198.51.100.1:51820"});
    bob.add_peer(alice, {.allowed_ips = "10.9.0.1/32"});
    router.forward();
  }
  // Three echo requests with this DS byte; how many are answered at all is not asked.
  void ping(int ds) {
    alice.node().run(
        {"ping", "-q", "-c", "3", "-i", "0.05", "-W", "1", "-Q", std::to_string(ds), "10.9.0.2"});
  }

  Lab lab;
  Network& near = lab.network("near");
  Network& far = lab.network("far");
  Node& router = lab.node("router").join(near, {"192.0.2.254/24"}).join(far, {"198.51.100.254/24"});
  WgEnd alice{lab,
              lab.node("alice").join(near, {"192.0.2.1/24"}).default_route("192.0.2.254"),
              WgProgram::kSinew,
              {"10.9.0.1/24"}};
  WgEnd bob{lab,
            lab.node("bob").join(far, {"198.51.100.1/24"}).default_route("198.51.100.254"),
            WgProgram::kSinew,
            {"10.9.0.2/24"}};
};

constexpr int kEcnCapable = 0x02;
constexpr int kExpedited = 0xb8;

}  // namespace

TEST_CASE("transfers are right whatever the network card cannot do") {
  if (!are_tunnels_possible() || !is_possible({"ethtool"})) return;
  for (const Words& features : {Words{"tx", "off", "sg", "off", "tso", "off", "gso", "off"},
                                Words{"gro", "off", "rx", "off"},
                                Words{"tx", "off", "rx", "off", "gso", "off", "gro", "off"}}) {
    CAPTURE(features.size());
    WgPair pair;
    pair.introduce();
    for (WgEnd* end : {&pair.alice, &pair.bob}) {
      Words command = {"ethtool", "-K", "net"};
      command.insert(command.end(), features.begin(), features.end());
      const auto changed = end->node().run(command);
      INFO(changed.err);
      REQUIRE(changed.status.succeeded());
    }
    transfer_both_ways(pair);
  }
}

TEST_CASE("transfers are right with super-packets of any size, on either interface") {
  if (!are_tunnels_possible()) return;
  for (const std::string size : {"3000", "20000"}) {
    WgPair pair;
    pair.introduce();
    for (WgEnd* end : {&pair.alice, &pair.bob}) {
      for (const std::string& interface : {std::string("net"), end->interface()})
        end->node().ip("link set " + interface + " gso_max_size " + size + "\n");
    }
    transfer_both_ways(pair);
  }
}

TEST_CASE("congestion that a router marks outside arrives inside, or ends what cannot carry it") {
  if (!are_tunnels_possible()) return;
  Routed net;
  REQUIRE(net.alice.node().can_ping("10.9.0.2"));
  net.router.nft(
      "table ip congestion {\n  chain forwarded {\n    type filter hook forward priority 0\n"
      "    iifname \"near\" udp dport 51820 ip ecn set ce\n  }\n}\n");
  PacketCount marked(net.bob.node(), "marked", "iifname \"" + net.bob.interface() + "\" ip ecn ce");
  PacketCount echoes(net.bob.node(), "echoes",
                     "iifname \"" + net.bob.interface() + "\" icmp type echo-request");
  net.ping(kEcnCapable);
  CHECK(echoes.value() == 3);
  CHECK(marked.value() == 3);
  net.ping(0);
  CHECK(echoes.value() == 3);
  CHECK(net.bob.counter("lost_congestion_unmarkable") == 3);
}

TEST_CASE("the class of a packet inside is that of the packet outside, unless it was marked") {
  if (!are_tunnels_possible()) return;
  Routed net;
  REQUIRE(net.alice.node().can_ping("10.9.0.2"));
  const std::string incoming = "iifname \"near\" udp dport 51820 ";
  PacketCount expedited(net.router, "expedited", incoming + "ip dscp ef");
  PacketCount capable(net.router, "capable", incoming + "ip ecn ect0");
  PacketCount inside(net.bob.node(), "inside",
                     "iifname \"" + net.bob.interface() + "\" ip dscp ef");
  net.ping(kExpedited);
  CHECK(expedited.value() == 3);
  CHECK(inside.value() == 3);
  CHECK(capable.value() == 0);
  net.ping(kEcnCapable);
  CHECK(expedited.value() == 3);
  CHECK(capable.value() == 3);
}
