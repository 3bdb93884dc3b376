// The smallest network with a tunnel in it, and transfers through it. One thread.
#pragma once

#include <string>
#include <vector>

#include "support/lab.h"
#include "support/wg_end.h"

namespace sinew::lab {

//   alice 192.0.2.1, 2001:db8::1 --- net --- 192.0.2.2, 2001:db8::2 bob
//     tunnel 10.9.0.1, fd09::1                10.9.0.2, fd09::2
struct WgPair {
  struct Options {
    WgProgram alice = WgProgram::kSinew;
    WgProgram bob = WgProgram::kSinew;
    int tunnel_mtu = 1420;
    int network_mtu = 1500;
    std::vector<std::string> arguments = {};  // of our program
  };
  struct Introduction {
    std::string endpoint_of_bob = "192.0.2.2:51820";
    std::string preshared_key = {};  // base64
    int keepalive_of_bob = 0;        // seconds
  };

  explicit WgPair(const Options& options)
      : network(lab.network("net", options.network_mtu)),
        alice(lab, lab.node("alice").join(network, {"192.0.2.1/24", "2001:db8::1/64"}),
              options.alice, {"10.9.0.1/24", "fd09::1/64"},
              {.mtu = options.tunnel_mtu, .arguments = options.arguments}),
        bob(lab, lab.node("bob").join(network, {"192.0.2.2/24", "2001:db8::2/64"}), options.bob,
            {"10.9.0.2/24", "fd09::2/64"},
            {.mtu = options.tunnel_mtu, .arguments = options.arguments}) {}
  WgPair() : WgPair(Options{}) {}

  // Alice knows where Bob is, and not the other way round: who sends first is told by that.
  void introduce(const Introduction& how) {
    alice.add_peer(bob, {.allowed_ips = "10.9.0.2/32,fd09::2/128",
                         .endpoint = how.endpoint_of_bob,
                         .preshared_key = how.preshared_key});
    bob.add_peer(alice, {.allowed_ips = "10.9.0.1/32,fd09::1/128",
                         .preshared_key = how.preshared_key,
                         .keepalive = how.keepalive_of_bob});
  }
  void introduce() { introduce(Introduction{}); }

  Lab lab;
  Network& network;
  WgEnd alice;
  WgEnd bob;
};

// Whether this machine can run tunnels to third parties in a laboratory; says [skip] when not.
bool are_tunnels_possible();

// iperf3 from the client to the server with these options, every byte counted by it. What goes
// wrong fails the test.
void transfer(WgEnd& client, WgEnd& server, const std::string& address,
              const std::vector<std::string>& options);

}  // namespace sinew::lab
