#include "signal/group.h"

#include <doctest/doctest.h>

#include "signal/testing.h"

using namespace sinew;
using namespace sinew::signal;
using namespace sinew::signal::test;

namespace {

// Two nuclei that know nothing of each other, and nodes that know both. Nothing is lost on the way.
class TwoNuclei {
 public:
  TwoNuclei() {
    for (auto& server : servers)
      server = start();
  }

  std::unique_ptr<Server> start() {
    auto server = std::make_unique<Server>(rng, PrivateKey::generate(rng), Server::Settings{});
    VERIFY(server->add_cluster(
        {.name = "home", .key = key_of(1), .v4_range = Server::default_v4_range(), .relays = {}},
        now));
    return server;
  }

  Group& add() { return begin(PrivateKey::generate(rng), {}); }
  // The machine of `node` has restarted: it is known by the same key, and probes under another.
  void restart(std::size_t node, const DiscoKey& disco) {
    begin(private_keys[node].clone(), disco);
    groups[node] = std::move(groups.back());
    groups.pop_back();
    keys.pop_back();
    private_keys.pop_back();
  }
  Group& begin(PrivateKey key, const DiscoKey& disco) {
    private_keys.push_back(key.clone());
    const Client::Config config{.key = key_of(1),
                                .node = std::move(key),
                                .disco = disco,
                                .name = "node",
                                .wanted_v4 = std::nullopt,
                                .wanted_v6 = std::nullopt,
                                .nucleus_key = std::nullopt};
    keys.push_back(config.node.public_key());
    groups.push_back(std::make_unique<Group>(rng, config, 2));
    for (std::size_t i = 0; i < 2; ++i)
      groups.back()->set_servers(i, {place(i)}, now);
    return *groups.back();
  }

  static Endpoint place(std::size_t nucleus) {
    return endpoint(static_cast<std::uint8_t>(1 + nucleus), 51821);
  }
  static Endpoint home(std::size_t node) { return endpoint(static_cast<std::uint8_t>(100 + node)); }

  // What is said is heard at once.
  void exchange() {
    for (bool is_moving = true; is_moving;) {
      is_moving = false;
      for (std::size_t node = 0; node < groups.size(); ++node) {
        while (const auto sending = groups[node]->next_transmit()) {
          is_moving = true;
          if (!is_up[sending->nucleus]) continue;
          servers[sending->nucleus]->feed(sending->transmit.bytes,
                                          {.endpoint = home(node), .stream = 0}, now, {});
        }
      }
      for (std::size_t nucleus = 0; nucleus < 2; ++nucleus) {
        while (const auto transmit = servers[nucleus]->next_transmit()) {
          is_moving = true;
          for (std::size_t node = 0; node < groups.size(); ++node) {
            if (!is_up[nucleus] || transmit->to.endpoint != home(node)) continue;
            groups[node]->feed(transmit->bytes, {.endpoint = place(nucleus), .stream = 0}, now);
          }
        }
      }
    }
  }
  void run_for(Duration duration) {
    for (const MonoTime end = now + duration; now < end; now += 50ms) {
      for (auto& group : groups)
        group->expire(now);
      for (auto& server : servers)
        server->expire(now);
      exchange();
    }
  }

  SeededRng rng{4};
  MonoTime now{1h};
  std::unique_ptr<Server> servers[2];
  bool is_up[2] = {true, true};
  std::vector<std::unique_ptr<Group>> groups;
  std::vector<NodeKey> keys;
  std::vector<PrivateKey> private_keys;
};

template <typename Wanted>
std::size_t count(Group& group) {
  std::size_t n = 0;
  while (const auto event = group.next_event())
    n += std::holds_alternative<Wanted>(event->event) ? 1 : 0;
  return n;
}

}  // namespace

TEST_CASE("nuclei: a node has one address with all of them, and hears of a peer once") {
  TwoNuclei world;
  Group& a = world.add();
  Group& b = world.add();
  world.run_for(2s);
  CHECK(a.state() == Client::State::kRegistered);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(a.client(i).state() == Client::State::kRegistered);
    CHECK(a.client(i).map().self.v4 == a.map().self.v4);
    CHECK(a.client(i).map().self.v6 == a.map().self.v6);
  }
  REQUIRE(a.map().peers.size() == 1);
  CHECK(a.map().peers.at(world.keys[1]).v4 == b.map().self.v4);
}

TEST_CASE("nuclei: while one answers nothing is lost, and a node that only it knows is there") {
  TwoNuclei world;
  Group& a = world.add();
  Group& b = world.add();
  world.run_for(2s);
  const auto self = a.map().self;
  world.is_up[0] = false;
  world.run_for(3min);
  CHECK(count<Client::LostEvent>(a) == 0);
  CHECK(a.map().peers.contains(world.keys[1]));
  CHECK(a.map().peers.at(world.keys[1]).is_online);
  world.add();
  world.run_for(5s);
  CHECK(a.map().peers.contains(world.keys[2]));
  CHECK(b.map().peers.contains(world.keys[2]));

  // The other one comes back without anything it knew, while this one goes.
  world.servers[0] = world.start();
  world.is_up[0] = true;
  world.run_for(30s);
  world.is_up[1] = false;
  world.run_for(3min);
  CHECK(a.map().self == self);
  CHECK(a.map().peers.size() == 2);
  CHECK(count<Client::LostEvent>(a) == 0);

  world.is_up[0] = false;
  world.run_for(3min);
  CHECK(count<Client::LostEvent>(a) == 1);
  CHECK(a.map().peers.size() == 2);
  world.is_up[1] = true;
  world.run_for(30s);
  CHECK(count<Client::BackEvent>(a) == 1);
}

TEST_CASE("nuclei: of two that differ, one that answers is believed before one that is silent") {
  TwoNuclei world;
  Group& a = world.add();
  world.add();
  world.run_for(2s);
  world.is_up[0] = false;
  const DiscoKey disco{PrivateKey::generate(world.rng).public_key()};
  world.restart(1, disco);
  world.run_for(3min);
  REQUIRE(a.map().peers.contains(world.keys[1]));
  CHECK(a.map().peers.at(world.keys[1]).disco == disco);
}

TEST_CASE(
    "nuclei: news of a peer counts at once, also before the other one is known to be silent") {
  TwoNuclei world;
  Group& a = world.add();
  world.add();
  world.run_for(2s);
  world.is_up[0] = false;
  const DiscoKey disco{PrivateKey::generate(world.rng).public_key()};
  world.restart(1, disco);
  world.run_for(5s);
  REQUIRE(a.client(0).state() == Client::State::kRegistered);
  CHECK(a.map().peers.at(world.keys[1]).disco == disco);
}

TEST_CASE("nuclei: leaving says goodbye to all and ends once") {
  TwoNuclei world;
  Group& a = world.add();
  Group& b = world.add();
  world.run_for(2s);
  b.leave(world.now);
  world.run_for(1s);
  CHECK(count<Client::LeftEvent>(b) == 1);
  CHECK(a.map().peers.empty());
  CHECK(b.deadline() == MonoTime::never());
}
