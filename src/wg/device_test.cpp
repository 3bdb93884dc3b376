// Configuration, sessions and the data path of a device.
#include "wg/device.h"

#include <doctest/doctest.h>

#include <type_traits>

#include "wg/testing.h"

#if __has_feature(address_sanitizer)
#include <sanitizer/allocator_interface.h>
#endif

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::wg::test;

static_assert(std::is_same_v<decltype(SendGrant::first_counter), std::uint64_t>);

namespace {

PublicKey some_public_key(Rng& rng) {
  return PrivateKey::generate(rng).public_key();
}

// Sends one packet from a to b and says whether it was heard.
bool is_heard(Pair& pair, std::string_view text) {
  pair.a.say(pair.b, text);
  pair.world.run_for(1s);
  return pair.b.has_heard(text);
}

// Spends counters of a's session to b without a packet for each.
void spend(Pair& pair, std::uint64_t counters) {
  const auto grant = pair.a.device.begin_send(pair.a.peer(pair.b), counters, pair.world.now);
  REQUIRE(grant);
  pair.a.device.finish_send(*grant, 0, 0, false, pair.world.now);
}

}  // namespace

TEST_CASE("device: a peer is found by its key, and by its id until it is removed") {
  SeededRng rng(1);
  Device device(rng, kSmallLimits);
  const PublicKey key = some_public_key(rng);
  const auto id = device.add_peer(key, MonoTime(1h));
  REQUIRE(id);
  CHECK(device.add_peer(key, MonoTime(1h)) == id);
  CHECK(device.find_peer(key) == id);
  CHECK(device.peer_count() == 1);
  device.remove_peer(*id);
  CHECK_FALSE(device.has_peer(*id));
  CHECK_FALSE(device.find_peer(key));
  CHECK(device.peer_count() == 0);
  const auto other = device.add_peer(some_public_key(rng), MonoTime(1h));
  CHECK(other != id);
  CHECK_FALSE(device.has_peer(*id));
  CHECK(device.begin_send(*id, 1, MonoTime(1h)).error() == SendRefusal::kUnknownPeer);
}

TEST_CASE("device: an id is not used again soon") {
  SeededRng rng(2);
  Device device(rng, kSmallLimits);
  std::set<PeerId> seen;
  for (int i = 0; i < 4000; ++i) {
    const auto id = device.add_peer(some_public_key(rng), MonoTime(1h));
    REQUIRE(seen.insert(*id).second);
    device.remove_peer(*id);
  }
}

TEST_CASE("device: we are no peer of ourselves, whichever is told first") {
  SeededRng rng(3);
  Device device(rng, kSmallLimits);
  const PrivateKey key = PrivateKey::generate(rng);
  REQUIRE(device.add_peer(key.public_key(), MonoTime(1h)));
  device.set_private_key(key.clone(), MonoTime(1h));
  CHECK(device.peer_count() == 0);
  CHECK_FALSE(device.add_peer(key.public_key(), MonoTime(1h)));
}

TEST_CASE("device: no more peers than the limit") {
  SeededRng rng(4);
  Device device(rng, {.peers = 2, .sources = 1});
  CHECK(device.add_peer(some_public_key(rng), MonoTime(1h)));
  const auto second = device.add_peer(some_public_key(rng), MonoTime(1h));
  CHECK(second);
  CHECK_FALSE(device.add_peer(some_public_key(rng), MonoTime(1h)));
  device.remove_peer(*second);
  CHECK(device.add_peer(some_public_key(rng), MonoTime(1h)));
}

