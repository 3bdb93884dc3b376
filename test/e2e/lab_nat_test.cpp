// Each kind of NAT does what its name promises: seen by our own sockets on both sides, and judged
// by coturn, which shares no line with us.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

#include "support/coturn.h"
#include "support/lab.h"
#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;
using enum NatBehaviour;

namespace {

//   alice 192.168.1.2 ---+
//                        lan --- .1 home 198.51.100.1 --- internet --- server 198.51.100.10, .11
//   bob   192.168.1.3 ---+
struct Home {
  explicit Home(const NatOptions& options) { home.nat(internet, options); }

  Lab lab;
  Network& internet = lab.network("internet");
  Network& lan = lab.network("lan");
  Node& server = lab.node("server").join(internet, {"198.51.100.10/24", "198.51.100.11/24"});
  Node& home = lab.node("home").join(internet, {"198.51.100.1/24"}).join(lan, {"192.168.1.1/24"});
  Node& alice = lab.node("alice").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
  Node& bob = lab.node("bob").join(lan, {"192.168.1.3/24"}).default_route("192.168.1.1");
};

// Two addresses with two ports each, on the internet side.
struct FourServers {
  explicit FourServers(Node& node)
      : here(node, "198.51.100.10:4000"),
        other_port(node, "198.51.100.10:4001"),
        other_address(node, "198.51.100.11:4000"),
        other_both(node, "198.51.100.11:4001") {}

  UdpProbe here;
  UdpProbe other_port;
  UdpProbe other_address;
  UdpProbe other_both;
};

// The endpoint under which `server`, reached at `to`, sees `client`.
std::optional<Endpoint> mapped(UdpProbe& client, UdpProbe& server, const Endpoint& to) {
  client.send(to, "who am I?");
  const auto seen = server.receive();
  if (!seen) return std::nullopt;
  return seen->from;
}

std::optional<Endpoint> mapped(UdpProbe& client, UdpProbe& server) {
  return mapped(client, server, server.local());
}

bool lets_in(UdpProbe& server, const Endpoint& outside, UdpProbe& client, Duration patience) {
  server.send(outside, "let me in");
  const auto seen = client.receive(patience);
  return seen && seen->from == server.local();
}

NatBehaviour mapping_of(UdpProbe& client, FourServers& servers) {
  const auto here = mapped(client, servers.here);
  const auto other_port = mapped(client, servers.other_port);
  const auto other_address = mapped(client, servers.other_address);
  REQUIRE(here);
  REQUIRE(other_port);
  REQUIRE(other_address);
  if (*here == *other_address && *here == *other_port) return kEndpointIndependent;
  return *here == *other_port ? kAddressDependent : kAddressAndPortDependent;
}

// The permitted sender comes last, so that nothing has to be waited for that does not come.
NatBehaviour filtering_of(UdpProbe& client, FourServers& servers) {
  const auto outside = mapped(client, servers.here);
  REQUIRE(outside);
  for (UdpProbe* server : {&servers.other_both, &servers.other_port, &servers.here}) {
    server->send(*outside, "let me in");
  }
  std::set<Endpoint> let_in;
  while (!let_in.contains(servers.here.local())) {
    const auto datagram = client.receive();
    REQUIRE(datagram);
    let_in.insert(datagram->from);
  }
  if (let_in.contains(servers.other_both.local())) return kEndpointIndependent;
  return let_in.contains(servers.other_port.local()) ? kAddressDependent : kAddressAndPortDependent;
}

void check_kind(NatKind kind, NatBehaviour mapping, NatBehaviour filtering) {
  if (!is_possible()) return;
  Home net({.kind = kind});
  FourServers servers(net.server);
  UdpProbe mapping_client(net.alice, "192.168.1.2:5000");
  UdpProbe filtering_client(net.alice, "192.168.1.2:5001");
  CHECK(mapping_of(mapping_client, servers) == mapping);
  CHECK(filtering_of(filtering_client, servers) == filtering);
}

}  // namespace

TEST_CASE("full cone maps and lets in without looking at the other end") {
  check_kind(NatKind::kFullCone, kEndpointIndependent, kEndpointIndependent);
}

TEST_CASE("address-restricted lets in whom the host has sent to, from any port") {
  check_kind(NatKind::kAddressRestricted, kEndpointIndependent, kAddressDependent);
}

TEST_CASE("port-restricted lets in exactly whom the host has sent to") {
  check_kind(NatKind::kPortRestricted, kEndpointIndependent, kAddressAndPortDependent);
}

