#include "signal/bodies.h"

#include <doctest/doctest.h>

#include "base/rng.h"
#include "signal/snapshot.h"
#include "signal/testing.h"
#include "signal/wire.h"

using namespace sinew;
using namespace sinew::signal;
using namespace sinew::signal::test;

namespace {

netmap::Peer full_peer() {
  SeededRng rng(5);
  netmap::Peer peer;
  peer.key = PrivateKey::generate(rng).public_key();
  peer.disco.key = PrivateKey::generate(rng).public_key();
  peer.name = std::string(netmap::kMaxNameBytes, 'n');
  peer.v4 = IpAddress::v4(10, 147, 1, 2);
  peer.v6 = IpAddress::parse("fd00::1").value();
  for (std::uint16_t i = 0; i < netmap::kMaxCandidates; ++i) {
    peer.candidates.push_back({.endpoint = {.address = IpAddress::parse("2001:db8::1").value(),
                                            .port = static_cast<std::uint16_t>(1 + i)},
                               .kind = netmap::CandidateKind::kMapped});
  }
  peer.home = RelayId(3);
  peer.connectivity = {.has_udp = false,
                       .mapping = netmap::NatBehaviour::kAddressAndPortDependent,
                       .filtering = netmap::NatBehaviour::kNone,
                       .has_port_mapping = true};
  return peer;
}

netmap::Relay full_relay() {
  return {.id = RelayId(9),
          .name = std::string(netmap::kMaxNameBytes, 'r'),
          .host = std::string(kMaxHostBytes, 'h'),
          .port = 443,
          .udp_port = 3478,
          .key = full_peer().key,
          .certificate = std::array<std::uint8_t, 32>{1}};
}

std::vector<Message> all_messages() {
  const netmap::Peer peer = full_peer();
  const RequestId id(77);
  return {
      {id, Register{.disco = peer.disco,
                    .name = peer.name,
                    .wanted_v4 = peer.v4,
                    .wanted_v6 = peer.v6,
                    .is_wanted_required = true,
                    .replaces = true,
                    .candidates = peer.candidates,
                    .home = peer.home,
                    .connectivity = peer.connectivity}},
      {id, Register{}},
      {id, Heartbeat{.known = {.epoch = 1, .version = 2}}},
      {id, Pull{.after = {.epoch = 1, .version = 2}, .pages = 16}},
      {id, Leave{}},
      {id, Punch{.target = peer.key, .candidates = peer.candidates}},
      {id,
       Registered{
           .self = {.v4 = peer.v4, .v6 = peer.v6, .v4_length = 16, .v6_length = 64, .name = "n"},
           .heartbeat_seconds = 25,
           .settling_seconds = 0,
           .map = {.epoch = 1, .version = 2},
           .observed = endpoint(1)}},
      {id, HeartbeatAck{.map = {.epoch = 1, .version = 2}, .observed = std::nullopt}},
      {id, Page{.epoch = 1,
                .from = 2,
                .to = 3,
                .has_more = true,
                .peers = {peer},
                .removed_peers = {peer.key},
                .relays = {full_relay()},
                .removed_relays = {RelayId(4)}}},
      {id, Done{}},
      {id, Refused{.code = RefusalCode::kMoved, .text = std::string(kMaxTextBytes, 't')}},
      {RequestId(), Changed{.map = {.epoch = 1, .version = 2}}},
      {RequestId(), PunchFrom{.peer = peer.key, .candidates = {}}},
  };
}

}  // namespace

TEST_CASE("signal bodies: everything is read as it was written") {
  for (const Message& message : all_messages()) {
    const Bytes bytes = encode(message);
    CHECK(bytes.size() <= kMaxMessageSize);
    if (!std::holds_alternative<Page>(message.body)) CHECK(bytes.size() <= kMaxOpenMessageSize);
    const auto read = decode(bytes);
    REQUIRE(read);
    CHECK(*read == message);
  }
}

TEST_CASE("signal bodies: nothing is read from a part, or with bytes left over") {
  for (const Message& message : all_messages()) {
    Bytes bytes = encode(message);
    if (std::holds_alternative<Page>(message.body)) continue;  // a list that ends with the message
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(decode(ByteView(bytes).first(size)));
    bytes.push_back(0);
    CHECK_FALSE(decode(bytes));
  }
}

