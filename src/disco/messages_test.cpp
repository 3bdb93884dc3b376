#include "disco/messages.h"

#include <doctest/doctest.h>

using namespace sinew;
using namespace sinew::disco;

namespace {

struct Party {
  crypto::X25519PrivateKey key;
  netmap::DiscoKey disco{key.public_key()};
};

struct Two {
  SeededRng rng{7};
  Party a{crypto::X25519PrivateKey::generate(rng)};
  Party b{crypto::X25519PrivateKey::generate(rng)};
  crypto::BoxKey at_a = *crypto::BoxKey::between(a.key, b.disco.key);
  crypto::BoxKey at_b = *crypto::BoxKey::between(b.key, a.disco.key);

  Bytes sealed(const Message& message) { return seal(message, at_a, a.disco, rng); }
  std::optional<Message> carried(const Message& message) { return open(sealed(message), at_b); }
  // What a member could make who writes his own plaintext.
  Bytes sealed_bytes(ByteView plain) {
    Bytes datagram = sealed(Ping{});
    datagram.resize(kOverhead + plain.size());
    crypto::BoxKey::Nonce nonce;
    std::copy_n(datagram.begin() + 36, nonce.size(), nonce.begin());
    at_a.seal(nonce, plain, ByteSpan(datagram).subspan(kHeaderSize));
    return datagram;
  }
};

Ping some_ping(std::size_t size = Ping::kSize) {
  return {.transaction = {1, 2, 3}, .sender = netmap::NodeKey({9, 9}), .size = size};
}

CallMe some_call(std::size_t candidates) {
  CallMe call{.sender = netmap::NodeKey({5}),
              .connectivity = {.has_udp = true,
                               .mapping = netmap::NatBehaviour::kAddressAndPortDependent,
                               .filtering = netmap::NatBehaviour::kAddressDependent,
                               .has_port_mapping = true},
              .is_answer = true,
              .has_open_sockets = false,
              .candidates = {}};
  for (std::size_t i = 0; i < candidates; ++i) {
    call.candidates.push_back({.endpoint = {IpAddress::v4(192, 0, 2, 1), std::uint16_t(1000 + i)},
                               .kind = netmap::CandidateKind::kMapped});
  }
  return call;
}

Bytes call_plain(std::uint8_t flags, std::uint8_t mapping, std::uint8_t count, std::uint8_t kind) {
  Bytes plain{3};
  plain.resize(33);
  plain.insert(plain.end(), {flags, mapping, 0, count});
  for (unsigned i = 0; i < count; ++i) {
    plain.push_back(kind);
    plain.resize(plain.size() + 18, 1);
  }
  return plain;
}

}  // namespace

TEST_CASE("disco: every message arrives as it was sent") {
  Two two;
  const Pong pong{.transaction = {4}, .observed = {*IpAddress::parse("2001:db8::1"), 443}};
  const Pong pong4{.transaction = {4}, .observed = {IpAddress::v4(192, 0, 2, 1), 65535}};
  for (const Message& message : {Message(some_ping()), Message(some_ping(1452)), Message(pong),
                                 Message(pong4), Message(some_call(0)), Message(some_call(12))}) {
    const auto arrived = two.carried(message);
    REQUIRE(arrived.has_value());
    CHECK(*arrived == message);
  }
}

TEST_CASE("disco: sizes on the wire are those of the table") {
  Two two;
  CHECK(two.sealed(some_ping()).size() == 121);
  CHECK(two.sealed(Pong{}).size() == 107);
  CHECK(two.sealed(some_call(12)).size() == 341);
  CHECK(two.sealed(some_ping(1452)).size() == 1452);
  CHECK(two.sealed(some_ping(0)).size() == 121);
  CHECK(two.sealed(some_ping(9000)).size() == kMaxMessageSize);
  CHECK(two.sealed(some_call(40)).size() == 341);
}

TEST_CASE("disco: a datagram names its sender before anything is computed") {
  Two two;
  const Bytes datagram = two.sealed(some_ping());
  CHECK(datagram[0] == 0xD1);
  CHECK(sender_of(datagram) == two.a.disco);
  CHECK_FALSE(sender_of(ByteView(datagram).first(kOverhead - 1)).has_value());
  CHECK_FALSE(sender_of(Bytes(kMaxMessageSize + 1, 0xD1)).has_value());
  Bytes other = datagram;
  other[1] = 'T';
  CHECK_FALSE(is_disco(other));
}

TEST_CASE("disco: one changed bit anywhere, and one byte less, is refused") {
  Two two;
  const Bytes datagram = two.sealed(some_ping());
  for (std::size_t i = 0; i < datagram.size(); ++i) {
    if (i >= 4 && i < 36) continue;  // the key in front is a name for a look-up, not an input
    Bytes changed = datagram;
    changed[i] ^= 1;
    CHECK_FALSE(open(changed, two.at_b).has_value());
  }
  CHECK_FALSE(open(ByteView(datagram).first(datagram.size() - 1), two.at_b).has_value());
  CHECK(open(datagram, two.at_b).has_value());
}

TEST_CASE("disco: a third party can neither read nor make a message") {
  Two two;
  const auto other = crypto::X25519PrivateKey::generate(two.rng);
  const auto wrong = *crypto::BoxKey::between(other, two.a.disco.key);
  CHECK_FALSE(open(two.sealed(some_ping()), wrong).has_value());
  CHECK_FALSE(open(seal(some_ping(), wrong, two.a.disco, two.rng), two.at_b).has_value());
}

TEST_CASE("disco: a member's malformed message is refused") {
  Two two;
  const auto is_taken = [&](const Bytes& plain) {
    return open(two.sealed_bytes(plain), two.at_b).has_value();
  };
  CHECK_FALSE(is_taken({}));
  CHECK_FALSE(is_taken({0}));
  CHECK_FALSE(is_taken({4}));
  CHECK_FALSE(is_taken(Bytes(44, 1)));  // a ping one byte short
  Bytes ping(60, 0);
  ping[0] = 1;
  CHECK(is_taken(ping));
  ping.back() = 1;  // padding
  CHECK_FALSE(is_taken(ping));
  Bytes pong(31, 0);
  pong[0] = 2;
  CHECK(is_taken(pong));
  pong.push_back(0);
  CHECK_FALSE(is_taken(pong));
  CHECK(is_taken(call_plain(15, 4, 12, 1)));
  CHECK_FALSE(is_taken(call_plain(16, 4, 12, 1)));
  CHECK_FALSE(is_taken(call_plain(15, 5, 12, 1)));
  CHECK_FALSE(is_taken(call_plain(15, 4, 13, 1)));
  CHECK_FALSE(is_taken(call_plain(15, 4, 12, 0)));
  CHECK_FALSE(is_taken(call_plain(15, 4, 12, 5)));
}

TEST_CASE("disco: the same message is never sealed twice into the same bytes") {
  Two two;
  CHECK(two.sealed(some_ping()) != two.sealed(some_ping()));
}
