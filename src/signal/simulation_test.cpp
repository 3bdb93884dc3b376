// Whole nuclei and nodes across an imperfect wire, in virtual time.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "signal/cookies.h"
#include "signal/testing.h"

using namespace sinew;
using namespace sinew::signal;
using namespace sinew::signal::test;

TEST_CASE("signal: a node is registered and knows the map after two round trips and a page") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(200ms));
  CHECK(a.client->state() == Client::State::kRegistered);
  CHECK(a.self().v4.has_value());
  CHECK(Server::default_v4_range().contains(*a.self().v4));
  CHECK(a.self().v4_length == 16);
  CHECK(a.self().v6_length == 64);
  CHECK(a.self().v4 != b.self().v4);
  REQUIRE(a.peer(b) != nullptr);
  CHECK(a.peer(b)->v4 == b.self().v4);
  CHECK(a.peer(b)->v6 == b.self().v6);
  CHECK(a.client->observed() == a.address);
  CHECK(world.sent.empty());
}

TEST_CASE("signal: 200 nodes join at once over a lossy wire and know each other in 10 s") {
  for (const std::uint64_t seed : {2U}) {
    CAPTURE(seed);
    World world(seed);
    world.impairment = {.loss = 0.1, .repeat = 0.05, .latency = 30ms, .jitter = 40ms};
    for (int i = 0; i < 200; ++i)
      world.add();
    REQUIRE(world.settles(10s));
    std::set<IpAddress> addresses;
    for (const auto& node : world.nodes)
      addresses.insert(*node->self().v4);
    CHECK(addresses.size() == 200);
  }
}

TEST_CASE("signal: a terrible wire delays but does not stop") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    World world(seed);
    world.impairment = {.loss = 0.4, .repeat = 0.3, .latency = 50ms, .jitter = 900ms};
    for (int i = 0; i < 5; ++i)
      world.add();
    REQUIRE(world.settles(10min));
    world.impairment = {};
    world.run_for(2min);
    CHECK(world.all_know_each_other());
    for (const auto& node : world.nodes)
      CHECK(node->client->state() == Client::State::kRegistered);
  }
}

TEST_CASE("signal: a nucleus restarted with its state takes nobody out of any map") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  const auto self = a.self();
  a.events.clear();
  world.restart_nucleus(true);
  world.run_for(3min);
  CHECK(a.client->state() == Client::State::kRegistered);
  CHECK(a.self() == self);
  CHECK(a.knows(b));
  CHECK(a.count<Client::LostEvent>() == 0);
  for (const auto& event : a.events) {
    const auto* change = std::get_if<Client::MapChangedEvent>(&event);
    if (change != nullptr) CHECK(change->removed.empty());
  }
  CHECK(world.server->clusters()[0].online == 2);
}

TEST_CASE("signal: a nucleus that lost its state gives the same addresses and removes nobody") {
  World world;
  for (int i = 0; i < 20; ++i)
    world.add();
  REQUIRE(world.settles(5s));
  std::vector<netmap::Self> before;
  for (auto& node : world.nodes) {
    before.push_back(node->self());
    node->events.clear();
  }
  world.run_for(7s);
  world.restart_nucleus(false);
  world.run_for(3min);
  for (std::size_t i = 0; i < world.nodes.size(); ++i) {
    const TestNode& node = *world.nodes[i];
    CHECK(node.self() == before[i]);
    for (const auto& event : node.events) {
      const auto* change = std::get_if<Client::MapChangedEvent>(&event);
      if (change != nullptr) CHECK(change->removed.empty());
    }
  }
  CHECK(world.all_know_each_other());
}

TEST_CASE(
    "signal: who does not come back after a lost state is out of the map when it has settled") {
  World world;
  TestNode& a = world.add();
  TestNode& gone = world.add();
  REQUIRE(world.settles(1s));
  gone.client = std::make_unique<Client>(world.rng, world.config());  // somebody else, silent
  world.restart_nucleus(false);
  world.run_for(60s);
  CHECK(a.knows(gone));
  world.run_for(60s);
  CHECK_FALSE(a.knows(gone));
  CHECK(a.client->is_map_complete());
}

