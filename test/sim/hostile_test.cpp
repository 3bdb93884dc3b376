// Members and strangers that mean harm (L37), and bounds under them.
#include <doctest/doctest.h>

#include <map>

#include "disco/messages.h"
#include "path/limits.h"
#include "sim/world.h"

using namespace sinew;
using namespace sinew::sim;

namespace {

// One agent, and a member who says whatever the test wants.
struct Stage {
  SeededRng rng{first_seed()};
  crypto::X25519PrivateKey own = crypto::X25519PrivateKey::generate(rng);
  crypto::X25519PrivateKey evil = crypto::X25519PrivateKey::generate(rng);
  netmap::NodeKey self{{1}};
  netmap::NodeKey member{{2}};
  netmap::DiscoKey member_disco{evil.public_key()};
  crypto::BoxKey box = *crypto::BoxKey::between(evil, own.public_key());
  MonoTime now{1h};
  path::Agent agent{rng, own, self, {}};
  std::map<IpAddress, std::uint64_t> to_address;
  std::uint64_t total = 0;
  std::size_t largest = 0;
  std::vector<path::Transmit> last;

  Stage() {
    agent.set_relay_available(kRelay, true, now);
    agent.upsert_peer(record({}), now);
    drain();
  }
  netmap::Peer record(std::vector<netmap::Candidate> candidates) const {
    return {.key = member,
            .disco = member_disco,
            .name = {},
            .v4 = {},
            .v6 = {},
            .candidates = std::move(candidates),
            .home = kRelay,
            .connectivity = {}};
  }
  void say(const disco::Message& message, const path::Way& from) {
    agent.feed(disco::seal(message, box, member_disco, rng), from, now);
    drain();
  }
  void call(std::vector<netmap::Candidate> candidates, bool has_open_sockets = false,
            netmap::Connectivity connectivity = {}) {
    say(disco::CallMe{.sender = member,
                      .connectivity = connectivity,
                      .is_answer = false,
                      .has_open_sockets = has_open_sockets,
                      .candidates = std::move(candidates)},
        path::Relayed{member});
  }
  void drain() {
    while (agent.next_event()) {
    }
    last.clear();
    while (auto out = agent.next_transmit()) {
      if (const auto* direct = std::get_if<path::Direct>(&out->to)) {
        ++to_address[direct->endpoint.address];
        ++total;
        largest = std::max(largest, out->bytes.size());
      }
      last.push_back(std::move(*out));
    }
  }
  void run_for(Duration span) {
    const MonoTime end = now + span;
    while (agent.deadline() <= end) {
      now = std::max(now, agent.deadline());
      agent.expire(now);
      drain();
    }
    now = end;
  }
};

netmap::Candidate at(std::uint32_t victim, std::uint16_t port) {
  return {.endpoint = {IpAddress::v4(20, static_cast<std::uint8_t>(victim >> 16),
                                     static_cast<std::uint8_t>(victim >> 8),
                                     static_cast<std::uint8_t>(victim)),
                       port},
          .kind = netmap::CandidateKind::kReflexive};
}

constexpr std::uint64_t tokens(TokenBucket::Limits limits, Duration span) {
  return limits.burst + static_cast<std::uint64_t>(span / limits.interval);
}

}  // namespace

TEST_CASE("L37 a member who names ten thousand victims gets a trickle of small pings out of us") {
  Stage stage;
  const MonoTime began = stage.now;
  std::uint32_t victim = 0;
  while (victim < 10'000) {
    std::vector<netmap::Candidate> candidates;
    for (std::size_t i = 0; i < netmap::kMaxCandidates; ++i)
      candidates.push_back(at(victim++, 53));
    stage.agent.upsert_peer(stage.record(candidates), stage.now);
    stage.call(candidates);
    stage.agent.punch(stage.member, candidates, stage.now);
    stage.agent.note_wanted(stage.member, stage.now);
    stage.run_for(50ms);
  }
  const Duration span = stage.now - began;
  CHECK(stage.total <= tokens(path::kPingsPerPeer, span));
  CHECK(stage.total > 100);  // the caps are what bounds it
  CHECK(stage.largest == disco::Ping::kSize);
  CHECK(stage.agent.counters().held_back > 0);
  CHECK(stage.agent.describe(stage.member, stage.now)->paths <= path::kMaxPaths);
}

