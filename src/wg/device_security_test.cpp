// What strangers, forgers and replayers can do to a device: nothing.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/hex.h"
#include "wg/noise.h"
#include "wg/testing.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::wg::test;
using sinew::test::unhex;

namespace {

// All that a test can see of a device and that an unauthenticated datagram must not change.
struct Visible {
  explicit Visible(const Host& host) : deadline(host.device.deadline()) {
    host.device.for_each_peer([&](PeerId id) {
      const PeerInfo info = host.device.info(id);
      peers.emplace_back(id, info.endpoint, info.last_handshake, info.rx_bytes, info.tx_bytes);
    });
    sessions = host.device.counters().sessions_confirmed;
  }
  friend bool operator==(const Visible&, const Visible&) = default;

  MonoTime deadline;
  std::uint64_t sessions;
  std::vector<std::tuple<PeerId, std::optional<Endpoint>, std::optional<WallTime>, std::uint64_t,
                         std::uint64_t>>
      peers;
};

// Feeds one datagram and returns the bytes that come back.
std::size_t provoke(World& world, Host& host, ByteView datagram, const Endpoint& from) {
  host.device.feed(datagram, path_from(from), world.now, world.wall);
  std::size_t size = 0;
  while (const auto transmit = host.device.next_transmit())
    size += transmit->size;
  return size;
}

std::uint64_t dropped(const Host& host, Drop drop) {
  return host.device.counters().dropped(drop);
}

const Datagram& last_of(const World& world, Kind kind) {
  const auto found = std::ranges::find(world.sent.rbegin(), world.sent.rend(), kind,
                                       [](const Datagram& datagram) { return datagram.kind(); });
  REQUIRE(found != world.sent.rend());
  return *found;
}

// A caller without device: makes valid initiations to `to` as often as asked.
class Caller {
 public:
  Caller(World& world, const Host& to)
      : world_(world),
        identity_(PrivateKey::generate(world.rng)),
        them_(*to.device.public_key()),
        cookies_(them_),
        static_static_(*crypto::x25519(identity_.private_key, them_)) {}

  const PublicKey& key() const { return identity_.public_key; }
  Bytes call() {
    Initiation initiation;
    stamp_ = Timestamp::after(stamp_, world_.wall);
    REQUIRE(Initiator::create(identity_, them_, static_static_, SessionIndex(5), stamp_, world_.rng,
                              initiation));
    Bytes bytes(kInitiationSize);
    initiation.encode(std::span(bytes).first<kInitiationSize>());
    cookies_.add_macs(bytes, world_.now);
    return bytes;
  }
  CookieHolder& cookies() { return cookies_; }

 private:
  World& world_;
  Identity identity_;
  PublicKey them_;
  CookieHolder cookies_;
  crypto::SharedSecret static_static_;
  Timestamp stamp_;
};

constexpr std::uint32_t kAttacker = 666;

}  // namespace

TEST_CASE("L23 10^6 random datagrams get no reply and change nothing") {
  Pair pair(1);
  pair.talk();
  const Visible before(pair.b);
  SeededRng rng(23);
  Bytes datagram(200);
  rng.fill(datagram);
  const std::size_t sizes[] = {0, 1, 31, 32, 64, 92, 147, 148, 149, 200};
  std::size_t replies = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    store_le(datagram.data() + (static_cast<std::size_t>(i) * 8 % 192),
             rng.number<std::uint64_t>());
    const std::size_t size = sizes[i % 10];
    if (i % 2 == 0) store_le(datagram.data(), static_cast<std::uint32_t>(i / 10 % 5));
    const auto view = ByteView(datagram).first(size);
    if (kind_of(view) == Kind::kData) {
      const DataHeader header = DataHeader::load(view.data());
      CHECK(pair.b.device.begin_receive(header.receiver, header.counter, pair.world.now) ==
            nullptr);
    }
    pair.b.device.feed(view, path_from(endpoint_of(kAttacker)), pair.world.now, pair.world.wall);
    if (i % 1000 == 0) pair.b.device.expire(pair.world.now, pair.world.wall);
    if (pair.b.device.next_transmit()) ++replies;
  }
  CHECK(replies == 0);
  CHECK(Visible(pair.b) == before);
  CHECK_FALSE(pair.b.device.next_event());
}

