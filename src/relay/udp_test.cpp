#include "relay/udp.h"

#include <doctest/doctest.h>

using namespace sinew;
using namespace sinew::relay;

namespace {

const Endpoint kHere{.address = IpAddress::v4(192, 0, 2, 1), .port = 4'000};
const Endpoint kThere{.address = IpAddress::v4(192, 0, 2, 2), .port = 4'000};

struct Pair {
  SeededRng rng{1};
  MonoTime now{1h};
  UdpSessions sessions{rng};
  UdpGrant grant{sessions.open(ClientNumber(7))};
  UdpLink link{{.session = grant.session, .secret = grant.secret.clone()}, now};

  // One question, from `from`, and its answer. False when there was none.
  bool exchange(const Endpoint& from = kHere) {
    auto datagram = link.next_transmit();
    if (!datagram || !sessions.answer_bind(*datagram, from, now)) return false;
    return link.feed(*datagram, now);
  }
  void bind(const Endpoint& from = kHere) {
    while (exchange(from)) {
    }
  }
};

}  // namespace

TEST_CASE("udp: an address is bound once it has repeated the cookie sent to it") {
  Pair pair;
  CHECK(pair.exchange());
  CHECK_FALSE(pair.link.is_bound());
  CHECK_FALSE(pair.sessions.address(pair.grant.session, pair.now));
  CHECK(pair.exchange());
  CHECK(pair.link.is_bound());
  CHECK(pair.sessions.address(pair.grant.session, pair.now) == kHere);
  CHECK(pair.sessions.owner(pair.grant.session, kHere, pair.now) == ClientNumber(7));
  CHECK_FALSE(pair.sessions.owner(pair.grant.session, kThere, pair.now));
}

TEST_CASE("udp: L31 a cookie sent to one address binds no other") {
  Pair pair;
  CHECK(pair.exchange(kHere));
  CHECK(pair.exchange(kThere));
  CHECK_FALSE(pair.link.is_bound());
  CHECK_FALSE(pair.sessions.address(pair.grant.session, pair.now));
  const Endpoint other_port{.address = kHere.address, .port = 4'001};
  CHECK(pair.exchange(other_port));
  CHECK_FALSE(pair.link.is_bound());
}

TEST_CASE("udp: L30 nothing is answered without the MAC of a session, nor twice") {
  Pair pair;
  const auto bind = *pair.link.next_transmit();
  for (std::size_t at = 0; at < bind.size(); ++at) {
    auto forged = bind;
    forged[at] ^= 1;
    REQUIRE_FALSE(pair.sessions.answer_bind(forged, kHere, pair.now));
  }
  for (std::size_t size = 0; size < bind.size(); ++size) {
    Bytes cut(bind.begin(), bind.begin() + static_cast<std::ptrdiff_t>(size));
    REQUIRE_FALSE(pair.sessions.answer_bind(cut, kHere, pair.now));
  }
  auto first = bind;
  auto second = bind;
  CHECK(pair.sessions.answer_bind(first, kHere, pair.now));
  CHECK_FALSE(pair.sessions.answer_bind(second, kHere, pair.now));
}

TEST_CASE("udp: a link believes only the answer to its last question") {
  Pair pair;
  auto answer = *pair.link.next_transmit();
  auto echo = answer;
  CHECK_FALSE(pair.link.feed(echo, pair.now));
  REQUIRE(pair.sessions.answer_bind(answer, kHere, pair.now));
  for (std::size_t at = 0; at < answer.size(); ++at) {
    auto forged = answer;
    forged[at] ^= 1;
    REQUIRE_FALSE(pair.link.feed(forged, pair.now));
  }
  CHECK(pair.link.feed(answer, pair.now));
  CHECK_FALSE(pair.link.feed(answer, pair.now));
}

TEST_CASE("udp: a binding ends when nothing renews it") {
  Pair pair;
  pair.bind();
  const MonoTime end = pair.now + kUdpBindingLifetime;
  CHECK(pair.sessions.address(pair.grant.session, end - 1ns));
  CHECK_FALSE(pair.sessions.address(pair.grant.session, end));
}

TEST_CASE("udp: a link renews its binding for as long as it lives, with one question each") {
  Pair pair;
  pair.bind();
  for (int round = 0; round < 50; ++round) {
    CHECK(pair.link.deadline() == pair.now + kUdpRebindInterval);
    pair.now = pair.link.deadline();
    pair.link.expire(pair.now);
    REQUIRE(pair.exchange());
    REQUIRE_FALSE(pair.link.next_transmit());
    REQUIRE(pair.link.is_bound());
    REQUIRE(pair.sessions.address(pair.grant.session, pair.now));
  }
}

TEST_CASE(
    "udp: a way that is used is asked about soon, and left within seconds when it is closed") {
  Pair pair;
  pair.bind();
  pair.link.note_used();
  CHECK(pair.link.deadline() <= pair.now);
  pair.link.expire(pair.now);
  CHECK_FALSE(pair.link.next_transmit());
  CHECK(pair.link.deadline() == pair.now + kUdpBusyInterval);
  const MonoTime begun = pair.now;
  while (pair.link.is_bound()) {
    pair.now = pair.link.deadline();
    pair.link.expire(pair.now);
    static_cast<void>(pair.link.next_transmit());  // lost
  }
  CHECK(pair.now - begun == kUdpBusyInterval + kUdpRetries * kUdpRetryInterval);
}

TEST_CASE("udp: a cookie is worth nothing after two lifetimes") {
  Pair pair;
  pair.bind();
  pair.now += 2 * kUdpCookieLifetime;
  pair.link.expire(pair.now);
  CHECK(pair.exchange());
  CHECK_FALSE(pair.sessions.address(pair.grant.session, pair.now));
}

TEST_CASE("udp: a link gives up without answers, and tries again later") {
  Pair pair;
  pair.bind();
  pair.now = pair.link.deadline();
  for (unsigned i = 0; i < kUdpRetries; ++i) {
    pair.link.expire(pair.now);
    CHECK(pair.link.next_transmit());
    CHECK(pair.link.is_bound());
    pair.now = pair.link.deadline();
  }
  pair.link.expire(pair.now);
  CHECK_FALSE(pair.link.is_bound());
  CHECK_FALSE(pair.link.next_transmit());
  CHECK(pair.link.deadline() == pair.now + kUdpReopenInterval);
  pair.now = pair.link.deadline();
  pair.link.expire(pair.now);
  pair.bind();
  CHECK(pair.link.is_bound());
}

TEST_CASE("udp: a client that moves is found at its new address after two questions") {
  Pair pair;
  pair.bind(kHere);
  pair.link.rebind(pair.now);
  CHECK(pair.exchange(kThere));
  CHECK(pair.sessions.address(pair.grant.session, pair.now) == kHere);
  CHECK(pair.exchange(kThere));
  CHECK(pair.sessions.address(pair.grant.session, pair.now) == kThere);
}

TEST_CASE("udp: a session that was closed is at no address") {
  Pair pair;
  pair.bind();
  pair.sessions.close(pair.grant.session);
  CHECK_FALSE(pair.sessions.address(pair.grant.session, pair.now));
  pair.link.rebind(pair.now);
  CHECK_FALSE(pair.exchange());
}

TEST_CASE("udp: the header of data is as long on both ways and says what was written") {
  Bytes datagram(kUdpDataHeaderSize + 3, 9);
  write_udp_data_header(datagram, UdpSessionId(0x0102030405060708), ClientNumber(0x0a0b0c0d));
  CHECK(datagram == Bytes{0xe1, 4, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 9, 9, 9});
  const auto data = parse_udp_data(datagram);
  REQUIRE(data);
  CHECK(data->session == UdpSessionId(0x0102030405060708));
  CHECK(data->number == ClientNumber(0x0a0b0c0d));
  CHECK(data->packet.size() == 3);
  CHECK_FALSE(parse_udp_data(ByteView(datagram).first(kUdpDataHeaderSize - 1)));
  datagram[1] = 1;
  CHECK_FALSE(parse_udp_data(datagram));
}