TEST_CASE("L37 an address that many ports and calls name is spared") {
  Stage stage;
  for (int i = 0; i < 600; ++i) {
    std::vector<netmap::Candidate> candidates;
    for (std::uint16_t port = 0; port < netmap::kMaxCandidates; ++port) {
      candidates.push_back(at(7, static_cast<std::uint16_t>(1000 + i * 12 + port)));
    }
    stage.call(candidates);
    stage.agent.note_wanted(stage.member, stage.now);
    stage.run_for(100ms);
  }
  REQUIRE(stage.to_address.size() == 1);
  CHECK(stage.total <= tokens(path::kPingsPerAddress, 60s));
}

TEST_CASE("L37 many members that name one victim send it no more than one does") {
  Stage stage;
  for (std::uint8_t i = 0; i < 100; ++i) {
    auto record = stage.record({at(7, 53)});
    record.key = netmap::NodeKey({100, i});
    stage.agent.upsert_peer(record, stage.now);
    stage.agent.note_wanted(record.key, stage.now);
  }
  stage.drain();
  stage.run_for(60s);
  CHECK(stage.total <= tokens(path::kPingsPerAddress, 60s));
}

TEST_CASE("L37 guessing of ports happens once in a while, at its pace, and ends") {
  Stage stage;
  stage.agent.set_local({at(1, 1)},
                        {.has_udp = true,
                         .mapping = netmap::NatBehaviour::kEndpointIndependent,
                         .filtering = netmap::NatBehaviour::kAddressAndPortDependent},
                        stage.now);
  for (int i = 0; i < 60; ++i) {
    stage.call({at(7, 53)}, true,
               {.has_udp = true,
                .mapping = netmap::NatBehaviour::kAddressAndPortDependent,
                .filtering = netmap::NatBehaviour::kAddressAndPortDependent});
    stage.run_for(1s);
  }
  CHECK(stage.total > path::kGuesses);
  CHECK(stage.total <= 2 * path::kGuesses + tokens(path::kPingsPerAddress, 60s));
  CHECK(stage.largest == disco::Ping::kSize);
}

TEST_CASE(
    "L37 a ping from a forged address is answered once, shorter, and asked back a few times") {
  Stage stage;
  const Endpoint victim{IpAddress::v4(20, 0, 0, 7), 53};
  const Bytes recorded =
      disco::seal(disco::Ping{.sender = stage.member}, stage.box, stage.member_disco, stage.rng);
  stage.agent.note_wanted(stage.member, stage.now);
  stage.drain();
  stage.agent.feed(recorded, path::Direct{.endpoint = victim, .socket = path::kMainSocket},
                   stage.now);
  stage.drain();
  CHECK(stage.to_address[victim.address] == 2);
  CHECK(stage.last.at(0).bytes.size() < recorded.size());
  CHECK(stage.last.at(1).bytes.size() == recorded.size());
  stage.run_for(60s);
  CHECK(stage.to_address[victim.address] <= 40);
  CHECK_FALSE(stage.agent.route_of(stage.member).is_direct());
}

TEST_CASE("path: strangers are not answered") {
  Stage stage;
  const auto stranger = crypto::X25519PrivateKey::generate(stage.rng);
  const auto box = *crypto::BoxKey::between(stranger, stage.own.public_key());
  const Bytes ping =
      disco::seal(disco::Ping{.sender = stage.member}, box, {stranger.public_key()}, stage.rng);
  stage.agent.feed(ping, path::Direct{.endpoint = at(7, 53).endpoint, .socket = {}}, stage.now);
  stage.drain();
  CHECK(stage.last.empty());
  CHECK(stage.agent.counters().from_strangers == 1);
  CHECK(stage.agent.deadline() == MonoTime::never());
}