TEST_CASE(
    "signal: a node is offline after three missed heartbeats and gone after the removal time") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  world.run_for(30s);
  const MonoTime last_heard = world.now;
  b.has_udp = false;
  const auto is_offline = [&] { return a.peer(b) == nullptr || !a.peer(b)->is_online; };
  CHECK(world.run_until(last_heard + 3 * world.settings.heartbeat + 1s, is_offline));
  REQUIRE(a.knows(b));
  world.run_for(world.settings.removal + 1s);
  CHECK_FALSE(a.knows(b));
  b.has_udp = true;
  world.run_for(20s);
  REQUIRE(a.knows(b));
  CHECK(a.peer(b)->is_online);
}

TEST_CASE("signal: a node that slept ten minutes is back at once with the same address") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  const auto address = b.self().v4;
  const NodeKey key = b.key;
  // Asleep: time goes on, but not for b, to which nothing comes.
  auto asleep = std::move(b.client);
  b.client = std::make_unique<Client>(world.rng, world.config());
  b.key = b.client->map().peers.empty() ? key : key;
  world.run_for(10min);
  b.client = std::move(asleep);
  b.client->network_changed(world.now);
  CHECK(world.run_until(world.now + 2s, [&] {
    return b.client->is_map_complete() && a.peer(b) != nullptr && a.peer(b)->is_online;
  }));
  CHECK(b.self().v4 == address);
}

TEST_CASE("signal: leaving takes a node out of the others' maps within a second") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  b.client->leave(world.now);
  CHECK(world.run_until(world.now + 1s, [&] { return !a.knows(b); }));
  CHECK(b.count<Client::LeftEvent>() == 1);
  CHECK(b.client->state() == Client::State::kLeft);
  CHECK(b.client->deadline() == MonoTime::never());
}

TEST_CASE("signal: leaving a nucleus that does not answer takes a second") {
  World world;
  TestNode& a = world.add();
  REQUIRE(world.settles(1s));
  world.is_nucleus_up = false;
  a.client->leave(world.now);
  world.run_for(1s);
  CHECK(a.count<Client::LeftEvent>() == 1);
}

TEST_CASE("signal: the wrong secret gets silence, not an error to learn from") {
  World world;
  world.is_recording = true;
  TestNode& stranger = world.add(world.config(9));
  // The tag of the cluster is no secret; the proof is.
  world.run_for(1min);
  CHECK(stranger.client->state() == Client::State::kSilent);
  CHECK(stranger.client->unanswered() > 5);
  for (const auto& datagram : world.sent)
    CHECK(datagram.is_to_nucleus);
  CHECK(stranger.count<Client::WantStreamEvent>() >= 1);
  CHECK(world.server->stats().not_ours > 0);
}

TEST_CASE("signal: nobody answers a hello of the right tag with a wrong proof") {
  World world;
  const Hello hello{.flags = 0, .tag = key_of(1).tag(), .ephemeral = {}, .random = {}};
  Bytes forged = hello.encode(key_of(1));
  forged.back() ^= 1;
  world.server->feed(forged, {.endpoint = endpoint(7), .stream = 0}, world.now, world.wall);
  CHECK(world.server->stats().bad_proofs == 1);
  CHECK_FALSE(world.server->next_transmit());
  forged.back() ^= 1;
  world.server->feed(forged, {.endpoint = endpoint(7), .stream = 0}, world.now, world.wall);
  const auto answer = world.server->next_transmit();
  REQUIRE(answer);
  CHECK(answer->bytes.size() <= forged.size());
}

TEST_CASE("signal: the secret of another cluster opens only that cluster") {
  World world;
  world.add_cluster("other", 2);
  TestNode& a = world.add();
  TestNode& b = world.add();
  TestNode& thief = world.add(world.config(2));
  world.run_for(5s);
  CHECK(thief.client->state() == Client::State::kRegistered);
  CHECK(thief.client->map().peers.empty());
  CHECK(a.client->map().peers.size() == 1);
  CHECK(a.knows(b));
  // Nor can it have a message carried across.
  thief.client->punch(a.key, {}, world.now);
  world.run_for(2s);
  CHECK(a.count<Client::PunchEvent>() == 0);
}

