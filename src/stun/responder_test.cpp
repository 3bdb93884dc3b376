#include "stun/responder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/encoding.h"

using namespace sinew;
using namespace sinew::stun;

namespace {

const TransactionId kTransaction = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
const MonoTime kStart{1h};

Endpoint endpoint(std::string_view text) {
  return Endpoint::parse(text).value();
}

const Endpoint kClientV4 = endpoint("203.0.113.7:4000");
const Endpoint kClientV6 = endpoint("[2001:db8::7]:4000");

// Of a client of somebody else: a header and `attributes`.
Bytes foreign_request(std::string_view attributes_hex = "") {
  const Bytes attributes = from_hex(attributes_hex).value();
  Bytes out = from_hex("000100002112a4420102030405060708090a0b0c").value();
  out.insert(out.end(), attributes.begin(), attributes.end());
  store_be(out.data() + 2, static_cast<std::uint16_t>(attributes.size()));
  return out;
}

struct Server {
  SeededRng rng{1};
  Responder responder{rng};
  Responder::Addresses mine{
      .asked = endpoint("198.51.100.1:3478"), .other_port = 3479, .other_address = std::nullopt};

  std::optional<Responder::Reply> ask(ByteView request, const Endpoint& from = kClientV4,
                                      MonoTime now = kStart) {
    return responder.respond(request, from, mine, now);
  }
};

}  // namespace

TEST_CASE("a client is told how it looks, who answers, and where else to ask") {
  Server server;
  const auto reply = server.ask(encode_request(kTransaction));
  REQUIRE(reply);
  const Message answer = parse(reply->bytes()).value();
  CHECK(answer.kind == Class::kSuccess);
  CHECK(answer.transaction == kTransaction);
  CHECK(answer.mapped == kClientV4);
  CHECK(answer.response_origin == server.mine.asked);
  CHECK(answer.other_address == endpoint("198.51.100.1:3479"));
  CHECK_FALSE(reply->from_other_port);
  CHECK_FALSE(reply->from_other_address);
}

TEST_CASE("an answer leaves from where CHANGE-REQUEST asks for it") {
  Server server;
  server.mine.other_address = IpAddress::v4(198, 51, 100, 2);
  const auto port = server.ask(encode_request(kTransaction, {.changes_port = true}));
  REQUIRE(port);
  CHECK(port->from_other_port);
  CHECK_FALSE(port->from_other_address);
  CHECK(parse(port->bytes()).value().response_origin == endpoint("198.51.100.1:3479"));
  const auto both =
      server.ask(encode_request(kTransaction, {.changes_address = true, .changes_port = true}));
  REQUIRE(both);
  CHECK(both->from_other_port);
  CHECK(both->from_other_address);
  const Message answer = parse(both->bytes()).value();
  CHECK(answer.response_origin == endpoint("198.51.100.2:3479"));
  CHECK(answer.other_address == endpoint("198.51.100.2:3479"));
}

TEST_CASE("a server with one address refuses to answer from another one") {
  Server server;
  const auto reply = server.ask(encode_request(kTransaction, {.changes_address = true}));
  REQUIRE(reply);
  const Message answer = parse(reply->bytes()).value();
  CHECK(answer.kind == Class::kError);
  CHECK(answer.error_code == kUnknownAttribute);
  CHECK(server.responder.counters().refused == 1);
  server.mine.other_port = 0;
  const auto port = server.ask(encode_request(kTransaction, {.changes_port = true}));
  REQUIRE(port);
  CHECK(parse(port->bytes()).value().kind == Class::kError);
}

TEST_CASE("what is no Binding request gets no answer") {
  Server server;
  std::array<std::uint8_t, kMaxAnswerSize> room;
  CHECK_FALSE(server.ask(encode_answer(kTransaction, {.mapped = kClientV4}, room)));
  Bytes indication = foreign_request();
  indication[1] = 0x11;
  CHECK_FALSE(server.ask(indication));
  Bytes allocate = foreign_request();
  allocate[1] = 0x03;
  CHECK_FALSE(server.ask(allocate));
  CHECK_FALSE(server.ask(Bytes(20)));
  CHECK(server.responder.counters().dropped == 4);
}

