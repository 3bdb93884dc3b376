// The link of a tunnel's interface going down and up, its port, and its MTU. The topology is that
// of WgPair.
#include <doctest/doctest.h>

#include <string>

#include "support/lab.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

void set_link(WgEnd& end, const std::string& states) {
  std::string commands;
  for (const char state : states)
    commands += "link set " + end.interface() + (state == 'u' ? " up\n" : " down\n");
  end.node().ip(commands);
}

}  // namespace

TEST_CASE("a link that goes down and up at once keeps its port and its tunnel") {
  if (!are_tunnels_possible()) return;
  for (const std::vector<std::string>& workers : {std::vector<std::string>{}, {"--workers", "3"}}) {
    WgPair pair({.arguments = workers});
    pair.introduce();
    REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
    for (int i = 0; i < 3; ++i) {
      set_link(pair.bob, "du");
      set_link(pair.alice, "dudu");
      CHECK(pair.alice.show({"listen-port"}) == "51820\n");
      const bool is_reached = pair.alice.node().can_ping("10.9.0.2");
      INFO("limited: " << pair.bob.counter("dropped_rate_limited")
                       << ", stale: " << pair.bob.counter("dropped_stale_timestamp"));
      CHECK(is_reached);
    }
  }
}

TEST_CASE("a link can go down while several workers are busy") {
  if (!are_tunnels_possible()) return;
  WgPair pair({.arguments = {"--workers", "3"}});
  pair.introduce();
  REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
  Process server = pair.bob.node().start({"iperf3", "-s", "--forceflush"});
  server.wait_for_output("Server listening");
  Process client = pair.alice.node().start(
      {"iperf3", "-c", "10.9.0.2", "-t", "30", "-P", "6", "-i", "0.2", "--forceflush"});
  client.wait_for_output("sec");
  for (int i = 0; i < 5; ++i) {
    set_link(pair.alice, "d");
    set_link(pair.alice, "u");
  }
  // Bob answers a peer once in 20 ms; who was not heard tries again after 5 s.
  CHECK(pair.alice.node()
            .run({"ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", "15", "10.9.0.2"})
            .status.succeeded());
  CHECK(pair.alice.program().is_running());
}

TEST_CASE("the port that the kernel chose may be asked for by its number") {
  if (!are_tunnels_possible()) return;
  WgPair pair;
  pair.alice.set({"listen-port", "0"});
  const std::string port = pair.alice.show({"listen-port"});
  CHECK(port != "0\n");
  pair.alice.set({"listen-port", port.substr(0, port.size() - 1)});
  CHECK(pair.alice.show({"listen-port"}) == port);
  pair.introduce();
  CHECK(pair.bob.node().can_ping("10.9.0.1") == false);  // nobody told Bob where Alice is
  CHECK(pair.alice.node().can_ping("10.9.0.2"));
  CHECK(pair.bob.node().can_ping("10.9.0.1"));
}

TEST_CASE("what no datagram can hold is dropped, and counted, and the tunnel goes on") {
  if (!are_tunnels_possible()) return;
  WgPair pair({.tunnel_mtu = 65'535});
  pair.introduce();
  REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
  for (const char* size : {"65507", "65476", "65470", "65461", "65460"}) {
    // Two at a time, so that one follows the other in a turn.
    pair.alice.node().run(
        {"sh", "-c",
         std::string("ping -c 1 -W 1 -s ") + size + " 10.9.0.2 & ping -c 1 -W 1 10.9.0.2; wait"});
    CHECK(pair.alice.program().is_running());
  }
  CHECK(pair.alice.counter("lost_too_large") > 0);
  CHECK(pair.alice.node()
            .run({"ping", "-c", "1", "-W", "5", "-s", "65000", "10.9.0.2"})
            .status.succeeded());
}

// The sockets stay where they are: Carol has no other way out than the tunnel.
TEST_CASE("an interface that is moved to another network namespace goes on there") {
  if (!are_tunnels_possible()) return;
  WgPair pair;
  pair.introduce();
  REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
  Node& carol = pair.lab.node("carol");
  const std::string name = pair.alice.interface();
  pair.alice.node().ip("link set " + name + " netns " + carol.netns().name() + "\n");
  carol.ip("address add 10.9.0.1/24 dev " + name + "\nlink set " + name + " up\n");
  CHECK(carol.can_ping("10.9.0.2"));
  CHECK(pair.bob.node().can_ping("10.9.0.1"));
  CHECK(pair.alice.show({"listen-port"}) == "51820\n");
  CHECK(pair.alice.program().is_running());

  carol.ip("link set " + name + " mtu 1300\nlink set " + name + " down\n");
  CHECK_FALSE(pair.bob.node().can_ping("10.9.0.1"));
  carol.ip("link set " + name + " up\n");
  CHECK(carol.can_ping("10.9.0.2"));

  carol.ip("link del " + name + "\n");
  CHECK(pair.alice.program().wait().succeeded());
}

TEST_CASE("an interface that is moved there and back goes on") {
  if (!are_tunnels_possible()) return;
  WgPair pair({.arguments = {"--workers", "3"}});
  pair.introduce();
  Node& carol = pair.lab.node("carol");
  const std::string name = pair.alice.interface();
  pair.alice.node().ip("link set " + name + " netns " + carol.netns().name() + "\n");
  carol.ip("link set " + name + " netns " + pair.alice.node().netns().name() + "\n");
  pair.alice.node().ip("address add 10.9.0.1/24 dev " + name + "\nlink set " + name + " up\n");
  CHECK(pair.alice.node().can_ping("10.9.0.2"));
}

TEST_CASE("taking the configuration socket away ends the program and its interface") {
  if (!are_tunnels_possible()) return;
  WgPair pair;
  const std::string name = pair.alice.interface();
  pair.alice.node().run({"rm", "/var/run/wireguard/" + name + ".sock"});
  CHECK(pair.alice.program().wait().succeeded());
  CHECK_FALSE(pair.alice.node().run({"ip", "link", "show", name}).status.succeeded());
}