TEST_CASE("signal: everything recorded and sent again from elsewhere changes nothing") {
  World world;
  world.is_recording = true;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  b.client->leave(world.now);
  world.run_for(2s);
  REQUIRE_FALSE(a.knows(b));
  for (const std::uint16_t port : {std::uint16_t{1000}, std::uint16_t{2000}}) {
    a.client->set_local(
        {.candidates = {{.endpoint = endpoint(3, port)}}, .connectivity = {}, .home = {}},
        world.now);
    world.run_for(1s);
  }
  world.nodes.pop_back();
  const auto records = world.server->record_changes();
  auto recorded = world.sent;
  for (const bool is_from_elsewhere : {true, false}) {
    for (auto datagram : recorded) {
      if (is_from_elsewhere && datagram.is_to_nucleus) datagram.from = endpoint(66);
      world.deliver(datagram);
    }
    CHECK(world.server->nodes(world.now)[0].route->endpoint == a.address);
    CHECK(world.server->record_changes() == records);
    world.run_for(1s);
  }
  CHECK(a.client->state() == Client::State::kRegistered);
  CHECK(world.server->record_changes() == records);
  CHECK(world.server->nodes(world.now).size() == 1);
  CHECK(world.server->nodes(world.now)[0].route->endpoint == a.address);
  CHECK(world.server->stats().replayed > 0);
}

TEST_CASE("signal: a session that has ended is not begun again by its own first datagram") {
  World world;
  world.is_recording = true;
  TestNode& a = world.add();
  REQUIRE(world.settles(1s));
  a.client->leave(world.now);
  world.run_for(3 * world.settings.heartbeat + 1s);
  REQUIRE(world.now - MonoTime(1h) < kCookieLifetime);  // its cookie is good still
  const auto recorded = world.sent;
  for (const auto& datagram : recorded)
    world.deliver(datagram);
  world.run_for(1s);
  CHECK(world.server->nodes(world.now).empty());
  CHECK(world.server->stats().replayed > 0);
}

TEST_CASE("signal: a recording is worthless after a restart of the nucleus too") {
  World world;
  world.is_recording = true;
  world.add();
  REQUIRE(world.settles(1s));
  const auto recorded = world.sent;
  world.nodes.clear();
  world.flying.clear();
  world.restart_nucleus(false);
  for (const auto& datagram : recorded)
    world.deliver(datagram);
  world.run_for(1s);
  CHECK(world.server->nodes(world.now).empty());
  CHECK(world.server->stats().bad_cookies > 0);
}

TEST_CASE("signal: an address is asked for, held, refused to others, and given back on purpose") {
  World world;
  const IpAddress wanted = IpAddress::v4(10, 147, 3, 4);
  const auto asking = [&](bool replaces) {
    auto config = world.config();
    config.wanted_v4 = wanted;
    config.is_wanted_required = true;
    config.replaces = replaces;
    return config;
  };
  TestNode& holder = world.add(asking(false));
  world.run_for(1s);
  REQUIRE(holder.self().v4 == wanted);

  TestNode& other = world.add(asking(true));
  world.run_for(1s);
  CHECK(other.client->state() == Client::State::kRefused);
  REQUIRE(other.client->last_refusal());
  CHECK(other.client->last_refusal()->code == RefusalCode::kConflict);
  CHECK(other.client->last_refusal()->text.contains("replace"));

  SUBCASE("a request to replace succeeds once the holder is offline") {
    holder.has_udp = false;
    world.run_for(2min);
    CHECK(other.self().v4 == wanted);
    CHECK(other.client->state() == Client::State::kRegistered);
    holder.has_udp = true;
    world.run_for(2min);
    CHECK(holder.client->state() == Client::State::kRefused);
  }
  SUBCASE("the operator gives it back") {
    holder.has_udp = false;
    world.run_for(20s);
    REQUIRE(world.server->forget("home", wanted, world.now));
    world.run_for(20s);
    CHECK(other.self().v4 == wanted);
  }
  SUBCASE("without asking to replace, it stays with its key for good") {
    other.client->set_wanted(wanted, std::nullopt, true, false, world.now);
    holder.has_udp = false;
    world.run_for(24h);
    CHECK(other.client->state() == Client::State::kRefused);
    CHECK_FALSE(other.self().v4);
  }
}

TEST_CASE("signal: an address outside of the range is refused with the range in the text") {
  World world;
  auto config = world.config();
  config.wanted_v4 = IpAddress::v4(192, 168, 1, 1);
  config.is_wanted_required = true;
  TestNode& node = world.add(std::move(config));
  world.run_for(1s);
  REQUIRE(node.client->last_refusal());
  CHECK(node.client->last_refusal()->code == RefusalCode::kOutOfRange);
  CHECK(node.client->last_refusal()->text.contains("10.147.0.0/16"));
}