TEST_CASE("L12 an initiation is answered once: 10^5 replays get no response") {
  Pair pair(2);
  pair.talk();
  const Datagram initiation = last_of(pair.world, Kind::kInitiation);
  pair.world.run_for(10s);
  const Visible before(pair.b);
  const std::uint64_t responses = pair.b.device.counters().responses_sent;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    pair.world.now += 1ms;
    const std::size_t reply =
        provoke(pair.world, pair.b, initiation.bytes, endpoint_of(kAttacker + i % 7));
    REQUIRE((reply == 0 || reply == kCookieSize));
  }
  CHECK(dropped(pair.b, Drop::kStaleTimestamp) > 1000);
  CHECK(pair.b.device.counters().responses_sent == responses);
  CHECK(Visible(pair.b) == before);
}

TEST_CASE("L12 an older initiation than the last is refused for the life of the peer") {
  World world(3);
  Host& host = world.add_host();
  Caller caller(world, host);
  const PeerId id = *host.device.add_peer(caller.key(), world.now);
  const Bytes older = caller.call();
  const Bytes newer = caller.call();
  CHECK(provoke(world, host, newer, endpoint_of(9)) == kResponseSize);
  world.now += 1s;
  CHECK(provoke(world, host, older, endpoint_of(9)) == 0);
  host.device.stop();
  host.device.start(world.now);
  CHECK(provoke(world, host, newer, endpoint_of(9)) == 0);
  CHECK(dropped(host, Drop::kStaleTimestamp) == 2);
  // Who is removed and added is a new peer: this is how one whose clock was ahead comes back.
  host.device.remove_peer(id);
  host.device.add_peer(caller.key(), world.now);
  CHECK(provoke(world, host, newer, endpoint_of(9)) == kResponseSize);
}

TEST_CASE("L12 a peer's initiations are answered 50 times a second at most") {
  World world(4);
  Host& host = world.add_host();
  Caller caller(world, host);
  host.device.add_peer(caller.key(), world.now);
  CHECK(provoke(world, host, caller.call(), endpoint_of(1)) == kResponseSize);
  world.now += 20ms - 1ns;
  CHECK(provoke(world, host, caller.call(), endpoint_of(2)) == 0);
  CHECK(dropped(host, Drop::kRateLimited) == 1);
  world.now += 1ns;
  CHECK(provoke(world, host, caller.call(), endpoint_of(3)) == kResponseSize);
}

TEST_CASE("device: an initiation whose answer finds no room can be answered later") {
  World world(16);
  Host& host = world.add_host({.transmits = 1, .sources = 64});
  Caller caller(world, host);
  Caller other(world, host);
  host.device.add_peer(caller.key(), world.now);
  host.device.add_peer(other.key(), world.now);
  const Bytes call = caller.call();
  host.device.feed(other.call(), path_from(endpoint_of(2)), world.now, world.wall);
  host.device.feed(call, path_from(endpoint_of(1)), world.now, world.wall);
  CHECK(dropped(host, Drop::kTransmitFull) == 1);
  REQUIRE(host.device.next_transmit());
  CHECK_FALSE(host.device.next_transmit());
  CHECK(provoke(world, host, call, endpoint_of(1)) == kResponseSize);
}

TEST_CASE("device: who is no peer gets no answer") {
  World world(5);
  Host& host = world.add_host();
  Caller stranger(world, host);
  CHECK(provoke(world, host, stranger.call(), endpoint_of(9)) == 0);
  CHECK(dropped(host, Drop::kUnknownPeer) == 1);
}