TEST_CASE("symmetric maps to another port for every destination") {
  check_kind(NatKind::kSymmetric, kAddressAndPortDependent, kAddressAndPortDependent);
}

TEST_CASE("UDP-blocked router drops UDP and passes TCP and ping") {
  if (!is_possible()) return;
  Home net({.kind = NatKind::kUdpBlocked});
  UdpProbe client(net.alice, "192.168.1.2:5000");
  UdpProbe server(net.server, "198.51.100.10:4000");
  client.send(server.local(), "hello");
  CHECK_FALSE(server.receive(UdpProbe::kShortPatience));

  const Endpoint web = must(Endpoint::parse("198.51.100.10:80"));
  const os::Fd listener = net.server.tcp_listener(web);
  CHECK(net.alice.tcp_connect(web));
  CHECK(net.alice.can_ping("198.51.100.10"));
}

TEST_CASE("two hosts with the same port get two mappings that stay") {
  if (!is_possible()) return;
  for (const NatKind kind : {NatKind::kFullCone, NatKind::kAddressRestricted}) {
    Home net({.kind = kind});
    FourServers servers(net.server);
    UdpProbe alice(net.alice, "192.168.1.2:5000");
    UdpProbe bob(net.bob, "192.168.1.3:5000");
    CHECK(mapping_of(alice, servers) == kEndpointIndependent);
    CHECK(mapping_of(bob, servers) == kEndpointIndependent);
    const auto of_alice = mapped(alice, servers.here);
    const auto of_bob = mapped(bob, servers.here);
    CHECK(of_alice != of_bob);
    CHECK(lets_in(servers.here, *of_alice, alice, UdpProbe::kPatience));
    CHECK(lets_in(servers.here, *of_bob, bob, UdpProbe::kPatience));
  }
}

