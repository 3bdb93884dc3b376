// What peers cost that nobody talks to, and what keeps their path open.
#include <doctest/doctest.h>

#include "path/keepalive.h"
#include "sim/world.h"

using namespace sinew;
using namespace sinew::sim;

namespace {

constexpr std::uint64_t kDailyBudget =
    1'000'000;  // bytes, sent and received, with IP and UDP headers

struct Idle {
  explicit Idle(Duration nat_timeout, std::uint64_t seed = first_seed())
      : world(seed), a(add(nat_timeout)), b(add(nat_timeout)) {
    world.survey_interval = 20s;
    world.start();
    world.talk(a, b, 3s);
  }
  Node& add(Duration nat_timeout) {
    NatKind kind = nat_of(Access::kPortRestricted);
    kind.timeout = nat_timeout;
    return world.add_to(world.net.add_site(kind, world.net.world()));
  }
  std::uint64_t bytes() const { return a.bytes_sent + a.bytes_received; }

  World world;
  Node& a;
  Node& b;
};

}  // namespace

TEST_CASE("sim: an idle peer costs less than 1 MB a day and stays direct") {
  for (const Duration timeout : {Duration(60s), Duration(120s), Duration(300s)}) {
    CAPTURE(timeout.count());
    Idle idle(timeout);
    REQUIRE(idle.a.route_to(idle.b).is_direct());
    idle.world.run_for(60s);
    const std::uint64_t before = idle.bytes();
    const Duration span = path::kKeepIdle - 5min;
    idle.world.run_for(span);
    const auto daily = static_cast<std::uint64_t>(static_cast<double>(idle.bytes() - before) *
                                                  (24.0 * 3600 / 6900));
    CHECK(daily < kDailyBudget);
    MESSAGE("NAT forgets after " << timeout.count() / 1'000'000'000 << " s: " << daily / 1000
                                 << " kB a day");
    CHECK(idle.a.route_to(idle.b).is_direct());
    // The first packet after all that time takes the direct path.
    const std::uint64_t by_relay = idle.b.heard_of(idle.a).by_relay;
    idle.world.talk(idle.a, idle.b, 1s);
    CHECK(idle.b.heard_of(idle.a).by_relay == by_relay);
  }
}

TEST_CASE("sim: the interval grows no further than the NAT's memory") {
  Idle idle(50s);
  idle.world.run_for(90min);
  const auto interval = idle.a.agent().describe(idle.b.key(), idle.world.now())->keepalive;
  CHECK(interval <= 50s);
  CHECK(interval >= path::kShortestKeepalive);
  CHECK(idle.a.route_to(idle.b).is_direct());
  Idle patient(300s);
  patient.world.run_for(90min);
  const auto one = patient.a.agent().describe(patient.b.key(), patient.world.now())->keepalive;
  const auto other = patient.b.agent().describe(patient.a.key(), patient.world.now())->keepalive;
  CHECK(std::max(one, other) == path::kLongestKeepalive);
}

TEST_CASE("sim: a peer that nobody talked to costs nothing at all") {
  World world(first_seed());
  for (int i = 0; i < 8; ++i)
    world.add(Access::kPortRestricted);
  world.start();
  world.run_for(1h);
  for (const auto& node : world.nodes) {
    CHECK(node->datagrams_sent == 0);
    CHECK(node->agent().deadline() == MonoTime::never());
  }
}

TEST_CASE("sim: a peer nobody talks to any more falls asleep, sends nothing, and wakes at once") {
  Idle idle(120s);
  idle.world.run_for(path::kKeepIdle + 1min);
  CHECK(idle.a.why_not_direct(idle.b) == text_of(path::WhyNotDirect::kAsleep));
  const std::uint64_t before = idle.bytes();
  idle.world.run_for(24h);
  CHECK(idle.bytes() == before);
  const MonoTime woken = idle.world.now();
  idle.world.talk(idle.a, idle.b, 2s);
  REQUIRE(idle.a.direct_since(idle.b).has_value());
  CHECK(*idle.a.direct_since(idle.b) - woken < 1s);
}