TEST_CASE("L20 any wrong bit in any message changes nothing, and the right message still counts") {
  Pair pair(6);
  Datagram initiation;
  pair.world.is_lost = [&](const Datagram&) { return true; };
  pair.a.say(pair.b, "x");
  initiation = last_of(pair.world, Kind::kInitiation);
  const auto try_all = [&](Host& host, const Datagram& message, Drop also_allowed) {
    const Visible before(host);
    for (std::size_t bit = 0; bit < 8 * message.bytes.size(); ++bit) {
      // The second MAC is asked for only under load.
      const std::size_t byte = bit / 8;
      if (byte >= message.bytes.size() - kMacSize && message.kind() != Kind::kCookie) break;
      Bytes wrong = message.bytes;
      wrong[byte] ^= static_cast<std::uint8_t>(1U << bit % 8);
      REQUIRE(provoke(pair.world, host, wrong, endpoint_of(kAttacker)) == 0);
      REQUIRE(Visible(host) == before);
    }
    CHECK(dropped(host, Drop::kBadMac1) + dropped(host, also_allowed) > 0);
    CHECK_FALSE(host.device.next_event());
  };
  try_all(pair.b, initiation, Drop::kMalformed);
  pair.b.receive(initiation);
  pair.b.pump();
  const Datagram response = last_of(pair.world, Kind::kResponse);
  try_all(pair.a, response, Drop::kUnknownIndex);
  pair.a.receive(response);
  pair.a.pump();
  const Datagram data = last_of(pair.world, Kind::kData);
  const Visible before(pair.b);
  for (std::size_t bit = 32; bit < 8 * data.bytes.size(); ++bit) {
    Datagram wrong = data;
    wrong.bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    wrong.from = endpoint_of(kAttacker);
    pair.b.receive(wrong);
    REQUIRE(pair.b.heard.empty());
    REQUIRE(Visible(pair.b) == before);
  }
  pair.b.receive(data);
  CHECK(pair.b.heard == std::vector<std::string>{"x"});
}

TEST_CASE("L20 forged responses with a right first MAC do not end a handshake") {
  Pair pair(7);
  pair.world.is_lost = [](const Datagram&) { return true; };
  pair.a.say(pair.b, "x");
  const Datagram initiation = last_of(pair.world, Kind::kInitiation);
  pair.b.receive(initiation);
  pair.b.pump();
  const Datagram right = last_of(pair.world, Kind::kResponse);
  CookieHolder forger(*pair.a.device.public_key());
  std::size_t bytes_back = 0;
  for (int i = 0; i < 100; ++i) {
    Bytes forged = right.bytes;
    forged[44] ^= static_cast<std::uint8_t>(i + 1);
    forger.add_macs(forged, pair.world.now);
    std::fill(forged.end() - 16, forged.end(), 0);
    const std::size_t back = provoke(pair.world, pair.a, forged, endpoint_of(kAttacker));
    CHECK(back <= forged.size());
    bytes_back += back;
  }
  // After a few of them a caller has to show that its address is real.
  CHECK(dropped(pair.a, Drop::kBadHandshake) <= 8 + kHandshakeBurst);
  CHECK(bytes_back > 0);
  pair.a.receive(right);
  pair.a.pump();
  CHECK(pair.a.count(Event::Kind::kSessionReady) == 1);
}

TEST_CASE("device: a response to the try before the last is too late, and harms nothing") {
  Pair pair(17);
  pair.world.is_lost = [](const Datagram& datagram) {
    return datagram.kind() != Kind::kInitiation;
  };
  pair.a.say(pair.b, "x");
  pair.world.run_for(1s);
  const Datagram late = last_of(pair.world, Kind::kResponse);
  pair.world.run_for(kRekeyTimeout + kMaxJitter);
  const Datagram right = last_of(pair.world, Kind::kResponse);
  REQUIRE(late.bytes != right.bytes);
  pair.a.receive(late);
  CHECK(dropped(pair.a, Drop::kUnknownIndex) == 1);
  pair.a.receive(right);
  pair.a.pump();
  CHECK(pair.a.count(Event::Kind::kSessionReady) == 1);
}