TEST_CASE("signal: jumps of the calendar expire nobody") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  for (const WallTime wall : {WallTime(0s), WallTime(4'000'000'000s), WallTime(1s)}) {
    world.wall = wall;
    world.run_for(5min);
    CHECK(a.peer(b)->is_online);
    const Snapshot kept = world.server->snapshot();
    world.restart_nucleus(true);
    world.run_for(5min);
    CHECK(a.peer(b)->is_online);
    CHECK(Snapshot::decode(kept.encode()).value() == kept);
  }
}

TEST_CASE("signal: a node that moves keeps its session, and the others learn its new address") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  b.address = endpoint(77, 4444);
  b.client->network_changed(world.now);
  world.run_for(3s);
  REQUIRE(a.knows(b));
  const auto& candidates = a.peer(b)->candidates;
  REQUIRE(candidates.size() == 1);
  CHECK(candidates[0].endpoint == b.address);
  CHECK(candidates[0].kind == netmap::CandidateKind::kObserved);
  CHECK(b.count<Client::ObservedEvent>() == 1);
  // More than small answers it gets there only after it has proven to be there.
  world.add();
  CHECK(world.settles(5s));
}

TEST_CASE("L30 signal: a node that claims to be elsewhere gets no flood sent there") {
  World world;
  for (int i = 0; i < 100; ++i)
    world.add();
  REQUIRE(world.settles(5s));
  // It has not got the map yet when it begins to forge its address, and asks for it from there.
  TestNode& insider = world.add();
  world.is_lost = [](const World::Datagram& datagram) {
    return !datagram.is_to_nucleus && datagram.bytes.size() > 400;
  };
  REQUIRE(world.run_until(world.now + 2s,
                          [&] { return insider.client->state() == Client::State::kRegistered; }));
  insider.address = endpoint(99);
  std::size_t there = 0;
  std::size_t back = 0;
  world.is_lost = [&](const World::Datagram& datagram) {
    if (datagram.is_to_nucleus && datagram.from == endpoint(99)) there += datagram.bytes.size();
    if (datagram.is_to_nucleus || datagram.to.endpoint != endpoint(99)) return false;
    back += datagram.bytes.size();
    return true;
  };
  world.run_for(3s);
  CHECK(there > 0);
  CHECK(back <= 3 * there);
}

TEST_CASE("signal: where UDP is blocked a stream is asked for and carries everything") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  b.has_udp = false;
  world.run_for(3s);
  REQUIRE(b.count<Client::WantStreamEvent>() == 1);
  b.stream = 5;
  b.client->set_stream(5, world.now);
  REQUIRE(world.settles(1s));
  CHECK(b.client->route()->stream == 5);
  CHECK_FALSE(b.client->observed());
  CHECK(a.peer(b)->candidates.empty());

  // UDP works again one day.
  b.has_udp = true;
  world.is_lost = [](const World::Datagram&) { return false; };
  b.stream = 0;
  world.run_for(kUdpRetry + 10s);
  CHECK(b.client->route()->is_udp());
  CHECK(b.client->observed() == b.address);
}

TEST_CASE("signal: a closed stream ends its session at once") {
  World world;
  TestNode& a = world.add();
  a.has_udp = false;
  a.stream = 5;
  a.client->set_stream(5, world.now);
  REQUIRE(world.settles(1s));
  world.server->close_stream(5, world.now);
  CHECK_FALSE(world.server->nodes(world.now)[0].route);
  a.stream = 6;
  a.client->set_stream(6, world.now);
  REQUIRE(world.run_until(world.now + 2s, [&] { return a.client->is_map_complete(); }));
  CHECK(a.client->route()->stream == 6);
}

TEST_CASE("signal: a punch reaches its target with the candidates and the sender's key") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  const std::vector<netmap::Candidate> here{
      {.endpoint = endpoint(3, 1000), .kind = netmap::CandidateKind::kReflexive}};
  a.client->punch(b.key, here, world.now);
  world.run_for(1s);
  const auto* punch = b.last<Client::PunchEvent>();
  REQUIRE(punch != nullptr);
  CHECK(punch->peer == a.key);
  CHECK(punch->candidates == here);
  CHECK(b.count<Client::PunchEvent>() == 1);
}