TEST_CASE("device: says why it does not send") {
  SeededRng rng(5);
  constexpr MonoTime now{1h};
  Device device(rng, kSmallLimits);
  const PeerId id = *device.add_peer(some_public_key(rng), now);
  CHECK(device.begin_send(id, 1, now).error() == SendRefusal::kNotRunning);
  device.start(now);
  CHECK(device.begin_send(id, 1, now).error() == SendRefusal::kNotRunning);
  device.set_private_key(PrivateKey::generate(rng), now);
  CHECK(device.begin_send(id, 1, now).error() == SendRefusal::kNoEndpoint);
  CHECK(device.deadline() == MonoTime::never());
  device.set_endpoint(id, endpoint_of(1), now);
  CHECK(device.begin_send(id, 1, now).error() == SendRefusal::kNoSession);
  CHECK(device.deadline() == now);
  CHECK(device.begin_send(PeerId(77), 1, now).error() == SendRefusal::kUnknownPeer);
}

TEST_CASE("device: what `wg show` prints") {
  Pair pair(6);
  CHECK_FALSE(pair.a.device.info(pair.a.peer(pair.b)).last_handshake);
  const WallTime before = pair.world.wall;
  pair.talk();
  const PeerInfo info = pair.a.device.info(pair.a.peer(pair.b));
  CHECK(info.public_key == *pair.b.device.public_key());
  CHECK(info.endpoint == pair.b.address);
  REQUIRE(info.last_handshake);
  CHECK(*info.last_handshake > before);
  CHECK(info.tx_bytes == kInitiationSize + kDataOverhead + 16);
  CHECK(info.rx_bytes == kResponseSize + kDataOverhead + 16);
  const PeerInfo other = pair.b.device.info(pair.b.peer(pair.a));
  CHECK(other.rx_bytes == info.tx_bytes);
  CHECK(other.tx_bytes == info.rx_bytes);
}

TEST_CASE("L02 counters pass 2^32") {
  Pair pair(7);
  pair.talk();
  spend(pair, (std::uint64_t{1} << 32) - 3);
  for (int i = 0; i < 6; ++i)
    CHECK(is_heard(pair, "packet " + std::to_string(i)));
  CHECK(pair.world.sent_by_kind[Kind::kInitiation] == 1);
  const auto grant = pair.a.device.begin_send(pair.a.peer(pair.b), 1, pair.world.now);
  REQUIRE(grant);
  CHECK(grant->first_counter == (std::uint64_t{1} << 32) + 4);
  pair.a.device.finish_send(*grant, 0, 0, false, pair.world.now);
}

TEST_CASE("L01 a session is renewed after 2^60 messages, by either side") {
  for (const bool responder_sends : {false, true}) {
    Pair pair(8);
    pair.talk();
    Host& sender = responder_sends ? pair.b : pair.a;
    Host& receiver = responder_sends ? pair.a : pair.b;
    const PeerId id = sender.peer(receiver);
    pair.world.run_for(20s);
    pair.world.forget_sent();
    const auto grant = sender.device.begin_send(id, kRekeyAfterMessages - 3, pair.world.now);
    REQUIRE(grant);
    sender.device.finish_send(*grant, 0, 0, false, pair.world.now);
    const std::uint64_t next = grant->first_counter + kRekeyAfterMessages - 3;
    for (std::uint64_t sent = next; sent < kRekeyAfterMessages - 1; ++sent)
      sender.say(receiver, "before");
    pair.world.run_for(1s);
    CHECK(pair.world.sent_by_kind[Kind::kInitiation] == 0);
    sender.say(receiver, "the last");
    pair.world.run_for(1s);
    CHECK(pair.world.sent_by_kind[Kind::kInitiation] == 1);
    CHECK(receiver.has_heard("the last"));
  }
}