TEST_CASE("L08 garbage, replays and cookie replies from elsewhere move no endpoint") {
  Pair pair(8);
  pair.world.is_lost = [](const Datagram& datagram) { return datagram.kind() == Kind::kResponse; };
  pair.a.say(pair.b, "x");
  pair.world.run_for(1s);
  const Datagram initiation = last_of(pair.world, Kind::kInitiation);
  // A true cookie reply, sent on from somewhere else.
  CookieChecker checker(*pair.b.device.public_key(), pair.world.rng);
  const CookieReply reply =
      checker.create_reply(initiation.bytes, Initiation::decode(initiation.bytes).sender,
                           pair.a.address, pair.world.now);
  Bytes bytes(kCookieSize);
  reply.encode(std::span(bytes).first<kCookieSize>());
  const auto endpoint = [&] { return pair.a.device.info(pair.a.peer(pair.b)).endpoint; };
  CHECK(provoke(pair.world, pair.a, bytes, endpoint_of(kAttacker)) == 0);
  CHECK(pair.a.device.counters().cookies_accepted == 1);
  CHECK(endpoint() == pair.b.address);
  CHECK(provoke(pair.world, pair.a, bytes, endpoint_of(kAttacker)) == 0);
  CHECK(dropped(pair.a, Drop::kBadCookie) == 1);
  CHECK(endpoint() == pair.b.address);

  pair.world.is_lost = nullptr;
  pair.world.run_for(10s);
  pair.a.say(pair.b, "y");
  pair.world.run_for(1s);
  REQUIRE(pair.b.has_heard("y"));
  Datagram replay = last_of(pair.world, Kind::kData);
  replay.from = endpoint_of(kAttacker);
  pair.b.receive(replay);
  replay.bytes[8] ^= 0x40;
  pair.b.receive(replay);
  CHECK(pair.b.device.info(pair.b.peer(pair.a)).endpoint == pair.a.address);
  CHECK(dropped(pair.b, Drop::kReplay) == 1);
  CHECK(dropped(pair.b, Drop::kNotAuthentic) == 1);
}

TEST_CASE("L07 under load a caller comes in by a cookie, and both of our roles know how") {
  World world(9);
  Host& server = world.add_host({.sources = 64, .initiations = 1});
  Host& client = world.add_host();
  world.introduce(server, client);
  Caller noise(world, server);
  CHECK(provoke(world, server, noise.call(), endpoint_of(kAttacker)) == 0);  // the budget is gone
  client.say(server, "let me in");
  // It never comes back.
  world.is_lost = [&](const Datagram&) {
    static_cast<void>(provoke(world, server, noise.call(), endpoint_of(kAttacker)));
    return false;
  };
  world.run_for(kRekeyTimeout - 1s);
  CHECK(world.sent_by_kind[Kind::kCookie] == 1);
  CHECK(server.heard.empty());
  world.run_for(1s + kMaxJitter + 1s);
  CHECK(client.device.counters().cookies_accepted == 1);
  CHECK(server.has_heard("let me in"));
}

TEST_CASE("L05 a flood with our public key from one address makes nobody else wait") {
  World world(10);
  Host& server = world.add_host();
  Host& client = world.add_host();
  world.introduce(server, client);
  Caller flooder(world, server);
  for (int i = 0; i < 2000; ++i) {
    static_cast<void>(provoke(world, server, flooder.call(), endpoint_of(kAttacker)));
    world.now += 100us;
  }
  client.say(server, "hello");
  world.run_for(100ms);
  CHECK(server.has_heard("hello"));
  CHECK(world.sent_by_kind[Kind::kCookie] == 0);
}

