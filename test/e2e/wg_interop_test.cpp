// `sinew wg` with a third party at the other end: Debian's wireguard-go, both configured by wg(8).
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "support/lab.h"
#include "support/wg_end.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

// What the tests of this file need.
bool has_programs() {
  return is_possible({"wireguard-go", "wg", "iperf3", "ping"});
}

//   alice 192.0.2.1, 2001:db8::1 --- net --- 192.0.2.2, 2001:db8::2 bob
//     tunnel 10.9.0.1, fd09::1                10.9.0.2, fd09::2
struct Pair {
  explicit Pair(WgProgram program_of_alice, WgProgram program_of_bob, int tunnel_mtu = 1420,
                int network_mtu = 1500)
      : network(lab.network("net", network_mtu)),
        alice(lab, lab.node("alice").join(network, {"192.0.2.1/24", "2001:db8::1/64"}),
              program_of_alice, {"10.9.0.1/24", "fd09::1/64"}, {.mtu = tunnel_mtu}),
        bob(lab, lab.node("bob").join(network, {"192.0.2.2/24", "2001:db8::2/64"}), program_of_bob,
            {"10.9.0.2/24", "fd09::2/64"}, {.mtu = tunnel_mtu}) {}

  // Alice knows where Bob is, and not the other way round: who sends first is told by that.
  void introduce(const std::string& endpoint_of_bob, const std::string& preshared_key = {}) {
    alice.add_peer(bob, {.allowed_ips = "10.9.0.2/32,fd09::2/128",
                         .endpoint = endpoint_of_bob,
                         .preshared_key = preshared_key});
    bob.add_peer(alice, {.allowed_ips = "10.9.0.1/32,fd09::1/128", .preshared_key = preshared_key});
  }

  Lab lab;
  Network& network;
  WgEnd alice;
  WgEnd bob;
};

// A transfer of so many megabytes from the client to the server, every byte counted by iperf3.
void transfer(WgEnd& client, WgEnd& server, const std::string& address,
              const std::vector<std::string>& options) {
  Process listener = server.node().start({"iperf3", "-s", "-1", "--forceflush"});
  listener.wait_for_output("Server listening");
  std::vector<std::string> command = {"iperf3", "-c", address};
  command.insert(command.end(), options.begin(), options.end());
  const os::RunOutcome outcome = client.node().run(command);
  INFO(outcome.out << outcome.err << server.program().output());
  CHECK(outcome.status.succeeded());
  CHECK(listener.wait().succeeded());
}

}  // namespace

TEST_CASE("a tunnel to wireguard-go carries ping, TCP and UDP, whoever begins") {
  if (!has_programs()) return;
  const bool we_begin = true;
  for (const bool begins : {we_begin, !we_begin}) {
    for (const std::string endpoint : {"192.0.2.2:51820", "[2001:db8::2]:51820"}) {
      for (const std::string& key : {std::string(), new_wg_key()}) {
        CAPTURE(begins);
        CAPTURE(endpoint);
        CAPTURE(key.empty());
        const auto ours = WgProgram::kSinew;
        const auto theirs = WgProgram::kWireguardGo;
        Pair pair(begins ? ours : theirs, begins ? theirs : ours);
        pair.introduce(endpoint, key);
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
  if (!has_programs()) return;
  Pair pair(WgProgram::kSinew, WgProgram::kSinew);
  pair.introduce("192.0.2.2:51820");
  CHECK(pair.alice.node().can_ping("10.9.0.2"));
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "100M"});
  transfer(pair.alice, pair.bob, "fd09::2", {"-n", "100M", "-R"});
  transfer(pair.alice, pair.bob, "fd09::2", {"-n", "50M", "-P", "4"});
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-u", "-b", "300M", "-t", "1", "-l", "1392"});
  transfer(pair.alice, pair.bob, "10.9.0.2", {"-u", "-b", "20M", "-t", "1", "-l", "64"});
}

TEST_CASE("`wg show` tells of a tunnel what it tells of the kernel's") {
  if (!has_programs()) return;
  Pair pair(WgProgram::kSinew, WgProgram::kWireguardGo);
  const std::string key = new_wg_key();
  pair.introduce("192.0.2.2:51820", key);
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
  if (!has_programs()) return;
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