TEST_CASE("L01 no packet leaves or is taken past 2^64 - 2^13 - 1") {
  Pair pair(9);
  pair.talk();
  const PeerId id = pair.a.peer(pair.b);
  MonoTime& now = pair.world.now;
  const auto first = pair.a.device.begin_send(id, 1, now);
  REQUIRE(first);
  const std::uint64_t left = kRejectAfterMessages - first->first_counter - 1;
  pair.a.device.finish_send(*first, 0, 0, false, now);
  CHECK_FALSE(pair.a.device.begin_send(id, left + 1, now));
  spend(pair, left - 1);
  const auto last = pair.a.device.begin_send(id, 1, now);
  REQUIRE(last);
  CHECK(last->first_counter == kRejectAfterMessages - 1);
  CHECK(pair.a.device.begin_send(id, 1, now).error() == SendRefusal::kNoSession);

  Session* taken = pair.b.device.begin_receive(last->session->remote, last->first_counter, now);
  REQUIRE(taken != nullptr);
  pair.b.device.unpin(*taken, 1);
  CHECK(pair.b.device.begin_receive(last->session->remote, kRejectAfterMessages, now) == nullptr);
  CHECK(pair.b.device.begin_receive(last->session->remote, ~std::uint64_t{0}, now) == nullptr);
  CHECK(pair.b.device.counters().dropped(Drop::kExpiredSession) == 2);
  pair.a.device.finish_send(*last, 0, 0, false, now);
}

TEST_CASE("device: a session sends and receives until its 180th second, and not after") {
  for (const bool is_late : {false, true}) {
    Pair pair(10);
    pair.world.impairment.latency = Duration::zero();
    pair.a.say(pair.b, "hello");
    pair.world.run_for(Duration::zero());
    const PeerId id = pair.a.peer(pair.b);
    const auto probe = pair.a.device.begin_send(id, 1, pair.world.now);
    REQUIRE(probe);
    const SessionIndex index = probe->session->remote;
    pair.a.device.finish_send(*probe, 0, 0, false, pair.world.now);
    const MonoTime then = pair.world.now + kRejectAfterTime - (is_late ? 0ns : 1ns);
    const auto grant = pair.a.device.begin_send(id, 1, then);
    CHECK(grant.has_value() == !is_late);
    if (grant) pair.a.device.finish_send(*grant, 0, 0, false, then);
    Session* session = pair.b.device.begin_receive(index, 100, then);
    CHECK((session != nullptr) == !is_late);
    if (session != nullptr) pair.b.device.unpin(*session, 1);
  }
}

TEST_CASE("device: keys are gone after 540 s") {
  Pair pair(11);
  pair.talk();
  const auto probe = pair.a.device.begin_send(pair.a.peer(pair.b), 1, pair.world.now);
  const SessionIndex index = probe->session->remote;
  pair.a.device.finish_send(*probe, 0, 0, false, pair.world.now);
  const auto drops = [&](Drop drop) {
    const std::uint64_t before = pair.b.device.counters().dropped(drop);
    CHECK(pair.b.device.begin_receive(index, 50, pair.world.now) == nullptr);
    return pair.b.device.counters().dropped(drop) - before;
  };
  pair.world.run_for(530s);
  CHECK(drops(Drop::kExpiredSession) == 1);
  pair.world.run_for(10s);
  CHECK(drops(Drop::kUnknownIndex) == 1);
}

TEST_CASE("device: a session that was replaced lives until nobody has it pinned") {
  Pair pair(12);
  pair.talk();
  const PeerId id = pair.a.peer(pair.b);
  const auto grant = pair.a.device.begin_send(id, 1, pair.world.now);
  REQUIRE(grant);
  pair.a.device.remove_peer(id);
  // Its ciphers still work; ASan would tell.
  CHECK(seal_packet(*grant, grant->first_counter, "late").size() == kDataOverhead + 16);
  pair.a.device.finish_send(*grant, 1, 48, true, pair.world.now);
}

