// Which of several direct paths is taken: LAN, IPv6, full size (L26); and the switches.
#include <doctest/doctest.h>

#include "disco/messages.h"
#include "sim/world.h"

using namespace sinew;
using namespace sinew::sim;

namespace {

bool is_v6(const path::Route& route) {
  return route.is_direct() && !route.direct.endpoint.address.is_v4();
}

}  // namespace

TEST_CASE("sim: two machines behind the same NAT find each other's local address") {
  for (const Access access : {Access::kPortRestricted, Access::kSymmetric, Access::kFullCone}) {
    for (const bool has_hairpin : {false, true}) {
      CAPTURE(name_of(access));
      World world(first_seed());
      NatKind kind = nat_of(access);
      kind.has_hairpin = has_hairpin;
      Realm& site = world.net.add_site(kind, world.net.world());
      Node& a = world.add_to(site);
      Node& b = world.add_to(site);
      world.start();
      world.talk(a, b, 2s);
      REQUIRE(a.route_to(b).is_direct());
      CHECK(a.route_to(b).direct.endpoint == Endpoint{*b.v4, kTunnelPort});
      CHECK(b.route_to(a).direct.endpoint == Endpoint{*a.v4, kTunnelPort});
    }
  }
}

TEST_CASE("sim: UDP that is blocked towards the internet does not keep a LAN apart") {
  World world(first_seed());
  Realm& site = world.add_site(Access::kPortRestricted);
  Node& a = world.add_to(site);
  Node& b = world.add_to(site);
  world.net.is_lost = [](const Packet& packet) { return !packet.to.address.is_private(); };
  world.start();
  world.talk(a, b, 2s);
  CHECK(a.route_to(b).is_direct());
}

TEST_CASE("sim: IPv6 is taken where both have it, and IPv4 where it does not get through") {
  for (std::size_t i = 0; i < seed_count(20); ++i) {
    World world(first_seed() + i);
    Node& a = world.add(Access::kPortRestricted, true);
    Node& b = world.add(Access::kPortRestricted, true);
    world.start();
    const bool is_broken = i % 2 == 1;
    if (is_broken) {
      world.net.is_lost = [](const Packet& packet) { return !packet.to.address.is_v4(); };
    }
    const MonoTime began = world.now();
    world.talk(a, b, 3s);
    REQUIRE(a.direct_since(b).has_value());
    CHECK(*a.direct_since(b) - began < 1s);
    CHECK(is_v6(a.route_to(b)) != is_broken);
    // No detour over IPv4 first: it waits for IPv6 as long as the setting says.
    if (!is_broken) {
      CHECK(a.agent().describe(b.key(), world.now())->history.size() == 2);
    } else {
      CHECK(*a.direct_since(b) - began >= world.settings.happy_eyeballs_delay);
    }
  }
}

TEST_CASE("sim: symmetric NATs that both have IPv6 are direct over it") {
  World world(first_seed());
  Node& a = world.add(Access::kSymmetric, true);
  Node& b = world.add(Access::kSymmetric, true);
  world.start();
  world.talk(a, b, 2s);
  CHECK(is_v6(a.route_to(b)));
}

TEST_CASE("sim: IPv6 that is switched off is not used") {
  World world(first_seed());
  world.settings.has_ipv6 = false;
  Node& a = world.add(Access::kPortRestricted, true);
  Node& b = world.add(Access::kPortRestricted, true);
  world.start();
  world.talk(a, b, 2s);
  CHECK(a.route_to(b).is_direct());
  CHECK_FALSE(is_v6(a.route_to(b)));
}

TEST_CASE("sim: IPv6 that is slower than the threshold yields to IPv4") {
  World world(first_seed());
  world.settings.ipv6_threshold = 0ms;
  world.settings.prefers_ipv6 = false;
  Node& a = world.add(Access::kPublic, true);
  Node& b = world.add(Access::kPublic, true);
  world.start();
  world.talk(a, b, 2s);
  CHECK(a.route_to(b).is_direct());
  CHECK(a.agent().describe(b.key(), world.now())->answering == 2);
}

TEST_CASE("L26 a path that loses packets of full size is not used, and said to be too small") {
  World world(first_seed());
  Node& a = world.add(Access::kPortRestricted);
  Node& b = world.add(Access::kPublic);
  world.net.is_lost = [](const Packet& packet) { return packet.bytes.size() > 1400; };
  world.start();
  world.talk(a, b, 10s);
  CHECK(a.route_to(b).kind == path::RouteKind::kRelay);
  CHECK(a.why_not_direct(b) == text_of(path::WhyNotDirect::kTooSmall));
  CHECK(b.heard_of(a).longest_gap < 500ms);
}

TEST_CASE("L26 a path that becomes too small while in use is left within 15 s") {
  World world(first_seed());
  Node& a = world.add(Access::kPortRestricted);
  Node& b = world.add(Access::kPublic);
  world.start();
  world.talk(a, b, 5s);
  REQUIRE(a.route_to(b).is_direct());
  world.net.is_lost = [](const Packet& packet) { return packet.bytes.size() > 1400; };
  world.talk(a, b, 15s);
  CHECK(a.route_to(b).kind == path::RouteKind::kRelay);
  CHECK(a.why_not_direct(b) == text_of(path::WhyNotDirect::kTooSmall));
  world.net.is_lost = nullptr;
  world.talk(a, b, 60s, 100ms);
  CHECK(a.route_to(b).is_direct());
}

TEST_CASE("sim: with probes off nothing becomes direct, and nothing is sent") {
  World world(first_seed());
  world.settings.is_probing = false;
  Node& a = world.add(Access::kPublic);
  Node& b = world.add(Access::kPublic);
  world.start();
  world.talk(a, b, 5s);
  CHECK(a.route_to(b).kind == path::RouteKind::kRelay);
  CHECK(a.why_not_direct(b) == text_of(path::WhyNotDirect::kProbesOff));
  CHECK(a.datagrams_sent == 0);

  // One side's setting is enough.
  World mixed(first_seed());
  Node& c = mixed.add(Access::kPublic);
  mixed.settings.is_probing = false;
  Node& d = mixed.add(Access::kPublic);
  mixed.start();
  mixed.talk(c, d, 10s);
  CHECK_FALSE(c.route_to(d).is_direct());
  CHECK_FALSE(d.route_to(c).is_direct());
}

TEST_CASE("sim: with the relay off, pairs that cannot be direct have no route") {
  World world(first_seed());
  world.settings.is_relay_allowed = false;
  Node& a = world.add(Access::kSymmetric);
  Node& b = world.add(Access::kSymmetric);
  Node& c = world.add(Access::kPublic);
  world.start();
  world.talk(a, b, 5s);
  CHECK(a.route_to(b).kind == path::RouteKind::kNone);
  world.talk(a, c, 2s);
  CHECK(a.route_to(c).is_direct());
}
