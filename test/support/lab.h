// The network laboratory: hosts, routers with NAT, switches and bad wires, made of the kernel's
// network namespaces, for tests that run real programs across a real network. A test draws its
// topology and then builds it:
//
//     //   alice 192.168.1.2 ---+             symmetric NAT
//     //                        lan --- .1 home 198.51.100.1 --- internet --- 198.51.100.10 server
//     //   bob   192.168.1.3 ---+                  20 ms each way
//
//     TEST_CASE("hosts behind one router reach a server") {
//       if (!is_possible({"socat"})) return;  // says [skip] and why
//       Lab lab;
//       Network& internet = lab.network("internet");
//       Network& lan = lab.network("lan");
//       Node& server = lab.node("server").join(internet, {"198.51.100.10/24"});
//       Node& home = lab.node("home")
//                        .join(internet, {"198.51.100.1/24"}, {.delay = 20ms})
//                        .join(lan, {"192.168.1.1/24"})
//                        .nat(internet, {.kind = NatKind::kSymmetric});
//       Node& alice = lab.node("alice").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
//       Node& bob = lab.node("bob").join(lan, {"192.168.1.3/24"}).default_route("192.168.1.1");
//
//       Process listener = server.start({"socat", "-d", "-d", "tcp-listen:80,fork", "exec:date"});
//       listener.wait_for_output("listening on");
//       CHECK(alice.run({"socat", "-u", "tcp:198.51.100.10:80", "-"}).status.succeeded());
//
//       UdpProbe probe(bob, "192.168.1.3:5000");  // a socket of the test itself (udp_probe.h)
//       home.wire(internet).set({.loss = 1});     // the wire goes dead while the test runs
//       CHECK_FALSE(alice.can_ping("198.51.100.10"));
//     }
//
// Addresses are the test's own; nothing leaves its namespaces, so any will do. IPv6 works beside
// IPv4 in every call. Interfaces are named after the network they lead to: `ip` in `home` shows
// `internet` and `lan`. Names have at most 15 characters.
//
// Everything is gone when the Lab is: processes inside, namespaces, the folder of logs. That also
// holds when the test crashes or is killed, because a guardian process does the removal (cleanup.h,
// guardian_main.cpp); if that is killed too, the next Lab on the machine does it. Several Labs may
// live at once, in one program or in several.
//
// What cannot be built is a LabError, which ends the test case (lab_error.h). Network and Node live
// as long as their Lab. One thread builds; inside() may be called from any.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "os/child.h"
#include "os/run.h"
#include "support/impairment.h"
#include "support/lab_error.h"
#include "support/nat.h"
#include "support/netns.h"
#include "support/process.h"
#include "support/wire.h"

namespace sinew::lab {

// Whether this machine lets a test build a laboratory and has the programs it needs besides. When
// not, the test is reported as skipped with the reason.
bool is_possible(const std::vector<std::string>& programs = {});

// With prefix length: "192.0.2.1/24", "2001:db8::1/64".
using Addresses = std::vector<std::string>;

class Network;

// A host or a router: one network namespace.
class Node {
 public:
  Node(const std::string& lab, const std::string& name);

  const std::string& name() const { return name_; }
  const NetNamespace& netns() const { return netns_; }

  // Lays a cable to the network: a perfect one, or one that impairs both directions. The n-th
  // packet of a direction meets the same fate in every run with the same seed.
  Node& join(Network& network, const Addresses& addresses);
  Node& join(Network& network, const Addresses& addresses, const Impairment& both_ways,
             std::uint64_t seed = 1);
  Wire& wire(const Network& network);
  // Pulls the cable at the network's end and puts it back. Addresses and routes stay.
  Node& unplug(Network& network);
  Node& plug_in(Network& network);

  // "default" or a prefix.
  Node& route(std::string_view destination, std::string_view gateway);
  Node& default_route(std::string_view gateway) { return route("default", gateway); }
  // Passes packets on between its networks, both families.
  Node& forward();
  // forward(), and translates what leaves to `outside` into this node's first IPv4 address there.
  Node& nat(const Network& outside, const NatOptions& options = {});
  Node& sysctl(const std::string& name, const std::string& value);

  // What has no function here: lines for `ip -batch -`, a ruleset for `nft -f -`.
  Node& ip(const std::string& commands);
  Node& nft(const std::string& ruleset);

  // Runs a program to its end, whatever its status. A program that takes too long is a LabError.
  os::RunOutcome run(std::vector<std::string> argv, os::RunLimits limits = {});
  Process start(std::vector<std::string> argv);
  // Whether one of a few echo requests is answered.
  bool can_ping(const std::string& address);
  // Calls `function` on this thread inside the namespace: the sockets it opens belong there.
  template <std::invocable Function>
  auto inside(Function&& function) {
    const InsideNamespace inside(netns_);
    return std::forward<Function>(function)();
  }
  // Non-blocking sockets there; port 0 takes any.
  os::Fd udp_socket(const Endpoint& local);
  os::Fd tcp_listener(const Endpoint& local);
  Result<os::Fd> tcp_connect(const Endpoint& remote, Duration limit = 5s);

 private:
  os::ChildOptions command(std::vector<std::string> argv) const;
  void configure(const Network& network, const Addresses& addresses);

  std::string name_;
  std::string folder_;
  NetNamespace netns_;
  std::map<std::string, Addresses> addresses_;          // by network
  std::map<std::string, std::unique_ptr<Wire>> wires_;  // by network
  int started_count_ = 0;
};

// An Ethernet switch. Loses nothing and adds no delay; the wires to it may.
class Network {
 public:
  Network(const std::string& lab, const std::string& name, int mtu);

  const std::string& name() const { return node_.name(); }
  int mtu() const { return mtu_; }
  // The namespace of the switch, to look at or interfere with what crosses it: a bridge `switch`
  // with one port for each joined node, named after it.
  Node& node() { return node_; }

 private:
  Node node_;
  int mtu_;
};

// Removes the laboratory when it is destroyed, and when this process ends in any other way.
class Guardian {
 public:
  explicit Guardian(const std::string& lab);
  Guardian(const Guardian&) = delete;
  Guardian& operator=(const Guardian&) = delete;
  ~Guardian();

 private:
  os::Child child_;
};

class Lab {
 public:
  Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  Node& node(const std::string& name);
  // Everything that joins it uses its MTU.
  Network& network(const std::string& name, int mtu = 1500);

  // What the names of its namespaces begin with.
  const std::string& name() const { return name_; }
  // For the configuration and log files of programs under test. Removed with the Lab.
  std::string folder() const;

 private:
  std::string name_;
  Guardian guardian_;
  std::vector<std::unique_ptr<Network>> networks_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace sinew::lab
