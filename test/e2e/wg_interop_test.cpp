// `sinew wg` with a third party at the other end: Debian's wireguard-go, both configured by wg(8).
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "support/lab.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

TEST_CASE("a tunnel to wireguard-go carries ping, TCP and UDP, whoever begins") {
  if (!are_tunnels_possible()) return;
  const bool we_begin = true;
  for (const bool begins : {we_begin, !we_begin}) {
    for (const std::string endpoint : {"192.0.2.2:51820", "[2001:db8::2]:51820"}) {
      for (const std::string& key : {std::string(), new_wg_key()}) {
        CAPTURE(begins);
        CAPTURE(endpoint);
        CAPTURE(key.empty());
        const auto ours = WgProgram::kSinew;
        const auto theirs = WgProgram::kWireguardGo;
        WgPair pair({.alice = begins ? ours : theirs, .bob = begins ? theirs : ours});
        pair.introduce({.endpoint_of_bob = endpoint, .preshared_key = key});
        CHECK(pair.alice.node().can_ping("10.9.0.2"));
        CHECK(pair.alice.node().can_ping("fd09::2"));
        CHECK(pair.bob.node().can_ping("10.9.0.1"));
        transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "20M"});
        transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "20M", "-R"});
        transfer(pair.alice, pair.bob, "fd09::2", {"-n", "10M", "-P", "3"});
        transfer(pair.alice, pair.bob, "fd09::2", {"-u", "-b", "50M", "-t", "1"});
      }
    }
  }
}

TEST_CASE("two of ours carry all offloads between them") {
  if (!are_tunnels_possible()) return;
  WgPair pair;
  pair.introduce();
  CHECK(pair.alice.node().can_ping("10.9.0.2"));
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "100M"});
  transfer(pair.alice, pair.bob, "fd09::2", {"-n", "100M", "-R"});
  transfer(pair.alice, pair.bob, "fd09::2", {"-n", "50M", "-P", "4"});
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-u", "-b", "300M", "-t", "1", "-l", "1392"});
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-u", "-b", "20M", "-t", "1", "-l", "64"});
}

TEST_CASE("`wg show` tells of a tunnel what it tells of the kernel's") {
  if (!are_tunnels_possible()) return;
  WgPair pair({.bob = WgProgram::kWireguardGo});
  const std::string key = new_wg_key();
  pair.introduce({.preshared_key = key});
  CHECK(pair.alice.peer_field("latest-handshakes", pair.bob) == "0");
  CHECK(pair.alice.node().can_ping("10.9.0.2"));
  CHECK(pair.alice.peer_field("latest-handshakes", pair.bob) != "0");
  CHECK(pair.alice.peer_field("endpoints", pair.bob) == "192.0.2.2:51820");
  CHECK(pair.alice.peer_field("allowed-ips", pair.bob) == "10.9.0.2/32 fd09::2/128");
  CHECK(pair.alice.peer_field("preshared-keys", pair.bob) == key);
  CHECK(pair.alice.peer_field("persistent-keepalive", pair.bob) == "off");
  CHECK(pair.alice.show({"listen-port"}) == "51820\n");
  CHECK(pair.alice.show({"public-key"}) == pair.alice.public_key() + "\n");
}

TEST_CASE("the interface is gone when the program is, and the program when the interface is") {
  if (!are_tunnels_possible()) return;
  Lab lab;
  Node& node = lab.node("alice");
  for (const bool is_killed : {true, false}) {
    WgEnd end(lab, node, WgProgram::kSinew, {"10.9.0.1/24"});
    if (is_killed) {
      end.program().signal(SIGKILL);
    } else {
      node.ip("link delete " + end.interface());
    }
    end.program().wait();
    CHECK_FALSE(node.run({"ip", "link", "show", end.interface()}).status.succeeded());
  }
}