TEST_CASE("signal: a nucleus of another key is not believed where one is pinned") {
  World world;
  auto config = world.config();
  config.nucleus_key = world.server->public_key();
  TestNode& a = world.add(std::move(config));
  REQUIRE(world.settles(1s));
  world.start_nucleus(false);
  world.run_for(2min);
  CHECK(a.client->state() == Client::State::kSilent);
  CHECK(a.count<Client::LostEvent>() == 1);
}

TEST_CASE("signal: a nucleus that is away is told of, and so is its return") {
  World world;
  TestNode& a = world.add();
  TestNode& b = world.add();
  REQUIRE(world.settles(1s));
  world.is_nucleus_up = false;
  world.run_for(1min);
  CHECK(a.count<Client::LostEvent>() == 1);
  CHECK(a.knows(b));
  world.is_nucleus_up = true;
  world.run_for(20s);
  CHECK(a.count<Client::BackEvent>() == 1);
  CHECK(a.client->state() == Client::State::kRegistered);
}

TEST_CASE("signal: readable sessions work the same, and are readable") {
  World world;
  world.is_recording = true;
  auto config = world.config();
  config.is_sealed = false;
  config.name = "readable-name";
  TestNode& open = world.add(std::move(config));
  auto closed_config = world.config();
  closed_config.name = "secret-name";
  TestNode& closed = world.add(std::move(closed_config));
  REQUIRE(world.settles(1s));
  bool has_open = false;
  bool has_closed_to_closed = false;
  for (const auto& datagram : world.sent) {
    const std::string_view text = as_text(datagram.bytes);
    has_open |= text.contains("readable-name");
    const bool concerns_closed =
        datagram.from == closed.address || datagram.to.endpoint == closed.address;
    has_closed_to_closed |=
        concerns_closed && (text.contains("secret-name") || text.contains("readable-name"));
  }
  CHECK(has_open);
  CHECK_FALSE(has_closed_to_closed);
  CHECK(open.client->state() == Client::State::kRegistered);
}

TEST_CASE("signal: a map of 10,000 is paged, over a wire that loses, repeats and reorders") {
  World world;
  world.impairment = {.loss = 0.02, .repeat = 0.02, .latency = 20ms, .jitter = 20ms};
  Snapshot snapshot;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    Snapshot::Pin pin;
    std::array<std::uint8_t, 32> key{};
    store_be(key.data(), i + 1);
    pin.record.key = NodeKey(key);
    pin.record.name = "node-" + std::to_string(i);
    pin.record.v4 = IpAddress::v4(10, 147, static_cast<std::uint8_t>(1 + i / 250),
                                  static_cast<std::uint8_t>(1 + i % 250));
    pin.record.candidates = {{.endpoint = endpoint(1), .kind = netmap::CandidateKind::kLocal},
                             {.endpoint = endpoint(2), .kind = netmap::CandidateKind::kReflexive}};
    pin.is_in_map = true;
    snapshot.clusters["home"].pins.push_back(pin);
  }
  const Bytes saved = snapshot.encode();
  world.server->restore(Snapshot::decode(saved).value(), world.now);
  TestNode& a = world.add();
  REQUIRE(world.run_until(world.now + 40s, [&] { return a.client->is_map_complete(); }));
  CHECK(a.client->map().peers.size() == 10'000);
  CHECK(a.client->map().peers.begin()->second.name == "node-0");

  // A second one makes one page of news, not all of it again.
  world.impairment = {};
  world.is_recording = true;
  world.sent.clear();
  REQUIRE(world.server->forget("home", IpAddress::v4(10, 147, 1, 1), world.now));
  CHECK(world.run_until(world.now + 3s, [&] { return a.client->map().peers.size() == 9'999; }));
  CHECK(world.sent.size() < 8);
}

TEST_CASE("signal: idle costs under 1 MB a day") {
  World world;
  world.is_recording = true;
  TestNode& a = world.add();
  REQUIRE(world.settles(1s));
  world.sent.clear();
  world.run_for(1h);
  std::size_t bytes = 0;
  for (const auto& datagram : world.sent)
    bytes += datagram.bytes.size() + 28;
  CHECK(24 * bytes < 1'000'000);
  CHECK(a.client->state() == Client::State::kRegistered);
}