TEST_CASE("device: a peer may go while a session is pinned that was replaced before") {
  Pair pair(21);
  pair.talk();
  const PeerId id = pair.a.peer(pair.b);
  const auto oldest = pair.a.device.begin_send(id, 1, pair.world.now);
  REQUIRE(oldest);
  Session* theirs =
      pair.b.device.begin_receive(oldest->session->remote, oldest->first_counter, pair.world.now);
  REQUIRE(theirs != nullptr);
  for (int i = 0; i < 400; ++i)
    CHECK(is_heard(pair, std::to_string(i)));
  CHECK(pair.a.device.counters().sessions_confirmed >= 3);
  pair.a.device.remove_peer(id);
  pair.a.device.finish_send(*oldest, 1, 48, true, pair.world.now);
  pair.b.device.remove_peer(pair.b.device.find_peer(*pair.a.device.public_key()).value());
  CHECK_FALSE(pair.b.device.finish_receive(*theirs, path_from(pair.a.address), 1, 48, true,
                                           pair.world.now, pair.world.wall));
}

TEST_CASE("device: packets that are opened while the configuration changes are not used") {
  Pair pair(13);
  pair.talk();
  const auto grant = pair.a.device.begin_send(pair.a.peer(pair.b), 1, pair.world.now);
  Session* session =
      pair.b.device.begin_receive(grant->session->remote, grant->first_counter, pair.world.now);
  REQUIRE(session != nullptr);
  pair.b.device.set_private_key(PrivateKey::generate(pair.world.rng), pair.world.now);
  CHECK_FALSE(pair.b.device.finish_receive(*session, path_from(endpoint_of(66)), 1, 48, true,
                                           pair.world.now, pair.world.wall));
  CHECK(pair.b.device.info(*pair.b.device.find_peer(*pair.a.device.public_key())).endpoint ==
        pair.a.address);
  pair.a.device.finish_send(*grant, 1, 48, true, pair.world.now);
}

TEST_CASE("L15 a new preshared key is used at once, and again, and again") {
  Pair pair(14);
  pair.world.is_recording = false;
  pair.talk();
  const PeerId to_b = pair.a.peer(pair.b);
  const PeerId to_a = pair.b.peer(pair.a);
  for (int round = 0; round < 300; ++round) {
    PresharedKey key;
    pair.world.rng.fill(key.expose_mutable());
    pair.a.device.set_preshared_key(to_b, key);
    CHECK(pair.a.device.begin_send(to_b, 1, pair.world.now).error() == SendRefusal::kNoSession);
    if (round % 50 == 0) {
      const std::string text = "too early " + std::to_string(round);
      CHECK_FALSE(is_heard(pair, text));
    }
    pair.b.device.set_preshared_key(to_a, key);
    pair.a.say(pair.b, std::to_string(round));
    pair.world.run_for(2 * (kRekeyTimeout + kMaxJitter));
    REQUIRE(pair.b.has_heard(std::to_string(round)));
  }
}

TEST_CASE("L15 the same preshared key again changes nothing") {
  Pair pair(15);
  pair.talk();
  pair.a.device.set_preshared_key(pair.a.peer(pair.b), PresharedKey());
  CHECK(is_heard(pair, "still"));
  CHECK(pair.world.sent_by_kind[Kind::kInitiation] == 1);
}

TEST_CASE("L15 a new private key is used at once, and again, and again") {
  Pair pair(16);
  pair.world.is_recording = false;
  for (int round = 0; round < 300; ++round) {
    const PeerId old = pair.b.peer(pair.a);
    pair.a.device.set_private_key(PrivateKey::generate(pair.world.rng), pair.world.now);
    CHECK(pair.a.device.begin_send(pair.a.peer(pair.b), 1, pair.world.now).error() ==
          SendRefusal::kNoSession);
    pair.b.device.remove_peer(old);
    pair.world.introduce_to(pair.b, pair.a);
    pair.a.say(pair.b, std::to_string(round));
    pair.world.run_for(1s);
    REQUIRE(pair.b.has_heard(std::to_string(round)));
  }
}

