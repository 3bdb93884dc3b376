#include "udp/side_door.h"

#include <doctest/doctest.h>

#include "support/udp_mail.h"

using namespace sinew;
using namespace sinew::udp;

namespace {

constexpr IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);

}  // namespace

TEST_CASE("a datagram through the side door comes from the port itself") {
  auto pair = open_pair(0);
  REQUIRE(pair.has_value());
  const auto door = SideDoor::open(*pair);
  REQUIRE(door.has_value());
  auto to = UdpPort::open({.address = kLoopback, .port = 0});
  REQUIRE(to.has_value());
  const Endpoint target{.address = kLoopback, .port = to->port()};
  ReceiveRing ring({.messages = 8});

  REQUIRE(door->send(target, {}, as_bytes("hello")).has_value());
  auto mail = test::receive_mail(*to, ring, 1);
  REQUIRE(mail.size() == 1);
  CHECK(mail[0].from.port == pair->port());
  CHECK(mail[0].text == "hello");

  const IpAddress other = IpAddress::v4(127, 0, 0, 77);
  REQUIRE(door->send(target, other, as_bytes("from 77")).has_value());
  mail = test::receive_mail(*to, ring, 1);
  REQUIRE(mail.size() == 1);
  CHECK(mail[0].from.address == other);

  // One that is not ours is left out, and so is one of the other family.
  REQUIRE(door->send(target, IpAddress::v4(192, 0, 2, 1), as_bytes("stale")).has_value());
  REQUIRE(door->send(target, IpAddress::any_v6(), as_bytes("other")).has_value());
  CHECK(test::receive_mail(*to, ring, 2).size() == 2);
}

TEST_CASE("a side door to nothing says so") {
  const SideDoor door;
  const auto sent = door.send({.address = kLoopback, .port = 9}, {}, as_bytes("x"));
  REQUIRE_FALSE(sent.has_value());
  CHECK(sent.error().kind == ErrorKind::kUnavailable);
}

TEST_CASE("what the network refuses is an error") {
  auto pair = open_pair(0);
  const auto door = SideDoor::open(*pair);
  CHECK_FALSE(door->send({.address = kLoopback, .port = 9}, {}, Bytes(70'000)).has_value());
}
