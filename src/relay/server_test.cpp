#include "relay/server.h"

#include <doctest/doctest.h>

#include "relay/testing.h"

using namespace sinew;
using namespace sinew::relay;
using namespace sinew::relay::test;

namespace {

Endpoint at(std::uint8_t host) {
  return {.address = IpAddress::v4(192, 0, 2, host), .port = 5'000};
}

Switchboard::Limits with_udp() {
  Switchboard::Limits limits;
  limits.udp_port = 3'478;
  return limits;
}

Client::Config config_of(World& world, const AdmissionKey* admission = nullptr) {
  Client::Config config{.key = crypto::X25519PrivateKey::generate(world.rng), .host = "relay"};
  if (admission != nullptr) config.admission = admission->clone();
  return config;
}

AdmissionKey admission_key(std::uint8_t byte) {
  SecretArray<32> key;
  key.expose_mutable()[0] = byte;
  return AdmissionKey(std::move(key));
}

bool is_closed(World& world, const Member& member, Switchboard::Reason reason) {
  const auto found = world.closings.find(member.id);
  return found != world.closings.end() && found->second == reason;
}

}  // namespace

TEST_CASE("switchboard: a packet arrives under the key of its sender") {
  World world;
  Member a(world);
  Member b(world);
  REQUIRE(a.client.is_ready());
  CHECK(a.heard<Client::Ready>().front().server_key == world.board.public_key());
  a.send(b.key, "hello");
  REQUIRE(b.texts() == std::vector<std::string>{"hello"});
  CHECK(b.heard<Client::Packet>().front().from == a.key);
  CHECK(world.board.counters().packets == 1);
  CHECK(world.board.counters().clients == 2);
}

TEST_CASE("switchboard: who sends to nobody is told so, three times and then once a second") {
  World world;
  Member a(world);
  const NodeKey nobody = crypto::X25519PrivateKey::generate(world.rng).public_key();
  for (int i = 0; i < 10; ++i)
    a.send(nobody, "hello?");
  const auto gone = a.heard<Client::PeerGone>();
  REQUIRE(gone.size() == 3);
  CHECK(gone[0].key == nobody);
  CHECK(gone[0].reason == GoneReason::kNotHere);
  world.advance(1s);
  a.send(nobody, "hello?");
  a.send(nobody, "hello?");
  CHECK(a.heard<Client::PeerGone>().size() == 4);
}

TEST_CASE("switchboard: whoever was sent to hears when the sender is gone") {
  World world;
  Member a(world);
  Member c(world);
  {
    Member b(world);
    b.send(a.key, "hello");
  }
  world.settle();
  REQUIRE(a.heard<Client::PeerGone>().size() == 1);
  CHECK(a.heard<Client::PeerGone>()[0].reason == GoneReason::kDisconnected);
  CHECK(c.heard<Client::PeerGone>().empty());
}

TEST_CASE("switchboard: groups do not see one another, whatever key they send to") {
  const AdmissionKey one = admission_key(1);
  const AdmissionKey two = admission_key(2);
  Admission admission{.is_open = true, .keys = {}, .clusters = {}};
  admission.clusters.push_back(one.clone());
  admission.clusters.push_back(two.clone());
  World world(std::move(admission));
  Member a(world, config_of(world, &one));
  Member b(world, config_of(world, &one));
  Member other(world, config_of(world, &two));
  Member stranger(world);
  for (Member* each : {&other, &stranger}) {
    a.send(each->key, "hello");
    each->send(a.key, "hello");
    CHECK(each->texts().empty());
  }
  CHECK(a.texts().empty());
  a.send(b.key, "hello");
  CHECK(b.texts().size() == 1);
}

TEST_CASE("switchboard: whom nothing admits is refused, and learns nothing of who is here") {
  Admission admission;
  admission.clusters.push_back(admission_key(1));
  World world(std::move(admission));
  const AdmissionKey wrong = admission_key(2);
  Member none(world);
  Member wrong_secret(world, config_of(world, &wrong));
  CHECK(is_closed(world, none, Switchboard::Reason::kNotAdmitted));
  CHECK(is_closed(world, wrong_secret, Switchboard::Reason::kNotAdmitted));
  CHECK_FALSE(none.client.is_ready());
  CHECK(world.board.counters().clients == 0);
  CHECK(world.board.counters().strangers == 0);
  CHECK(world.board.counters().refused_logins == 2);
}

TEST_CASE("switchboard: a key taken off the list is put out at once") {
  World keys_from;
  const auto config_a = config_of(keys_from);
  const auto config_b = config_of(keys_from);
  Admission admission;
  admission.keys = {config_a.key.public_key(), config_b.key.public_key()};
  World world(admission.clone());
  Member a(world, {.key = config_a.key.clone(), .host = "relay"});
  Member b(world, {.key = config_b.key.clone(), .host = "relay"});
  REQUIRE(a.client.is_ready());
  admission.keys.erase(a.key);
  world.board.set_admission(admission.clone());
  world.settle();
  CHECK(is_closed(world, a, Switchboard::Reason::kNotAdmitted));
  b.send(a.key, "still there?");
  CHECK(a.texts().empty());
  CHECK(b.heard<Client::PeerGone>().size() == 1);
}

TEST_CASE("switchboard: a login with somebody else's key is refused") {
  World world;
  Member a(world);
  const ConnectionId id(1'000);
  REQUIRE(world.board.open(id, world.now));
  Bytes frame;
  const auto own = crypto::X25519PrivateKey::generate(world.rng);
  const auto box = crypto::BoxKey::between(own, world.board.public_key());
  append_frame(frame, FrameType::kClientInfo,
               {a.key.bytes(), seal_info(*box, to_json(ClientInfo{}), world.rng)});
  world.board.feed(id, frame, world.now);
  CHECK(world.board.next_closing()->reason == Switchboard::Reason::kBadFrames);
  CHECK(world.board.counters().clients == 1);
}

TEST_CASE("switchboard: a stranger may be silent for as long as a login may take") {
  World world;
  const ConnectionId id(1'000);
  REQUIRE(world.board.open(id, world.now));
  world.board.expire(world.now + kLoginTimeout - 1ns);
  CHECK_FALSE(world.board.next_closing());
  world.board.expire(world.now + kLoginTimeout);
  CHECK(world.board.next_closing()->reason == Switchboard::Reason::kLoginTimeout);
  CHECK(world.board.counters().strangers == 0);
}

TEST_CASE("switchboard: strangers and clients have limits of their own") {
  Switchboard::Limits limits;
  limits.strangers = 2;
  limits.clients = 1;
  World world({.is_open = true, .keys = {}, .clusters = {}}, limits);
  Member a(world);
  CHECK(a.client.is_ready());
  Member b(world);
  CHECK(is_closed(world, b, Switchboard::Reason::kTooMany));
  CHECK(world.board.open(ConnectionId(1'000), world.now));
  CHECK(world.board.open(ConnectionId(1'001), world.now));
  CHECK_FALSE(world.board.open(ConnectionId(1'002), world.now));
  world.board.close(ConnectionId(1'000));
  CHECK(world.board.open(ConnectionId(1'003), world.now));
}

TEST_CASE("switchboard: before the login nothing but the login is taken") {
  World world;
  Member a(world);
  std::uint64_t id = 1'000;
  for (unsigned type = 0; type < 256; ++type) {
    if (static_cast<FrameType>(type) == FrameType::kClientInfo) continue;
    REQUIRE(world.board.open(ConnectionId(++id), world.now));
    Bytes frame;
    append_frame(frame, static_cast<FrameType>(type), {a.key.bytes(), Bytes(40)});
    world.board.feed(ConnectionId(id), frame, world.now);
    REQUIRE(world.board.next_closing());
    REQUIRE_FALSE(world.board.next_closing());
  }
  world.settle();
  CHECK(a.texts().empty());
}

TEST_CASE("switchboard: L32 frames of a mesh end the connection, whatever it claims to know") {
  World world;
  for (const FrameType type :
       {FrameType::kWatchConnections, FrameType::kClosePeer, FrameType::kForwardPacket}) {
    Member victim(world);
    Member a(world);
    a.send_frame(type, {victim.key.bytes(), a.key.bytes(), as_bytes("x")});
    CHECK(is_closed(world, a, Switchboard::Reason::kMeshFrame));
    CHECK(victim.texts().empty());
    CHECK_FALSE(world.closings.contains(victim.id));
  }
}

TEST_CASE("switchboard: a second login on one connection ends it") {
  World world;
  Member a(world);
  a.send_frame(FrameType::kClientInfo, {Bytes(100)});
  CHECK(is_closed(world, a, Switchboard::Reason::kBadFrames));
}

TEST_CASE("switchboard: L35 of two with one key the one that wrote last gets the packets") {
  World world;
  auto config = config_of(world);
  Member old(world, {.key = config.key.clone(), .host = "relay"});
  Member peer(world);
  Member young(world, {.key = config.key.clone(), .host = "relay"});
  CHECK(old.heard<Client::Health>().size() == 1);
  CHECK(young.heard<Client::Health>().size() == 1);
  peer.send(old.key, "one");
  CHECK(young.texts() == std::vector<std::string>{"one"});
  old.send(peer.key, "I am here");
  peer.send(old.key, "two");
  CHECK(old.texts() == std::vector<std::string>{"two"});
  old.leave();
  world.settle();
  CHECK(young.heard<Client::Health>().back().text.empty());
  peer.send(old.key, "three");
  CHECK(young.texts().back() == "three");
  CHECK(peer.heard<Client::PeerGone>().empty());
}

TEST_CASE("switchboard: L35 twins that write in turns cost nobody a word more") {
  World world;
  auto config = config_of(world);
  Member a(world, {.key = config.key.clone(), .host = "relay"});
  Member b(world, {.key = config.key.clone(), .host = "relay"});
  Member peer(world);
  for (int i = 0; i < 100; ++i) {
    a.send(peer.key, "a");
    b.send(peer.key, "b");
  }
  CHECK(a.heard<Client::Health>().size() == 1);
  CHECK(b.heard<Client::Health>().size() == 1);
  CHECK(peer.texts().size() == 200);
}

TEST_CASE("switchboard: L35 more connections with one key than there may be end the oldest") {
  World world;
  auto config = config_of(world);
  std::vector<std::unique_ptr<Member>> members;
  for (std::size_t i = 0; i < Switchboard::kMaxTwins + 1; ++i) {
    members.push_back(std::make_unique<Member>(
        world, Client::Config{.key = config.key.clone(), .host = "relay"}));
  }
  CHECK(is_closed(world, *members.front(), Switchboard::Reason::kTooMany));
  CHECK(world.closings.size() == 1);
  CHECK(world.board.counters().clients == Switchboard::kMaxTwins);
}

TEST_CASE(
    "switchboard: L36 T-RELAY-SLOW clients that stop reading cost what is allowed, and others "
    "nothing") {
  Switchboard::Limits limits;
  limits.total_queue_bytes = 4 << 20;
  World world({.is_open = true, .keys = {}, .clusters = {}}, limits);
  Member sender(world);
  Member reader(world);
  std::vector<std::unique_ptr<Member>> slow;
  for (int i = 0; i < 60; ++i) {
    slow.push_back(std::make_unique<Member>(world));
    slow.back()->is_reading = false;
  }
  const std::string text(1'400, 'x');
  for (int i = 0; i < 300; ++i) {
    for (const auto& each : slow)
      REQUIRE(sender.client.send(each->key, as_bytes(text)));
    sender.send(reader.key, text);
  }
  const auto counters = world.board.counters();
  CHECK(counters.queued_bytes <= limits.total_queue_bytes);
  CHECK(counters.dropped_queue_full > 0);
  CHECK(reader.texts().size() == 300);
  slow.front()->is_reading = true;
  world.settle();
  CHECK_FALSE(slow.front()->texts().empty());
}

TEST_CASE("switchboard: L36 answers that nobody takes do not pile up") {
  World world;
  Member a(world);
  a.is_reading = false;
  for (int i = 0; i < 10'000; ++i)
    a.send_frame(FrameType::kPing, {Bytes(8, 1)});
  Bytes out;
  world.board.take_output(a.id, out, 1 << 20);
  CHECK(out.size() < Switchboard::Limits{}.control_bytes + 64);
  CHECK(world.board.counters().dropped_answers > 0);
}

TEST_CASE("switchboard: who sends over the rate loses packets, not the connection") {
  Switchboard::Limits limits;
  limits.bytes_per_second = 10'000;
  limits.burst_bytes = 20'000;
  World world({.is_open = true, .keys = {}, .clusters = {}}, limits);
  Member a(world);
  Member b(world);
  CHECK(a.heard<Client::Ready>()[0].info.bytes_per_second == 10'000);
  const std::string text(1'000 - kKeySize, 'x');
  for (int i = 0; i < 30; ++i)
    a.send(b.key, text);
  CHECK(b.texts().size() == 20);
  CHECK(world.board.counters().dropped_over_rate == 10);
  world.advance(1s);
  for (int i = 0; i < 30; ++i)
    a.send(b.key, text);
  CHECK(b.texts().size() == 30);
}

TEST_CASE("switchboard: every client hears a keepalive in time to know that the relay lives") {
  World world;
  Member a(world);
  for (int i = 0; i < 20; ++i) {
    world.advance(30s);
    REQUIRE(a.client.is_ready());
  }
  a.is_reading = false;
  world.advance(kSilenceTimeout);
  CHECK(a.heard<Client::Failed>().size() == 1);
}

TEST_CASE("switchboard: a ping comes back with the same bytes") {
  World world;
  Member a(world);
  a.client.ping(world.now);
  Bytes out;
  a.client.take_output(out, 1'000);
  world.board.feed(a.id, out, world.now);
  world.now += 30ms;
  world.settle();
  REQUIRE(a.heard<Client::RoundTrip>().size() == 1);
  CHECK(a.heard<Client::RoundTrip>()[0].time == 30ms);
}

TEST_CASE("switchboard: clients at home are counted") {
  World world;
  auto config = config_of(world);
  config.is_home = true;
  {
    Member a(world, std::move(config));
    CHECK(world.board.counters().home_clients == 1);
    a.client.set_home(false);
    world.settle();
    CHECK(world.board.counters().home_clients == 0);
    a.client.set_home(true);
    world.settle();
  }
  CHECK(world.board.counters().home_clients == 0);
}

TEST_CASE("switchboard: a restart is announced to all") {
  World world;
  Member a(world);
  world.board.announce_restart(2s, 30s);
  world.settle();
  REQUIRE(a.heard<Client::Restarting>().size() == 1);
  CHECK(a.heard<Client::Restarting>()[0].reconnect_in == 2s);
  CHECK(a.heard<Client::Restarting>()[0].try_for == 30s);
}

TEST_CASE("switchboard: path discovery overtakes what waits for a slow reader") {
  World world;
  Member a(world);
  Member b(world);
  b.is_reading = false;
  a.send(b.key, "data");
  a.send(b.key, "\xd1SNW probe");
  b.is_reading = true;
  world.settle();
  CHECK(b.texts() == std::vector<std::string>{"\xd1SNW probe", "data"});
}

TEST_CASE("switchboard: over UDP once both have bound, and over TLS until then") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world, at(2), true);
  REQUIRE(a.client.is_udp_bound());
  REQUIRE(a.client.udp_port() == 3'478);
  a.send(b.key, "one");
  CHECK(world.board.counters().udp_packets == 0);
  a.send(b.key, "two");
  b.send(a.key, "three");
  CHECK(world.board.counters().udp_packets == 2);
  CHECK(b.texts() == std::vector<std::string>{"one", "two"});
  CHECK(a.texts() == std::vector<std::string>{"three"});
  CHECK(a.heard<Client::Packet>()[0].from == b.key);
}

TEST_CASE("switchboard: a datagram for one who has no UDP goes to him over TLS") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world);
  a.send(b.key, "one");
  a.send(b.key, "two");
  CHECK(world.board.counters().packets == 2);
  CHECK(world.board.counters().udp_packets == 0);
  CHECK(b.texts() == std::vector<std::string>{"one", "two"});
}

TEST_CASE("switchboard: when UDP ends the packets go on over TLS") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world, at(2), true);
  a.send(b.key, "one");
  a.send(b.key, "two");
  world.udp_works = false;
  for (int i = 0; i < 60; ++i)
    world.advance(500ms);
  CHECK_FALSE(a.client.is_udp_bound());
  a.send(b.key, "three");
  CHECK(b.texts().back() == "three");
  world.udp_works = true;
  for (int i = 0; i < 140; ++i)
    world.advance(500ms);
  CHECK(a.client.is_udp_bound());
}

TEST_CASE("switchboard: a datagram of another's session, or from another address, goes nowhere") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world, at(2), true);
  a.send(b.key, "one");
  REQUIRE(a.client.send(b.key, as_bytes("two")));
  Bytes datagram = *a.client.next_datagram();
  Bytes copy = datagram;
  CHECK_FALSE(world.board.feed_datagram(copy, at(9), world.now));
  copy = datagram;
  copy[3] ^= 1;
  CHECK_FALSE(world.board.feed_datagram(copy, at(1), world.now));
  CHECK(world.board.feed_datagram(datagram, at(1), world.now) == at(2));
  CHECK(world.board.counters().dropped_datagrams == 2);
}

TEST_CASE("switchboard: L31 T-RELAY-SSRF no datagram leaves for an address that has not bound") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world, at(2), true);
  a.send(b.key, "one");
  SeededRng rng(3);
  for (int i = 0; i < 20'000; ++i) {
    REQUIRE(a.client.send(b.key, as_bytes("an honest packet")));
    Bytes datagram = *a.client.next_datagram();
    // Any bytes of it changed, as a dishonest client may.
    for (std::uint64_t changes = rng.below(4); changes > 0; --changes)
      datagram[rng.below(datagram.size())] = static_cast<std::uint8_t>(rng.below(256));
    const auto to = world.board.feed_datagram(datagram, at(1), world.now);
    REQUIRE((!to || *to == at(2) || *to == at(1)));
  }
}

TEST_CASE("switchboard: numbers of another group lead nowhere") {
  const AdmissionKey one = admission_key(1);
  const AdmissionKey two = admission_key(2);
  Admission admission;
  admission.clusters.push_back(one.clone());
  admission.clusters.push_back(two.clone());
  World world(std::move(admission), with_udp());
  auto config = [&](const AdmissionKey& key) {
    auto made = config_of(world, &key);
    made.wants_udp = true;
    return made;
  };
  Member a(world, config(one), at(1));
  Member b(world, config(one), at(2));
  Member other(world, config(two), at(3));
  a.send(b.key, "one");
  REQUIRE(a.client.send(b.key, as_bytes("two")));
  const Bytes datagram = *a.client.next_datagram();
  for (std::uint32_t number = 0; number < 10; ++number) {
    Bytes changed = datagram;
    write_udp_data_header(changed, parse_udp_data(datagram)->session, ClientNumber(number));
    const auto to = world.board.feed_datagram(changed, at(1), world.now);
    CHECK(to != at(3));
  }
  world.settle();
  CHECK(other.texts().empty());
}

TEST_CASE("switchboard: a number is forgotten with the login it stood for") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  {
    Member b(world, at(2), true);
    a.send(b.key, "one");
    a.send(b.key, "two");
  }
  world.settle();
  REQUIRE(a.heard<Client::PeerGone>().size() == 1);
  CHECK(world.board.counters().udp_sessions == 1);
  a.send(a.heard<Client::PeerGone>()[0].key, "three");
  CHECK(a.heard<Client::PeerGone>().size() >= 2);
}

TEST_CASE(
    "switchboard: packets come over TLS again soon after a firewall has closed the way over UDP") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world, at(2), true);
  a.send(b.key, "one");
  b.send(a.key, "two");
  world.udp_works = false;
  for (const MonoTime end = world.now + 5s; world.now < end; world.now += 100ms) {
    for (Member* member : {&a, &b})
      member->client.expire(world.now);
    a.send(b.key, "lost, or late");
  }
  a.send(b.key, "three");
  b.send(a.key, "four");
  CHECK(b.texts().back() == "three");
  CHECK(a.texts().back() == "four");
}

TEST_CASE("switchboard: a client whose address changes is followed") {
  World world({.is_open = true, .keys = {}, .clusters = {}}, with_udp());
  Member a(world, at(1), true);
  Member b(world, at(2), true);
  a.send(b.key, "one");
  b.move_to(at(7));
  b.client.rebind(world.now);
  world.settle();
  const auto before = world.board.counters().udp_packets;
  a.send(b.key, "two");
  CHECK(world.board.counters().udp_packets == before + 1);
  CHECK(b.texts().back() == "two");
}
