// Peers that do not roam: who chooses their way is outside of the device.
#include <doctest/doctest.h>

#include "wg/testing.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::wg::test;

namespace {

// b, which does not roam for a, speaks from another address that it is heard at as well.
struct FixedPair : Pair {
  explicit FixedPair(std::uint64_t seed) : Pair(seed) {
    a.device.set_roaming(a.peer(b), false);
    talk();
  }
  std::optional<Endpoint> endpoint() { return a.device.info(a.peer(b)).endpoint; }

  Endpoint home = b.address;
};

}  // namespace

TEST_CASE("a peer that does not roam keeps its endpoint wherever its packets come from") {
  FixedPair pair(1);
  pair.b.address = endpoint_of(77, 4000);
  pair.b.say(pair.a, "from elsewhere");
  pair.world.run_for(1s);
  CHECK(pair.a.has_heard("from elsewhere"));
  CHECK(pair.endpoint() == pair.home);
  CHECK(pair.a.count(Event::Kind::kEndpointMoved) == 0);

  pair.a.device.set_roaming(pair.a.peer(pair.b), true);
  pair.b.say(pair.a, "again");
  pair.world.run_for(1s);
  CHECK(pair.endpoint() == pair.b.address);
  CHECK(pair.a.count(Event::Kind::kEndpointMoved) == 1);
}

TEST_CASE("a peer that does not roam is answered where it calls from, and moves when it is told") {
  FixedPair pair(2);
  pair.b.address = endpoint_of(77, 4000);
  pair.b.device.stop();
  pair.b.device.start(pair.world.now);
  pair.world.run_for(30s);
  pair.b.say(pair.a, "called");
  pair.world.run_for(1s);
  CHECK(pair.a.has_heard("called"));
  CHECK(pair.endpoint() == pair.home);

  pair.a.device.set_endpoint(pair.a.peer(pair.b), pair.b.address, pair.world.now);
  pair.a.say(pair.b, "there you are");
  pair.world.run_for(1s);
  CHECK(pair.b.has_heard("there you are"));
}

TEST_CASE("a peer without an endpoint that does not roam is answered, and stays without") {
  World world(3);
  Host& a = world.add_host();
  Host& b = world.add_host();
  world.introduce_to(b, a);
  const auto id = *a.device.add_peer(*b.device.public_key(), world.now);
  a.device.set_roaming(id, false);
  b.say(a, "hello");
  world.run_for(20s);
  CHECK(a.has_heard("hello"));
  CHECK_FALSE(a.device.info(id).endpoint.has_value());
  CHECK(a.device.begin_send(id, 1, world.now).error() == SendRefusal::kNoEndpoint);
}

TEST_CASE("the address of ours that a peer is heard at is followed all the same") {
  FixedPair pair(4);
  const auto id = pair.a.peer(pair.b);
  const auto grant = pair.a.device.begin_send(id, 0, pair.world.now);
  REQUIRE(grant.has_value());
  pair.a.device.finish_send(*grant, 0, 0, false, pair.world.now);
  const auto back = pair.b.device.begin_send(pair.b.peer(pair.a), 1, pair.world.now);
  REQUIRE(back.has_value());
  const Bytes packet = seal_packet(*back, back->first_counter, "x");
  pair.b.device.finish_send(*back, 1, packet.size(), true, pair.world.now);
  const DataHeader header = DataHeader::load(packet.data());
  Session* const session =
      pair.a.device.begin_receive(header.receiver, header.counter, pair.world.now);
  REQUIRE(session != nullptr);
  const IpAddress local = IpAddress::v4(10, 0, 0, 99);
  CHECK(pair.a.device.finish_receive(*session,
                                     {.remote = pair.home, .local = local, .interface = 0}, 1,
                                     packet.size(), true, pair.world.now, pair.world.wall));
  const auto again = pair.a.device.begin_send(id, 0, pair.world.now);
  CHECK(again->path.local == local);
  pair.a.device.finish_send(*again, 0, 0, false, pair.world.now);
}

TEST_CASE("an initiation says whose handshake it begins, and nothing else does") {
  Pair pair(5);
  pair.a.device.set_persistent_keepalive(pair.a.peer(pair.b), 25s, pair.world.now);
  pair.a.device.expire(pair.world.now, pair.world.wall);
  const auto initiation = pair.a.device.next_transmit();
  REQUIRE(initiation.has_value());
  CHECK(initiation->peer == pair.a.peer(pair.b));
  pair.b.device.feed(initiation->bytes(), path_from(pair.a.address), pair.world.now,
                     pair.world.wall);
  const auto response = pair.b.device.next_transmit();
  REQUIRE(response.has_value());
  CHECK_FALSE(response->peer.has_value());
}