TEST_CASE("L30 an answer is not longer than its request, down to the smallest one there is") {
  for (const bool v6 : {false, true}) {
    const std::size_t smallest = v6 ? kSmallestAnswerSizeV6 : kSmallestAnswerSizeV4;
    for (std::size_t fill = 0; fill <= 120; fill += 4) {
      Server server;
      std::string attributes;
      if (fill > 0)
        attributes = "8022" +
                     to_hex(std::array{std::uint8_t{0}, static_cast<std::uint8_t>(fill - 4)}) +
                     std::string((fill - 4) * 2, '0');
      const Bytes request = foreign_request(attributes);
      const auto reply = server.ask(request, v6 ? kClientV6 : kClientV4);
      REQUIRE(reply);
      CHECK(reply->size <= std::max(request.size(), smallest));
      CHECK(parse(reply->bytes()).value().mapped == (v6 ? kClientV6 : kClientV4));
    }
  }
}

TEST_CASE("L30 our own requests are never exceeded by any answer") {
  for (const Endpoint& client : {kClientV4, kClientV6}) {
    for (const unsigned flags : {0U, 1U, 2U, 3U}) {
      Server server;
      server.mine.asked = endpoint("[2001:db8::1]:3478");
      const auto request = encode_request(
          kTransaction, {.changes_address = (flags & 1) != 0, .changes_port = (flags & 2) != 0});
      const auto reply = server.ask(request, client);
      REQUIRE(reply);
      CHECK(reply->size <= request.size());
    }
  }
}

TEST_CASE("L30 a refusal that would be longer than its request is not sent") {
  Server server;
  // 28 bytes that ask for another address; 24 with an attribute that nobody knows.
  CHECK_FALSE(server.ask(foreign_request("0003000400000004")));
  CHECK_FALSE(server.ask(foreign_request("7fff0000")));
  CHECK_FALSE(server.ask(foreign_request("7fff00008022000400000000")));
  CHECK(server
            .ask(foreign_request("7fff000080220008"
                                 "0000000000000000"))
            .has_value());
}

TEST_CASE("L30 one source gets no more answers than its rate, and others are not affected") {
  Server server;
  const auto request = encode_request(kTransaction);
  for (std::uint32_t i = 0; i < kAnswerBurst; ++i) {
    Endpoint from = kClientV4;
    from.port = static_cast<std::uint16_t>(from.port + i);  // ports are no sources
    CHECK(server.ask(request, from));
  }
  CHECK_FALSE(server.ask(request));
  CHECK(server.responder.counters().over_rate == 1);
  CHECK(server.ask(request, endpoint("203.0.113.8:4000")));
  const Duration interval = Duration(1s) / kAnswersPerSecond;
  CHECK_FALSE(server.ask(request, kClientV4, kStart + (interval - 1ns)));
  CHECK(server.ask(request, kClientV4, kStart + interval));
}

TEST_CASE("L30 the addresses of one IPv6 customer are one source") {
  Server server;
  const auto request = encode_request(kTransaction);
  Endpoint from = kClientV6;
  for (std::uint32_t i = 0; i < kAnswerBurst; ++i) {
    std::array<std::uint8_t, 16> bytes = from.address.as_v6_bytes();
    bytes[15] = static_cast<std::uint8_t>(i);
    from.address = IpAddress::v6(bytes);
    CHECK(server.ask(request, from));
  }
  CHECK_FALSE(server.ask(request, endpoint("[2001:db8::ffff]:1")));
  CHECK(server.ask(request, endpoint("[2001:db8:0:1::7]:1")));
}