TEST_CASE("path: a member cannot speak for another") {
  Stage stage;
  const netmap::NodeKey other{{3}};
  auto record = stage.record({});
  record.key = other;
  record.disco = {crypto::X25519PrivateKey::generate(stage.rng).public_key()};
  stage.agent.upsert_peer(record, stage.now);
  const path::Direct from{.endpoint = at(7, 53).endpoint, .socket = {}};
  stage.say(disco::Ping{.sender = other}, from);
  CHECK(stage.last.empty());
  stage.say(disco::CallMe{.sender = other,
                          .connectivity = {},
                          .is_answer = false,
                          .has_open_sockets = false,
                          .candidates = {at(8, 1)}},
            path::Relayed{stage.member});
  CHECK(stage.last.empty());
  // The relay says who sent it; both have to agree.
  stage.say(disco::CallMe{.sender = stage.member,
                          .connectivity = {},
                          .is_answer = false,
                          .has_open_sockets = false,
                          .candidates = {at(8, 1)}},
            path::Relayed{other});
  CHECK(stage.last.empty());
  CHECK(stage.agent.counters().unexpected == 3);
}

TEST_CASE("path: a member that copies another's disco key does not cut it off") {
  Stage stage;
  auto copy = stage.record({});
  copy.key = netmap::NodeKey({9});
  stage.agent.upsert_peer(copy, stage.now);
  stage.say(disco::Ping{.sender = stage.member},
            path::Direct{.endpoint = at(7, 53).endpoint, .socket = {}});
  CHECK(stage.last.size() == 1);
  stage.agent.remove_peer(copy.key, stage.now);
  stage.say(disco::Ping{.sender = stage.member},
            path::Direct{.endpoint = at(7, 53).endpoint, .socket = {}});
  CHECK(stage.last.size() == 1);
}

TEST_CASE("path: a pong counts only from where the ping went, once, and for its transaction") {
  Stage stage;
  stage.agent.upsert_peer(stage.record({at(7, 53)}), stage.now);
  stage.agent.note_wanted(stage.member, stage.now);
  stage.drain();
  const auto own_box = *crypto::BoxKey::between(stage.evil, stage.own.public_key());
  std::optional<disco::Ping> ping;
  for (const path::Transmit& out : stage.last) {
    const auto message = disco::open(out.bytes, own_box);
    REQUIRE(message.has_value());
    if (const auto* found = std::get_if<disco::Ping>(&*message)) ping = *found;
  }
  REQUIRE(ping.has_value());
  const disco::Pong pong{.transaction = ping->transaction, .observed = at(1, 1).endpoint};
  const auto direct = [](const Endpoint& endpoint) {
    return path::Direct{.endpoint = endpoint, .socket = path::kMainSocket};
  };
  stage.say(disco::Pong{.transaction = {1}, .observed = {}}, direct(at(7, 53).endpoint));
  CHECK(stage.agent.counters().unexpected == 1);
  stage.say(pong, direct(at(7, 54).endpoint));
  CHECK(stage.agent.counters().unexpected == 2);
  CHECK(stage.agent.counters().pongs_received == 0);
}

TEST_CASE("path: addresses nobody else answers at, and those inside the network, are not probed") {
  Stage stage;
  path::Settings settings;
  settings.inner_networks = {*IpPrefix::parse("10.147.0.0/16")};
  stage.agent.set_settings(settings, stage.now);
  std::vector<netmap::Candidate> candidates;
  for (const char* text :
       {"127.0.0.1:1", "0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "10.147.3.4:1", "[::1]:1",
        "[ff02::1]:1", "[fe80::1]:1", "[100::5]:1", "[::]:1"}) {
    candidates.push_back({.endpoint = *Endpoint::parse(text)});
  }
  candidates.push_back({.endpoint = {IpAddress::v4(20, 0, 0, 1), 0}});
  stage.agent.upsert_peer(stage.record(candidates), stage.now);
  stage.agent.note_wanted(stage.member, stage.now);
  stage.drain();
  stage.run_for(10s);
  CHECK(stage.total == 0);
  CHECK(stage.agent.describe(stage.member, stage.now)->why == path::WhyNotDirect::kNoCandidates);
}

TEST_CASE("path: a peer that is removed is forgotten, with its timers and sockets") {
  World world(first_seed());
  Node& a = world.add(Access::kSymmetric);
  Node& b = world.add(Access::kPortRestricted);
  world.start();
  world.talk(a, b, 2s);
  CHECK(a.sockets_open() > path::kPunchSockets);
  a.agent().remove_peer(b.key(), world.now());
  a.flush();
  CHECK(a.sockets_open() == 1);
  CHECK(a.agent().deadline() == MonoTime::never());
  CHECK_FALSE(a.agent().describe(b.key(), world.now()).has_value());
}