TEST_CASE("L14 no stimulus without authentication gets more bytes than it sent") {
  World world(11);
  Host& host = world.add_host({.sources = 64, .initiations = 10});
  Caller stranger(world, host);
  std::size_t bytes_in = 0;
  std::size_t bytes_out = 0;
  Bytes response(kResponseSize);
  response[0] = 2;
  for (int i = 0; i < 2000; ++i) {
    const Endpoint from = endpoint_of(kAttacker + static_cast<std::uint32_t>(i % 100));
    for (Bytes stimulus : {stranger.call(), response}) {
      if (stimulus.size() == kResponseSize) stranger.cookies().add_macs(stimulus, world.now);
      const std::size_t reply = provoke(world, host, stimulus, from);
      REQUIRE(reply <= stimulus.size());
      bytes_in += stimulus.size();
      bytes_out += reply;
    }
    world.now += 10us;
  }
  CHECK(bytes_out > 0);
  CHECK(bytes_out < bytes_in);
}

TEST_CASE("L13 a peer whose key is of low order gets no handshake in either direction") {
  World world(12);
  Host& host = world.add_host();
  const PublicKey low(
      unhex<32>("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"));
  const PeerId id = *host.device.add_peer(low, world.now);
  host.device.set_endpoint(id, endpoint_of(9), world.now);
  host.say_to(id, "x");
  world.run_for(100s);
  CHECK(world.total_sent() == 0);
  CHECK(dropped(host, Drop::kLowOrderKey) == 1);
  CHECK(host.count(Event::Kind::kPeerUnreachable) == 1);
}

TEST_CASE("L24 another encoding of a key is another peer, and does not bring back a removed one") {
  World world(13);
  Host& host = world.add_host();
  SeededRng rng(99);
  const PrivateKey theirs = PrivateKey::generate(rng);
  std::array<std::uint8_t, 32> bytes = theirs.public_key().bytes();
  bytes[31] |= 0x80;
  const PublicKey alias(bytes);
  const PeerId id = *host.device.add_peer(theirs.public_key(), world.now);
  CHECK_FALSE(host.device.find_peer(alias));
  host.device.remove_peer(id);

  // Whoever holds the private key calls under the other spelling.
  Identity identity(theirs.clone());
  identity.public_key = alias;
  const PublicKey ours = *host.device.public_key();
  Initiation initiation;
  REQUIRE(Initiator::create(identity, ours, *crypto::x25519(theirs, ours), SessionIndex(1),
                            Timestamp::after({}, world.wall), world.rng, initiation));
  Bytes message(kInitiationSize);
  initiation.encode(std::span(message).first<kInitiationSize>());
  CookieHolder(ours).add_macs(message, world.now);
  CHECK(provoke(world, host, message, endpoint_of(9)) == 0);
  CHECK(dropped(host, Drop::kUnknownPeer) == 1);
}

TEST_CASE("L21 begin_send never gives a counter twice, however sends end and overlap") {
  Pair pair(14);
  pair.talk();
  const PeerId id = pair.a.peer(pair.b);
  std::uint64_t next = 0;
  std::vector<SendGrant> open;
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t packets = pair.world.rng.below(64) + 1;
    const auto grant = pair.a.device.begin_send(id, packets, pair.world.now);
    REQUIRE(grant);
    REQUIRE(grant->first_counter >= next);
    next = grant->first_counter + packets;
    open.push_back(*grant);
    while (open.size() > pair.world.rng.below(8)) {
      const std::size_t which = pair.world.rng.below(open.size());
      pair.a.device.finish_send(open[which], pair.world.rng.below(2), 48, true, pair.world.now);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  for (const SendGrant& grant : open)
    pair.a.device.finish_send(grant, 1, 48, true, pair.world.now);
}

TEST_CASE("device: without a key, or stopped, nothing is answered") {
  World world(15);
  Host& host = world.add_host();
  Caller caller(world, host);
  host.device.add_peer(caller.key(), world.now);
  host.device.stop();
  CHECK(provoke(world, host, caller.call(), endpoint_of(9)) == 0);
  host.device.start(world.now);
  host.device.set_private_key(std::nullopt, world.now);
  CHECK(provoke(world, host, caller.call(), endpoint_of(9)) == 0);
  CHECK(dropped(host, Drop::kNotRunning) == 2);
}