TEST_CASE("signal bodies: what is read is written the same again, whatever the bytes") {
  SeededRng rng(2);
  for (const Message& message : all_messages()) {
    const Bytes bytes = encode(message);
    for (int i = 0; i < 2000; ++i) {
      Bytes damaged = bytes;
      damaged[rng.below(damaged.size())] = rng.number<std::uint8_t>();
      const auto read = decode(damaged);
      // Items of a page may be put in another order.
      if (read && !std::holds_alternative<Page>(read->body)) CHECK(encode(*read) == damaged);
    }
  }
}

TEST_CASE("L31 signal bodies: an address that is no destination is no candidate") {
  for (const std::string_view text :
       {"127.0.0.1:5", "0.0.0.0:5", "255.255.255.255:5", "224.0.0.1:5", "[::1]:5", "[::]:5",
        "[ff02::1]:5", "[fe80::1]:5"}) {
    CAPTURE(text);
    const Endpoint bad = Endpoint::parse(text).value();
    CHECK_FALSE(is_usable(bad));
    const Punch punch{.target = {}, .candidates = {{.endpoint = bad}}};
    CHECK_FALSE(decode(encode({.id = RequestId(1), .body = punch})));
    CHECK(fit_candidates(punch.candidates).empty());
  }
  CHECK_FALSE(is_usable({.address = IpAddress::v4(1, 2, 3, 4), .port = 0}));
  CHECK(is_usable(endpoint(1)));
  CHECK(is_usable(Endpoint::parse("169.254.1.1:9").value()));
}

TEST_CASE("signal bodies: candidates are cut to what fits, the first ones first") {
  std::vector<netmap::Candidate> many;
  for (std::uint16_t port = 1; port <= 30; ++port)
    many.insert(many.end(), 2, {.endpoint = endpoint(1, port)});
  const auto fit = fit_candidates(many);
  REQUIRE(fit.size() == netmap::kMaxCandidates);
  CHECK(fit.front().endpoint.port == 1);
  CHECK(fit.back().endpoint.port == netmap::kMaxCandidates);
}

TEST_CASE("signal bodies: an IPv4 address in IPv6 clothes is refused") {
  Bytes bytes(1 + 16);
  bytes[0] = 6;
  bytes[11] = bytes[12] = 0xff;
  bytes[13] = 10;
  ByteReader in(bytes);
  CHECK_FALSE(read_address(in));
}

TEST_CASE("page writer: takes items until the datagram is full and never one byte more") {
  for (std::size_t room = 29; room < 1300; room += 7) {
    PageWriter writer(RequestId(1), 5, 10, room);
    std::size_t count = 0;
    while (count < 10 && writer.add(full_peer()))
      ++count;
    const Bytes page = writer.finish(12, true);
    if (room >= 30) CHECK(page.size() <= std::max<std::size_t>(room, 30));
    const auto read = decode(page);
    REQUIRE(read);
    const Page& body = std::get<Page>(read->body);
    CHECK(body.peers.size() == count);
    CHECK(body.to == 12);
    CHECK(body.has_more);
  }
  PageWriter writer(RequestId(1), 5, 10);
  CHECK(writer.add(full_peer()));
  CHECK(writer.add(full_relay()));
}

TEST_CASE("nucleus state: is read as it was written, and not at all when a bit has changed") {
  Snapshot snapshot;
  snapshot.clusters["home"].pins.push_back(
      {.record = full_peer(), .last_heard = WallTime(5s), .is_in_map = true});
  snapshot.clusters["empty"] = {};
  const Bytes bytes = snapshot.encode();
  CHECK(Snapshot::decode(bytes).value() == snapshot);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes damaged = bytes;
    damaged[i] ^= 4;
    CHECK_FALSE(Snapshot::decode(damaged));
  }
  CHECK_FALSE(Snapshot::decode(ByteView(bytes).first(bytes.size() - 1)));
  CHECK_FALSE(Snapshot::decode({}));
  CHECK(Snapshot::decode(Snapshot{}.encode()).value() == Snapshot{});
}