// Ports are drawn at random: 600 mappings for each of two hosts draw one twice nearly always. The
// hosts talk to different servers, where nothing else would keep the kernel from using it twice.
TEST_CASE("outside port belongs to one host, and a packet that would break this is lost") {
  if (!is_possible()) return;
  Home net({.kind = NatKind::kFullCone});
  FourServers servers(net.server);
  constexpr int kMappings = 600;
  const auto seen_by = [](UdpProbe& server) {
    std::set<std::uint16_t> ports;
    while (const auto datagram = server.receive(UdpProbe::kShortPatience)) {
      ports.insert(datagram->from.port);
    }
    return ports;
  };
  for (int i = 0; i < kMappings; ++i) {
    const std::string port = ":" + std::to_string(20'000 + i);
    UdpProbe(net.alice, "192.168.1.2" + port).send(servers.here.local(), "x");
    UdpProbe(net.bob, "192.168.1.3" + port).send(servers.other_both.local(), "x");
  }
  const auto of_alice = seen_by(servers.here);
  const auto of_bob = seen_by(servers.other_both);
  CHECK(of_alice.size() > kMappings - 60);
  CHECK(of_bob.size() > kMappings - 60);
  std::vector<std::uint16_t> shared;
  std::ranges::set_intersection(of_alice, of_bob, std::back_inserter(shared));
  CHECK(shared.empty());
}

TEST_CASE("host behind a full cone answers a stranger from its mapped endpoint") {
  if (!is_possible()) return;
  Home net({.kind = NatKind::kFullCone});
  FourServers servers(net.server);
  UdpProbe alice(net.alice, "192.168.1.2:5000");
  const auto outside = mapped(alice, servers.here);
  REQUIRE(outside);
  REQUIRE(lets_in(servers.other_both, *outside, alice, UdpProbe::kPatience));
  CHECK(mapped(alice, servers.other_both) == outside);
}

TEST_CASE("hairpin is off unless asked for, and then shows the sender's outside endpoint") {
  if (!is_possible()) return;
  for (const bool hairpin : {false, true}) {
    CAPTURE(hairpin);
    Home net({.kind = NatKind::kFullCone, .hairpin = hairpin});
    UdpProbe server(net.server, "198.51.100.10:4000");
    UdpProbe alice(net.alice, "192.168.1.2:5000");
    UdpProbe bob(net.bob, "192.168.1.3:5000");
    const auto of_alice = mapped(alice, server);
    const auto of_bob = mapped(bob, server);
    REQUIRE(of_alice);
    REQUIRE(of_bob);
    alice.send(*of_bob, "hello");
    const auto seen = bob.receive(hairpin ? UdpProbe::kPatience : UdpProbe::kShortPatience);
    REQUIRE(seen.has_value() == hairpin);
    if (!hairpin) continue;
    CHECK(seen->from == *of_alice);
    bob.send(seen->from, "hello back");
    const auto answer = alice.receive();
    REQUIRE(answer);
    CHECK(answer->from == *of_bob);
    // A socket that has never sent anything else is mapped on the way, and keeps that mapping.
    UdpProbe fresh(net.alice, "192.168.1.2:5001");
    const auto of_fresh = mapped(fresh, bob, *of_bob);
    REQUIRE(of_fresh);
    CHECK(of_fresh->address == of_alice->address);
    CHECK(mapped(fresh, server) == of_fresh);
  }
}

TEST_CASE("mapping ends when nothing has left for its timeout") {
  if (!is_possible()) return;
  for (const NatKind kind : {NatKind::kFullCone, NatKind::kPortRestricted}) {
    for (const std::chrono::seconds timeout : {1s, 120s}) {
      CAPTURE(timeout.count());
      Home net({.kind = kind, .mapping_timeout = timeout});
      UdpProbe server(net.server, "198.51.100.10:4000");
      UdpProbe alice(net.alice, "192.168.1.2:5000");
      const auto outside = mapped(alice, server);
      REQUIRE(outside);
      CHECK_FALSE(alice.receive(1500ms));  // the timeout itself is what is waited for
      const bool stays = timeout > 2s;
      const Duration patience = stays ? UdpProbe::kPatience : UdpProbe::kShortPatience;
      CHECK(lets_in(server, *outside, alice, patience) == stays);
    }
  }
}

//   alice 192.168.1.2 --- lan --- home 100.64.0.2 --- carrier --- cgn 198.51.100.1 --- internet
//                                                                 server 198.51.100.10, .11 ---+
TEST_CASE("host behind two NATs appears under the carrier's address, as the stricter one maps it") {
  if (!is_possible()) return;
  Lab lab;
  Network& internet = lab.network("internet");
  Network& carrier = lab.network("carrier");
  Network& lan = lab.network("lan");
  Node& server = lab.node("server").join(internet, {"198.51.100.10/24", "198.51.100.11/24"});
  lab.node("cgn")
      .join(internet, {"198.51.100.1/24"})
      .join(carrier, {"100.64.0.1/10"})
      .nat(internet, {.kind = NatKind::kAddressRestricted});
  lab.node("home")
      .join(carrier, {"100.64.0.2/10"})
      .join(lan, {"192.168.1.1/24"})
      .default_route("100.64.0.1")
      .nat(carrier, {.kind = NatKind::kPortRestricted});
  Node& alice = lab.node("alice").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");

  FourServers servers(server);
  UdpProbe mapping_client(alice, "192.168.1.2:5000");
  UdpProbe filtering_client(alice, "192.168.1.2:5001");
  const auto outside = mapped(mapping_client, servers.here);
  REQUIRE(outside);
  CHECK(outside->address == IpAddress::v4(198, 51, 100, 1));
  CHECK(mapping_of(mapping_client, servers) == kEndpointIndependent);
  CHECK(filtering_of(filtering_client, servers) == kAddressAndPortDependent);
}

//   host0 192.168.0.2 --- lan0 --- home0 198.51.100.100 ---+
//   host1 192.168.1.2 --- lan1 --- home1 198.51.100.101 ---+--- internet
//   ...                                                    |
//                                   stun 198.51.100.10, .11
TEST_CASE("coturn comes to the same verdict about every kind") {
  if (!is_possible({"turnserver", "turnutils_natdiscovery"})) return;
  struct Expected {
    NatKind kind;
    std::optional<NatBehaviour> mapping;
    std::optional<NatBehaviour> filtering;
  };
  const std::array<Expected, 5> street{{
      {NatKind::kFullCone, kEndpointIndependent, kEndpointIndependent},
      {NatKind::kAddressRestricted, kEndpointIndependent, kAddressDependent},
      {NatKind::kPortRestricted, kEndpointIndependent, kAddressAndPortDependent},
      {NatKind::kSymmetric, kAddressAndPortDependent, kAddressAndPortDependent},
      {NatKind::kUdpBlocked, std::nullopt, std::nullopt},
  }};
  Lab lab;
  Network& internet = lab.network("internet");
  Node& stun = lab.node("stun").join(internet, {"198.51.100.10/24", "198.51.100.11/24"});
  const Process server = start_stun_server(lab, stun, "198.51.100.10", "198.51.100.11");
  std::vector<Process> judges;
  for (std::size_t i = 0; i < street.size(); ++i) {
    const std::string number = std::to_string(i);
    Network& lan = lab.network("lan" + number);
    const std::string subnet = "192.168." + number;
    lab.node("home" + number)
        .join(internet, {"198.51.100.10" + number + "/24"})
        .join(lan, {subnet + ".1/24"})
        .nat(internet, {.kind = street[i].kind});
    Node& host =
        lab.node("host" + number).join(lan, {subnet + ".2/24"}).default_route(subnet + ".1");
    judges.push_back(start_nat_judge(host, subnet + ".2", "198.51.100.10"));
  }
  for (std::size_t i = 0; i < street.size(); ++i) {
    CAPTURE(i);
    const NatVerdict verdict = verdict_of(judges[i]);
    INFO(verdict.transcript);
    CHECK(verdict.mapping == street[i].mapping);
    CHECK(verdict.filtering == street[i].filtering);
  }
}

namespace {

//   alice 192.168.1.2 --- home 198.51.100.1 --- internet --- office 198.51.100.2 --- bob
//   192.168.1.2
//                                     rendezvous 198.51.100.10 ---+
//
// Both tell the rendezvous who they are and then send to each other's outside endpoint, alice
// first: her packet reaches bob's NAT before bob has sent anything.
bool punches_through(NatKind home_kind, NatKind office_kind) {
  Lab lab;
  Network& internet = lab.network("internet");
  Network& home_lan = lab.network("home_lan");
  Network& office_lan = lab.network("office_lan");
  Node& rendezvous = lab.node("rendezvous").join(internet, {"198.51.100.10/24"});
  lab.node("home")
      .join(internet, {"198.51.100.1/24"})
      .join(home_lan, {"192.168.1.1/24"})
      .nat(internet, {.kind = home_kind});
  lab.node("office")
      .join(internet, {"198.51.100.2/24"})
      .join(office_lan, {"192.168.1.1/24"})
      .nat(internet, {.kind = office_kind});
  Node& alice = lab.node("alice").join(home_lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
  Node& bob = lab.node("bob").join(office_lan, {"192.168.1.2/24"}).default_route("192.168.1.1");

  UdpProbe meeting(rendezvous, "198.51.100.10:4000");
  UdpProbe from_alice(alice, "192.168.1.2:5000");
  UdpProbe from_bob(bob, "192.168.1.2:5000");
  const auto of_alice = mapped(from_alice, meeting);
  const auto of_bob = mapped(from_bob, meeting);
  REQUIRE(of_alice);
  REQUIRE(of_bob);
  from_alice.send(*of_bob, "opens my side");
  from_bob.send(*of_alice, "opens mine");
  from_alice.send(*of_bob, "and now?");
  return from_alice.receive(1s) && from_bob.receive(1s);
}

}  // namespace

TEST_CASE("hole punching works between restricted NATs and not when one is symmetric") {
  if (!is_possible()) return;
  CHECK(punches_through(NatKind::kPortRestricted, NatKind::kPortRestricted));
  CHECK(punches_through(NatKind::kAddressRestricted, NatKind::kPortRestricted));
  CHECK_FALSE(punches_through(NatKind::kSymmetric, NatKind::kPortRestricted));
  CHECK_FALSE(punches_through(NatKind::kSymmetric, NatKind::kSymmetric));
}

//   alice fd01::2 --- lan --- home 2001:db8::1 --- internet --- server 2001:db8::10
TEST_CASE("IPv6 is not translated, and passes from outside only as an answer") {
  if (!is_possible()) return;
  Lab lab;
  Network& internet = lab.network("internet");
  Network& lan = lab.network("lan");
  Node& server =
      lab.node("server").join(internet, {"2001:db8::10/64"}).default_route("2001:db8::1");
  lab.node("home")
      .join(internet, {"198.51.100.1/24", "2001:db8::1/64"})
      .join(lan, {"fd01::1/64"})
      .nat(internet, {.kind = NatKind::kFullCone});
  Node& alice = lab.node("alice").join(lan, {"fd01::2/64"}).default_route("fd01::1");

  UdpProbe client(alice, "[fd01::2]:5000");
  UdpProbe asked(server, "[2001:db8::10]:4000");
  UdpProbe stranger(server, "[2001:db8::10]:4001");
  CHECK(mapped(client, asked) == client.local());
  CHECK(lets_in(asked, client.local(), client, UdpProbe::kPatience));
  CHECK_FALSE(lets_in(stranger, client.local(), client, UdpProbe::kShortPatience));
}
