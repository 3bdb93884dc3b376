// Devices that talk across an imperfect wire, in virtual time.
#include <doctest/doctest.h>

#include <string>

#include "wg/testing.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::wg::test;

namespace {

std::size_t initiations(const World& world) {
  const auto found = world.sent_by_kind.find(Kind::kInitiation);
  return found == world.sent_by_kind.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("device: two hosts talk after one handshake, whose first data confirms it") {
  Pair pair(1);
  pair.talk();
  CHECK(pair.world.sent_by_kind[Kind::kInitiation] == 1);
  CHECK(pair.world.sent_by_kind[Kind::kResponse] == 1);
  CHECK(pair.world.sent_by_kind[Kind::kData] == 2);  // no keepalive in between
  CHECK(pair.a.count(Event::Kind::kSessionReady) == 1);
  CHECK(pair.b.count(Event::Kind::kSessionReady) == 1);
}

TEST_CASE("device: an initiator without data confirms the session with a keepalive") {
  Pair pair(2);
  pair.a.device.set_persistent_keepalive(pair.a.peer(pair.b), 3600s, pair.world.now);
  pair.world.run_for(1s);
  CHECK(pair.world.sent_by_kind[Kind::kData] == 1);
  CHECK(pair.b.count(Event::Kind::kSessionReady) == 1);
}

TEST_CASE("device: the loss of any one message of a handshake delays it by one retry at most") {
  for (const Kind lost : {Kind::kInitiation, Kind::kResponse, Kind::kData}) {
    CAPTURE(static_cast<int>(lost));
    Pair pair(3);
    bool is_done = false;
    pair.world.is_lost = [&](const Datagram& datagram) {
      return datagram.kind() == lost && !std::exchange(is_done, true);
    };
    pair.a.say(pair.b, "first");
    pair.world.run_for(1s);
    pair.a.say(pair.b, "second");
    pair.world.run_for(kRekeyTimeout + kMaxJitter);
    CHECK(pair.b.has_heard("second"));
    pair.b.say(pair.a, "third");
    pair.world.run_for(1s);
    CHECK(pair.a.has_heard("third"));
  }
}

TEST_CASE("device: both sides may begin at once and both are heard at once") {
  Pair pair(4);
  pair.a.say(pair.b, "from a");
  pair.b.say(pair.a, "from b");
  pair.world.run_for(1s);
  CHECK(pair.b.has_heard("from a"));
  CHECK(pair.a.has_heard("from b"));
  for (int i = 0; i < 400; ++i) {
    pair.a.say(pair.b, "a" + std::to_string(i));
    pair.b.say(pair.a, "b" + std::to_string(i));
    pair.world.run_for(1s);
    REQUIRE(pair.b.has_heard("a" + std::to_string(i)));
    REQUIRE(pair.a.has_heard("b" + std::to_string(i)));
  }
}

TEST_CASE("device: traffic over hours loses nothing when sessions are renewed") {
  Pair pair(5);
  pair.world.is_recording = false;
  pair.world.impairment = {.latency = 40ms, .jitter = 30ms};
  for (int i = 0; i < 7200; ++i) {
    pair.a.say(pair.b, "a" + std::to_string(i));
    if (i % 3 == 0) pair.b.say(pair.a, "b" + std::to_string(i));
    pair.world.run_for(1s);
  }
  CHECK(pair.b.heard.size() == 7200);
  CHECK(pair.a.heard.size() == 2400);
  // Both begin at once; from then on there is a new session every 120 s, begun by one side.
  CHECK(initiations(pair.world) == 2 + 59);
}

TEST_CASE("device: one that only receives renews shortly before the end") {
  Pair pair(6);
  pair.talk();  // a is the initiator
  for (int i = 0; i < 1000; ++i) {
    pair.b.say(pair.a, "b" + std::to_string(i));
    pair.world.run_for(1s);
  }
  CHECK(pair.a.heard.size() == 1001);
}

TEST_CASE("device: the initiator renews at 165 s even if it sends nothing at all") {
  Pair pair(20);
  pair.world.impairment.latency = Duration::zero();
  pair.a.say(pair.b, "hello");
  pair.world.run_for(Duration::zero());
  // Keepalives call for no answer, so only b sends.
  pair.b.device.set_persistent_keepalive(pair.b.peer(pair.a), 5s, pair.world.now);
  pair.world.run_for(165s - 1ns);
  CHECK(initiations(pair.world) == 1);
  pair.world.run_for(1ns);
  CHECK(initiations(pair.world) == 2);
}

TEST_CASE("device: a bad wire delays but does not stop two hosts") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Pair pair(seed);
    pair.world.is_recording = false;
    pair.world.impairment = {.loss = 0.3, .repeat = 0.2, .latency = 5ms, .jitter = 800ms};
    for (int i = 0; i < 600; ++i) {
      if (pair.world.rng.below(2) == 0) pair.a.say(pair.b, std::to_string(i));
      if (pair.world.rng.below(2) == 0) pair.b.say(pair.a, std::to_string(i));
      pair.world.run_for(Duration(pair.world.rng.below(3'000'000'000)));
    }
    CHECK(pair.a.heard.size() > 150);
    CHECK(pair.b.heard.size() > 150);
    // Nothing is heard more often than it was said.
    CHECK(pair.a.heard.size() <= 600);
    pair.world.impairment = {};
    pair.a.say(pair.b, "at last");
    pair.world.run_for(20s);
    pair.a.say(pair.b, "now");
    pair.world.run_for(kRekeyTimeout + kMaxJitter + 1s);
    CHECK(pair.b.has_heard("now"));
  }
}

TEST_CASE("device: a host that restarts is heard at once, and reached after 15 s of silence") {
  Pair pair(7);
  pair.talk();
  SUBCASE("it speaks first") {
    pair.b.device.stop();
    pair.b.device.start(pair.world.now);
    pair.b.say(pair.a, "again");
    pair.world.run_for(1s);
    CHECK(pair.a.has_heard("again"));
  }
  SUBCASE("it is spoken to") {
    pair.world.run_for(20s);
    pair.b.device.stop();
    pair.b.device.start(pair.world.now);
    pair.world.forget_sent();
    pair.a.say(pair.b, "lost");
    pair.world.run_for(kKeepaliveTimeout + kRekeyTimeout - 1ns);
    CHECK(initiations(pair.world) == 0);
    pair.world.run_for(kMaxJitter + 1s);
    CHECK(initiations(pair.world) == 1);
    pair.a.say(pair.b, "found");
    pair.world.run_for(1s);
    CHECK(pair.b.has_heard("found"));
    CHECK_FALSE(pair.b.has_heard("lost"));
  }
}

TEST_CASE("device: a handshake is tried 18 times in 90 s, then the peer is unreachable") {
  Pair pair(8);
  pair.world.is_lost = [](const Datagram&) { return true; };
  pair.a.say(pair.b, "anybody?");
  pair.world.run_for(kRekeyAttemptTime - 1ns);
  CHECK(pair.a.count(Event::Kind::kPeerUnreachable) == 0);
  CHECK(initiations(pair.world) >= 17);
  pair.world.run_for(18 * kMaxJitter + 1ns);
  CHECK(initiations(pair.world) == kMaxTimerHandshakes);
  CHECK(pair.a.count(Event::Kind::kPeerUnreachable) == 1);
  pair.world.run_for(24h);
  CHECK(initiations(pair.world) == kMaxTimerHandshakes);
  CHECK(pair.a.device.deadline() == MonoTime::never());

  pair.world.is_lost = nullptr;
  pair.a.say(pair.b, "and now?");
  pair.world.run_for(1s);
  CHECK(pair.b.heard == std::vector<std::string>{"and now?"});
}

TEST_CASE("device: somebody who keeps asking keeps the handshakes going, 5 s apart at least") {
  Pair pair(9);
  std::vector<MonoTime> times;
  pair.world.is_lost = [&](const Datagram&) {
    times.push_back(pair.world.now);
    return true;
  };
  for (int i = 0; i < 300; ++i) {
    pair.a.say(pair.b, "anybody?");
    pair.world.run_for(1s);
  }
  CHECK(pair.a.count(Event::Kind::kPeerUnreachable) == 0);
  CHECK(times.size() >= 56);
  CHECK(times.size() <= 60);
  for (std::size_t i = 1; i < times.size(); ++i) {
    CHECK(times[i] - times[i - 1] >= kRekeyTimeout);
    CHECK(times[i] - times[i - 1] <= kRekeyTimeout + kMaxJitter);
  }
}

TEST_CASE("L16 idle peers are silent: one exchange costs four packets in a day") {
  Pair pair(10);
  pair.a.say(pair.b, "hello");
  pair.world.run_for(24h);
  // Initiation, response, the data, and the keepalive that says it has come.
  CHECK(pair.world.total_sent() == 4);
  pair.b.say(pair.a, "long forgotten");
  pair.world.run_for(24h);
  CHECK(pair.a.has_heard("long forgotten"));
  CHECK(pair.world.total_sent() == 8);
  CHECK(pair.a.device.deadline() == MonoTime::never());
}

TEST_CASE("L16 a persistent keepalive costs exactly what the paper says, for every interval") {
  for (const std::int64_t seconds : {1, 5, 9, 10, 25, 59, 60, 119, 120, 121, 180, 300, 3600}) {
    CAPTURE(seconds);
    World world(11);
    world.is_recording = false;
    world.impairment.latency = Duration::zero();
    Host& a = world.add_host();
    Host& b = world.add_host();
    world.introduce(a, b);
    const Duration interval = std::chrono::seconds(seconds);
    const Duration day = seconds < 59 ? 4h : 24h;
    a.device.set_persistent_keepalive(a.peer(b), interval, world.now);
    world.run_for(day);

    // A session serves until the first keepalive that is due at 120 s or later. That keepalive is
    // sent under it if it is still younger than 180 s, and the handshake follows at once; the new
    // session is confirmed by one more. (An initiation and a keepalive at the same time.)
    std::size_t data = 1;
    std::size_t handshakes = 1;
    Duration born{0};
    for (Duration at = interval; at <= day; at += interval) {
      const Duration age = at - born;
      if (age < kRejectAfterTime) ++data;
      if (age < kRekeyAfterTime) continue;
      ++handshakes;
      ++data;
      born = at;
    }
    CHECK(world.sent_by_kind[Kind::kInitiation] == handshakes);
    CHECK(world.sent_by_kind[Kind::kResponse] == handshakes);
    CHECK(world.sent_by_kind[Kind::kData] == data);
    CHECK(world.sent_by_kind[Kind::kCookie] == 0);
  }
}

TEST_CASE("device: a persistent keepalive starts at once, and finds a peer that comes back") {
  Pair pair(12);
  pair.a.device.set_persistent_keepalive(pair.a.peer(pair.b), 25s, pair.world.now);
  pair.world.is_lost = [](const Datagram&) { return true; };
  pair.world.run_for(1ns);
  CHECK(initiations(pair.world) == 1);
  pair.world.run_for(1h);
  CHECK(pair.a.count(Event::Kind::kPeerUnreachable) > 25);
  pair.world.is_lost = nullptr;
  pair.world.run_for(25s + 1s);
  CHECK(pair.b.count(Event::Kind::kSessionReady) == 1);
}

TEST_CASE("device: a stopped link is silent, and greets its peers when it starts") {
  Pair pair(13);
  pair.a.device.set_persistent_keepalive(pair.a.peer(pair.b), 25s, pair.world.now);
  pair.world.run_for(60s);
  pair.a.device.stop();
  pair.world.forget_sent();
  pair.world.run_for(1h);
  CHECK(pair.world.total_sent() == 0);
  CHECK(pair.a.device.deadline() == MonoTime::never());
  pair.a.device.start(pair.world.now);
  pair.world.run_for(1s);
  CHECK(initiations(pair.world) == 1);
}

TEST_CASE("L09 a host is followed to its new address with its next packet") {
  Pair pair(14);
  pair.talk();
  pair.a.address = endpoint_of(77, 4000);
  pair.a.say(pair.b, "moved");
  pair.world.run_for(1s);
  CHECK(pair.b.device.info(pair.b.peer(pair.a)).endpoint == pair.a.address);
  CHECK(pair.b.count(Event::Kind::kEndpointMoved) == 1);
  pair.b.say(pair.a, "noticed");
  pair.world.run_for(1s);
  CHECK(pair.a.has_heard("noticed"));
}

TEST_CASE("device: a hub talks with 1,000 peers, who cost nothing when they are idle") {
  World world(15);
  world.is_recording = false;
  Host& hub = world.add_host({.sources = 2048});
  for (int i = 0; i < 1000; ++i) {
    Host& spoke = world.add_host({.transmits = 8, .sources = 1});
    world.introduce(hub, spoke);
    if (i % 2 == 0) spoke.say(hub, "spoke " + std::to_string(i));
    if (i % 2 == 1) hub.say(spoke, "hub " + std::to_string(i));
  }
  world.run_for(2s);
  CHECK(hub.heard.size() == 500);
  CHECK(hub.device.counters().sessions_confirmed == 1000);
  world.run_for(kForgetKeysAfter + 1s);
  CHECK(hub.device.deadline() == MonoTime::never());
}

TEST_CASE("L17 a clock that jumps and stands stops no timer") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Pair pair(seed);
    pair.world.is_recording = false;
    pair.world.impairment.latency = Duration::zero();
    pair.a.device.set_persistent_keepalive(pair.a.peer(pair.b), 25s, pair.world.now);
    for (int i = 0; i < 300; ++i) {
      pair.world.run_for(Duration(pair.world.rng.below(40'000'000'000)));
      const auto jump = Duration(pair.world.rng.below(7200'000'000'000)) - 3600s;
      if (pair.world.rng.below(3) == 0) pair.world.now += jump;
      if (pair.world.rng.below(3) == 0) pair.world.wall = pair.world.wall + jump;
      if (pair.world.now < MonoTime(0s)) pair.world.now = MonoTime(0s);
      pair.a.say(pair.b, "tick");
    }
    pair.world.forget_sent();
    pair.world.run_for(100s);
    CHECK(pair.world.sent_by_kind[Kind::kData] >= 4);
    pair.b.heard.clear();
    pair.a.say(pair.b, "still there");
    pair.world.run_for(1s);
    CHECK(pair.b.has_heard("still there"));
  }
}
