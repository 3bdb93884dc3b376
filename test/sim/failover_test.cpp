// Paths that break while packets flow: how long nothing arrives.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "sim/world.h"

using namespace sinew;
using namespace sinew::sim;

namespace {

constexpr Access kMovable[] = {Access::kPublic, Access::kFullCone, Access::kAddressRestricted,
                               Access::kPortRestricted, Access::kPortMapped};

Access any_access(World& world) {
  return kMovable[world.net.rng().below(std::size(kMovable))];
}

struct Pair {
  explicit Pair(std::uint64_t seed, double loss = 0)
      : world(seed), a(world.add(any_access(world))), b(world.add(any_access(world))) {
    a.loss = b.loss = loss;
    a.jitter = b.jitter = 5ms;
    world.start();
    world.talk(a, b, 3s + Duration(world.net.rng().below(1'000'000'000)));
  }

  // The longest silence in either direction from now on.
  Duration gap_of(Duration span) {
    a.heard_of(b).longest_gap = b.heard_of(a).longest_gap = {};
    world.talk(a, b, span);
    const auto since = [&](const Heard& heard) { return world.now() - heard.last; };
    return std::max({a.heard_of(b).longest_gap, b.heard_of(a).longest_gap, since(a.heard_of(b)),
                     since(b.heard_of(a))});
  }

  World world;
  Node& a;
  Node& b;
};

struct Distribution {
  std::vector<Duration> values;

  Duration at(double part) {
    std::ranges::sort(values);
    return values.at(static_cast<std::size_t>(part * static_cast<double>(values.size() - 1)));
  }
  void print(const std::string& what) {
    const auto ms = [](Duration value) {
      return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(value).count());
    };
    MESSAGE(what << ": median " << ms(at(0.5)) << " ms, p95 " << ms(at(0.95)) << " ms, longest "
                 << ms(at(1)) << " ms of " << values.size());
  }
};

// Breaks the direct path of many pairs in one way.
Distribution gaps_after(const std::function<void(Pair&)>& break_it, double loss = 0) {
  Distribution gaps;
  for (std::size_t i = 0; i < seed_count(40); ++i) {
    Pair pair(first_seed() + i, loss);
    CAPTURE(first_seed() + i);
    CHECK(pair.a.route_to(pair.b).is_direct());
    break_it(pair);
    gaps.values.push_back(pair.gap_of(8s));
  }
  return gaps;
}

}  // namespace

TEST_CASE("sim: a direct path that dies is left for the relay within 3 s") {
  auto gaps =
      gaps_after([](Pair& pair) { pair.world.net.is_lost = [](const Packet&) { return true; }; });
  gaps.print("both directions cut");
  CHECK(gaps.at(0.95) < 3s);
  CHECK(gaps.at(1) < 4s);
}

TEST_CASE("sim: a direct path that dies in one direction is left within 3 s") {
  auto gaps = gaps_after([](Pair& pair) {
    const Endpoint gone = pair.a.route_to(pair.b).direct.endpoint;
    pair.world.net.is_lost = [gone](const Packet& packet) { return packet.to == gone; };
  });
  gaps.print("one direction cut");
  CHECK(gaps.at(0.95) < 3s);
}

TEST_CASE("sim: loss of one packet in twenty neither ends a path nor slows leaving a dead one") {
  auto gaps = gaps_after(
      [](Pair& pair) { pair.world.net.is_lost = [](const Packet&) { return true; }; }, 0.025);
  gaps.print("cut, after 5 % loss");
  CHECK(gaps.at(0.95) < 3s);

  std::size_t changes = 0;
  for (std::size_t i = 0; i < seed_count(20); ++i) {
    Pair pair(first_seed() + i, 0.0125);
    pair.world.talk(pair.a, pair.b, 120s, 100ms);
    changes += pair.a.agent().describe(pair.b.key(), pair.world.now())->history.size();
  }
  CHECK(changes < seed_count(20) * 4);
}

TEST_CASE("sim: a NAT that restarts costs less than 3 s, and the path is direct again") {
  auto gaps = gaps_after([](Pair& pair) {
    for (Node* node : {&pair.a, &pair.b}) {
      if (node->realm->gateway != nullptr && !node->record().connectivity.has_port_mapping) {
        node->realm->gateway->reboot();
      }
    }
  });
  gaps.print("NATs restarted");
  CHECK(gaps.at(0.95) < 3s);
}

TEST_CASE("sim: a machine that moves to another network is heard again within 3 s") {
  auto gaps = gaps_after([](Pair& pair) {
    Realm& other = pair.world.add_site(any_access(pair.world));
    pair.a.move_to(other, false);
  });
  gaps.print("moved");
  CHECK(gaps.at(0.95) < 3s);
  for (std::size_t i = 0; i < 10; ++i) {
    Pair pair(first_seed() + i);
    pair.a.move_to(pair.world.add_site(Access::kPortRestricted), false);
    pair.world.talk(pair.a, pair.b, 8s);
    CHECK(pair.a.route_to(pair.b).is_direct());
    CHECK(pair.b.route_to(pair.a).is_direct());
  }
}

TEST_CASE("sim: the loss of the relay does not touch a direct path, and its return helps others") {
  Pair pair(first_seed());
  pair.world.set_relay(false);
  CHECK(pair.gap_of(10s) < 500ms);
  CHECK(pair.a.route_to(pair.b).is_direct());

  World world(first_seed());
  Node& a = world.add(Access::kSymmetric);
  Node& b = world.add(Access::kUdpBlocked);
  world.start();
  world.talk(a, b, 3s);
  world.set_relay(false);
  world.talk(a, b, 3s);
  CHECK(a.route_to(b).kind == path::RouteKind::kNone);
  world.set_relay(true);
  world.talk(a, b, 3s);
  CHECK(a.route_to(b).kind == path::RouteKind::kRelay);
  const auto history = a.agent().describe(b.key(), world.now())->history;
  REQUIRE(history.size() == 3);
  CHECK(history[0].change == path::Change::kStarted);
  CHECK(history[1].change == path::Change::kRelayLost);
  CHECK(history[2].change == path::Change::kRelayFound);
}

TEST_CASE("sim: without a relay the nucleus brings two strict NATs together") {
  World world(first_seed());
  Node& a = world.add(Access::kPortRestricted);
  Node& b = world.add(Access::kPortRestricted);
  world.is_relay_up = false;
  world.start();
  world.talk(a, b, 2s);
  CHECK(a.route_to(b).is_direct());
  CHECK(b.route_to(a).is_direct());
}

TEST_CASE("sim: a peer whose program restarts is direct again with its new key") {
  for (std::size_t i = 0; i < 10; ++i) {
    Pair pair(first_seed() + i);
    pair.b.restart();
    pair.world.talk(pair.a, pair.b, 4s);
    CHECK(pair.a.route_to(pair.b).is_direct());
    CHECK(pair.b.route_to(pair.a).is_direct());
  }
}