TEST_CASE("device: paths are remembered for replies and forgotten when nobody answers") {
  Pair pair(17);
  pair.talk();
  const PeerId id = pair.b.peer(pair.a);
  const auto sent = pair.a.device.begin_send(pair.a.peer(pair.b), 1, pair.world.now);
  Session* session =
      pair.b.device.begin_receive(sent->session->remote, sent->first_counter, pair.world.now);
  pair.a.device.finish_send(*sent, 0, 0, false, pair.world.now);
  const Path path = {.remote = pair.a.address, .local = IpAddress::v4(10, 9, 9, 9), .interface = 3};
  pair.b.device.finish_receive(*session, path, 1, 48, true, pair.world.now, pair.world.wall);
  auto grant = pair.b.device.begin_send(id, 1, pair.world.now);
  CHECK(grant->path == path);
  pair.b.device.finish_send(*grant, 1, 48, true, pair.world.now);
  pair.world.is_lost = [](const Datagram&) { return true; };
  pair.world.run_for(kKeepaliveTimeout + kRekeyTimeout + kMaxJitter);
  grant = pair.b.device.begin_send(id, 1, pair.world.now);
  CHECK(grant->path == path_from(pair.a.address));
  pair.b.device.finish_send(*grant, 0, 0, false, pair.world.now);
}

TEST_CASE("device: 500 keepalives that are due at once do not overflow the transmits") {
  SeededRng rng(18);
  constexpr MonoTime now{1h};
  Device device(rng, {.transmits = 100, .sources = 1});
  device.set_private_key(PrivateKey::generate(rng), now);
  for (int i = 0; i < 500; ++i) {
    const PeerId id = *device.add_peer(some_public_key(rng), now);
    device.set_endpoint(id, endpoint_of(5), now);
    device.set_persistent_keepalive(id, 25s, now);
  }
  device.start(now);
  std::size_t sent = 0;
  while (device.deadline() <= now) {
    device.expire(now, kSomeDay);
    while (device.next_transmit())
      ++sent;
  }
  CHECK(sent == 500);
}

#if __has_feature(address_sanitizer)
namespace {

std::size_t allocations = 0;

void count_allocation(const volatile void*, std::size_t) {
  ++allocations;
}
void ignore_release(const volatile void*) {}

}  // namespace

TEST_CASE("device: the data path allocates nothing, whatever it sets off") {
  Pair pair(19);
  pair.world.is_recording = false;
  REQUIRE(__sanitizer_install_malloc_and_free_hooks(count_allocation, ignore_release) > 0);
  std::size_t on_data_path = 0;
  const auto counted = [&](auto&& call) {
    const std::size_t before = allocations;
    auto result = call();
    on_data_path += allocations - before;
    return result;
  };
  Device& a = pair.a.device;
  Device& b = pair.b.device;
  const PeerId id = pair.a.peer(pair.b);
  std::size_t delivered = 0;
  for (int i = 0; i < 2000; ++i) {
    pair.world.run_for(1s);  // handshakes, renewals, confirmations
    const MonoTime now = pair.world.now;
    const auto grant = counted([&] { return a.begin_send(id, 4, now); });
    if (!grant) continue;
    for (std::uint64_t j = 0; j < 4; ++j) {
      const std::uint64_t counter = grant->first_counter + j;
      Session* session =
          counted([&] { return b.begin_receive(grant->session->remote, counter, now); });
      REQUIRE(session != nullptr);
      CHECK(counted([&] { return session->window.accept(counter); }));
      const Path from = path_from(endpoint_of(1, static_cast<std::uint16_t>(1000 + i)));
      delivered += counted(
          [&] { return b.finish_receive(*session, from, 1, 1452, true, now, pair.world.wall); });
    }
    counted([&] {
      a.finish_send(*grant, 4, 4 * 1452, true, now);
      return 0;
    });
    while (counted([&] { return b.next_event(); })) {
    }
  }
  CHECK(allocations > 0);
  CHECK(delivered > 7900);
  CHECK(b.counters().sessions_confirmed > 10);
  CHECK(on_data_path == 0);
}
#endif
