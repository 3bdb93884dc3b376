// A tunnel with several workers, which share what the protocol knows. Under TSan this is what shows
// that they share nothing else. The topology is that of WgPair.
#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "support/lab.h"
#include "support/tcp_flow.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;

WgPair::Options three_workers(WgProgram bob) {
  return {.bob = bob, .arguments = {"--workers", "3"}};
}

}  // namespace

TEST_CASE("several workers carry many flows between two of ours, and to wireguard-go") {
  if (!are_tunnels_possible()) return;
  for (const auto program : {WgProgram::kSinew, WgProgram::kWireguardGo}) {
    WgPair pair(three_workers(program));
    pair.introduce();
    CHECK(pair.alice.counter("workers") == 3);
    REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
    transfer(pair.alice, pair.bob, "10.9.0.2", {"-n", "40M", "-P", "6"});
    transfer(pair.alice, pair.bob, "fd09::2", {"-n", "40M", "-P", "6", "-R"});
    transfer(pair.alice, pair.bob, "10.9.0.2", {"-u", "-b", "20M", "-P", "4", "-t", "1"});
  }
}

TEST_CASE("several workers go on while all that can be changed is changed") {
  if (!are_tunnels_possible()) return;
  WgPair pair(three_workers(WgProgram::kSinew));
  pair.introduce();
  TcpFlow there(pair.alice.node(), pair.bob.node(), "10.9.0.2");
  TcpFlow back(pair.bob.node(), pair.alice.node(), "fd09::1");
  const auto both_go_on = [&] {
    CHECK(there.carry(kMegabyte));
    CHECK(back.carry(kMegabyte));
  };
  both_go_on();
  Process load = pair.alice.node().start({"ping", "-q", "-i", "0.002", "10.9.0.2"});
  pair.alice.set({"listen-port", "51821"});
  both_go_on();
  pair.alice.set({"fwmark", "7"});
  pair.alice.node().ip("link set " + pair.alice.interface() + " mtu 1300\n");
  both_go_on();
  pair.alice.node().ip("link set " + pair.alice.interface() + " down\n");
  pair.alice.node().ip("link set " + pair.alice.interface() + " up\naddress add fd09::1/64 dev " +
                       pair.alice.interface() + " nodad\n");
  both_go_on();
  const std::string key = new_wg_key();
  pair.bob.set({"peer", pair.alice.public_key(), "remove", "peer", public_key_of(key),
                "allowed-ips", "10.9.0.1/32,fd09::1/128"});
  pair.alice.set_private_key(key);
  both_go_on();
  pair.alice.program().signal(SIGUSR1);
  pair.alice.program().wait_for_output("dropped_replay=");
  CHECK(load.is_running());
}
