#include "stun/survey.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <set>

#include "stun/responder.h"

using namespace sinew;
using namespace sinew::stun;

namespace {

Endpoint endpoint(std::string_view text) {
  return Endpoint::parse(text).value();
}

const Endpoint kHost = endpoint("192.168.1.2:51820");
const Endpoint kHostV6 = endpoint("[2001:db8:5::2]:51820");
constexpr Duration kOneWay = 10ms;

// A host behind a NAT that maps and filters as it is told, and STUN servers, in virtual time.
struct World {
  Behaviour mapping = Behaviour::kEndpointIndependent;
  Behaviour filtering = Behaviour::kAddressAndPortDependent;
  bool hairpins = false;
  bool passes_udp = true;
  IpAddress outside = IpAddress::v4(203, 0, 113, 1);
  unsigned lose_first = 0;  // of what the host sends

  struct Machine {
    Responder::Addresses addresses;
    Duration one_way = kOneWay;
    bool answers = true;
  };
  std::vector<Machine> machines;
  SeededRng rng{7};
  Responder responder{rng, 64};
  Survey survey{rng};
  MonoTime now{1h};
  std::vector<Transmit> sent;

  // Address 198.51.100.N, ports 3478 and 3479.
  Server add_server(std::uint8_t number, std::optional<std::uint8_t> other = std::nullopt,
                    Duration one_way = kOneWay) {
    Machine machine;
    machine.addresses = {.asked = {IpAddress::v4(198, 51, 100, number), 3478},
                         .other_port = 3479,
                         .other_address = std::nullopt};
    if (other) machine.addresses.other_address = IpAddress::v4(198, 51, 100, *other);
    machine.one_way = one_way;
    machines.push_back(machine);
    return {.id = number, .v4 = machine.addresses.asked, .v6 = std::nullopt, .other_port = 0};
  }

  Report run(Survey::Mode mode = Survey::Mode::kFull) {
    survey.begin(mode, std::array{kHost, kHostV6}, now);
    const MonoTime start = now;
    while (true) {
      while (auto transmit = survey.next_transmit())
        host_sends(*transmit);
      if (auto report = survey.next_event()) {
        CHECK(now - start <= kMaxTime);
        CHECK(survey.deadline() == MonoTime::never());
        return *report;
      }
      const MonoTime due = survey.deadline();
      REQUIRE(due >= now);
      if (!arriving.empty() && arriving.begin()->first <= due) {
        const auto first = *arriving.begin();
        arriving.erase(arriving.begin());
        now = std::max(now, first.first);
        survey.feed(first.second.bytes, first.second.from, now);
      } else {
        REQUIRE(due != MonoTime::never());
        now = due;
        survey.expire(now);
      }
    }
  }

  void arrive_later(Duration delay, const Bytes& bytes, const Endpoint& from) {
    arriving.emplace(now + delay, Arrival{bytes, from});
  }

 private:
  struct Arrival {
    Bytes bytes;
    Endpoint from;
  };
  std::multimap<MonoTime, Arrival> arriving;
  std::map<Endpoint, std::uint16_t> ports;  // by what the mapping depends on
  std::set<Endpoint> opened;

  Endpoint mapped(const Endpoint& to) {
    if (mapping == Behaviour::kNone) return to.address.is_v6() ? kHostV6 : kHost;
    Endpoint key;
    if (mapping != Behaviour::kEndpointIndependent) key.address = to.address;
    if (mapping == Behaviour::kAddressAndPortDependent) key.port = to.port;
    const auto port = static_cast<std::uint16_t>(6000 + ports.size());
    return {outside, ports.emplace(key, port).first->second};
  }

  bool lets_in(const Endpoint& from) const {
    if (filtering == Behaviour::kEndpointIndependent) return true;
    for (const Endpoint& each : opened) {
      if (each == from) return true;
      if (filtering == Behaviour::kAddressDependent && each.address == from.address) return true;
    }
    return false;
  }

  void host_sends(const Transmit& transmit) {
    sent.push_back(transmit);
    if (lose_first > 0) {
      --lose_first;
      return;
    }
    if (!passes_udp) return;
    opened.insert(transmit.to);
    const Endpoint from = mapped(transmit.to);
    if (transmit.to.address == outside) {
      if (hairpins) arrive_later(kOneWay, transmit.bytes, from);
      return;
    }
    for (Machine& machine : machines) {
      Responder::Addresses mine = machine.addresses;
      const Endpoint second{mine.asked.address, mine.other_port};
      if (transmit.to == second) std::swap(mine.asked.port, mine.other_port);
      if (transmit.to == mine.asked && machine.answers) answer(machine, mine, transmit, from);
    }
  }

  void answer(const Machine& machine, const Responder::Addresses& mine, const Transmit& transmit,
              const Endpoint& from) {
    const auto reply = responder.respond(transmit.bytes, from, mine, now);
    if (!reply) return;
    Endpoint source = mine.asked;
    if (reply->from_other_port) source.port = mine.other_port;
    if (reply->from_other_address) source.address = *mine.other_address;
    if (!lets_in(source)) return;
    const ByteView bytes = reply->bytes();
    arrive_later(2 * machine.one_way, Bytes(bytes.begin(), bytes.end()), source);
  }
};

std::size_t count_sent(const World& world, const Endpoint& to) {
  return static_cast<std::size_t>(std::ranges::count(world.sent, to, &Transmit::to));
}

}  // namespace

TEST_CASE("a survey tells the kinds of NAT apart, with two servers of two addresses") {
  using enum Behaviour;
  for (const Behaviour mapping :
       {kEndpointIndependent, kAddressDependent, kAddressAndPortDependent}) {
    for (const Behaviour filtering :
         {kEndpointIndependent, kAddressDependent, kAddressAndPortDependent}) {
      CAPTURE(static_cast<int>(mapping));
      CAPTURE(static_cast<int>(filtering));
      World world;
      world.mapping = mapping;
      world.filtering = filtering;
      world.survey.set_servers({world.add_server(1, 11), world.add_server(2, 12)});
      const Report report = world.run();
      CHECK(report.is_full);
      CHECK(report.has_udp);
      CHECK(report.v4->address == world.outside);
      CHECK(report.mapping == mapping);
      CHECK(report.filtering == filtering);
      CHECK(report.hairpins == false);
      CHECK(report.latencies.size() == 2);
      for (const Latency& each : report.latencies)
        CHECK(each.round_trip == 2 * kOneWay);
    }
  }
}

TEST_CASE("one server with one address shows what depends on its ports") {
  using enum Behaviour;
  for (const Behaviour mapping : {kEndpointIndependent, kAddressAndPortDependent}) {
    for (const Behaviour filtering : {kAddressDependent, kAddressAndPortDependent}) {
      World world;
      world.mapping = mapping;
      world.filtering = filtering;
      world.survey.set_servers({world.add_server(1)});
      const Report report = world.run();
      CHECK(report.mapping == mapping);
      CHECK(report.filtering == filtering);
    }
  }
}

TEST_CASE("a host without NAT is told so, with and without a firewall") {
  using enum Behaviour;
  for (const Behaviour filtering : {kEndpointIndependent, kAddressAndPortDependent}) {
    World world;
    world.mapping = kNone;
    world.filtering = filtering;
    world.survey.set_servers({world.add_server(1, 11), world.add_server(2)});
    const Report report = world.run();
    CHECK(report.v4 == kHost);
    CHECK(report.mapping == kNone);
    CHECK(report.filtering == (filtering == kEndpointIndependent ? kNone : filtering));
    CHECK_FALSE(report.hairpins);
  }
}

TEST_CASE("a router that hairpins brings our own request back") {
  World world;
  world.hairpins = true;
  world.survey.set_servers({world.add_server(1), world.add_server(2)});
  CHECK(world.run().hairpins == true);
}

TEST_CASE("a network without UDP is found out in time") {
  World world;
  world.passes_udp = false;
  world.survey.set_servers({world.add_server(1), world.add_server(2)});
  const MonoTime start = world.now;
  const Report report = world.run();
  CHECK_FALSE(report.has_udp);
  CHECK_FALSE(report.v4);
  CHECK(report.mapping == Behaviour::kUnknown);
  CHECK(world.sent.size() == 2 * kTries);
  CHECK(world.now - start == kFirstPause * 7);
}

TEST_CASE("without servers there is an empty report at once") {
  World world;
  CHECK_FALSE(world.run().has_udp);
}

TEST_CASE("IPv6 is asked beside IPv4, and speaks for itself where IPv4 is silent") {
  World world;
  world.mapping = Behaviour::kNone;
  World::Machine machine;
  machine.addresses = {
      .asked = endpoint("[2001:db8::1]:3478"), .other_port = 3479, .other_address = std::nullopt};
  world.machines.push_back(machine);
  Server server{.id = 5,
                .v4 = endpoint("198.51.100.99:3478"),
                .v6 = machine.addresses.asked,
                .other_port = 0};
  world.survey.set_servers({server});
  const Report report = world.run();
  CHECK(report.has_udp);
  CHECK_FALSE(report.v4);
  CHECK(report.v6 == kHostV6);
  CHECK(report.mapping == Behaviour::kNone);
  CHECK(report.latencies == std::vector<Latency>{{5, true, 2 * kOneWay}});
}

TEST_CASE("a lost request is asked again, and the latency is that of the try that was answered") {
  World world;
  world.lose_first = 2;
  world.survey.set_servers({world.add_server(1)});
  const Report report = world.run();
  CHECK(report.v4);
  CHECK(report.latencies.front().round_trip == 2 * kOneWay);
  CHECK(report.filtering == Behaviour::kAddressAndPortDependent);
}

TEST_CASE("the second port is not asked before the filter is tested") {
  World world;
  world.mapping = Behaviour::kAddressAndPortDependent;
  world.survey.set_servers({world.add_server(1), world.add_server(2)});
  CHECK(world.run().filtering == Behaviour::kAddressAndPortDependent);
  CHECK(count_sent(world, endpoint("198.51.100.1:3479")) > 0);
}

TEST_CASE("a filter that was opened by the last survey is not tested, and its verdict kept") {
  World world;
  world.survey.set_servers({world.add_server(1)});
  REQUIRE(world.run().filtering == Behaviour::kAddressAndPortDependent);
  REQUIRE(count_sent(world, endpoint("198.51.100.1:3479")) == 1);
  world.sent.clear();
  world.now += 1min;
  CHECK(world.run().filtering == Behaviour::kAddressAndPortDependent);
  CHECK(count_sent(world, endpoint("198.51.100.1:3478")) == 1);
}

TEST_CASE("behind another NAT the filter is tested anew") {
  World world;
  world.survey.set_servers({world.add_server(1)});
  REQUIRE(world.run().filtering == Behaviour::kAddressAndPortDependent);
  world.outside = IpAddress::v4(203, 0, 113, 99);
  world.filtering = Behaviour::kAddressDependent;
  world.now += 1min;
  CHECK(world.run().filtering == Behaviour::kAddressDependent);
}

TEST_CASE("an answer from an address that was asked before proves nothing about the filter") {
  World world;
  world.filtering = Behaviour::kAddressDependent;
  // Its second address is that of the other server.
  world.survey.set_servers({world.add_server(1, 2), world.add_server(2, 1)});
  CHECK(world.run().filtering == Behaviour::kAddressDependent);
}

TEST_CASE("a server that ignores CHANGE-REQUEST leaves the filter unknown") {
  World world;
  world.survey.set_servers({world.add_server(1)});
  world.survey.begin(Survey::Mode::kFull, std::array{kHost}, world.now);
  const Endpoint server = endpoint("198.51.100.1:3478");
  std::array<std::uint8_t, kMaxAnswerSize> room;
  const Answer answer{.mapped = endpoint("203.0.113.1:6000"),
                      .response_origin = std::nullopt,
                      .other_address = endpoint("198.51.100.1:3479")};
  while (!world.survey.next_event()) {
    if (const auto transmit = world.survey.next_transmit()) {
      const Message request = parse(transmit->bytes).value();
      if (transmit->to.address == server.address)
        world.survey.feed(encode_answer(request.transaction, answer, room), transmit->to,
                          world.now);
    } else {
      world.survey.expire(world.now = world.survey.deadline());
    }
  }
  CHECK(world.run().filtering == Behaviour::kUnknown);
}

TEST_CASE("an unspecified address is not taken for a second one of the server") {
  World world;
  world.survey.set_servers({world.add_server(1)});
  world.machines.front().addresses.other_address = IpAddress::any_v4();
  CHECK(world.run().filtering == Behaviour::kAddressAndPortDependent);
  for (const Transmit& each : world.sent)
    CHECK_FALSE(parse(each.bytes)->changes_address);
}

TEST_CASE("a light survey asks the fastest server and keeps what is known") {
  World world;
  world.survey.set_servers({world.add_server(1, std::nullopt, 50ms), world.add_server(2)});
  const Report full = world.run();
  world.sent.clear();
  const Report light = world.run(Survey::Mode::kLight);
  CHECK(world.sent.size() == 1);
  CHECK(world.sent.front().to == endpoint("198.51.100.2:3478"));
  CHECK_FALSE(light.is_full);
  CHECK(light.v4 == full.v4);
  CHECK(light.mapping == full.mapping);
  CHECK(light.filtering == full.filtering);
  CHECK(light.latencies == full.latencies);
}

TEST_CASE("a light survey notices a new outside endpoint") {
  World world;
  world.survey.set_servers({world.add_server(1)});
  const Report full = world.run();
  world.outside = IpAddress::v4(203, 0, 113, 2);
  const Report light = world.run(Survey::Mode::kLight);
  CHECK(light.v4->address == world.outside);
  CHECK(light.v4 != full.v4);
}

TEST_CASE("a light survey goes on to the next server when the fastest is silent") {
  World world;
  world.survey.set_servers({world.add_server(1, std::nullopt, 50ms), world.add_server(2)});
  REQUIRE(world.run().has_udp);
  world.machines[1].answers = false;
  const Report light = world.run(Survey::Mode::kLight);
  CHECK(light.has_udp);
  CHECK(light.v4);
}

TEST_CASE("an answer counts only from the endpoint that was asked, and with its transaction") {
  SeededRng rng(1);
  Survey survey(rng);
  const Endpoint server = endpoint("198.51.100.1:3478");
  survey.set_servers({{.id = 1, .v4 = server, .v6 = std::nullopt, .other_port = 0}});
  const MonoTime now{1h};
  survey.begin(Survey::Mode::kFull, {}, now);
  const auto transmit = survey.next_transmit();
  REQUIRE(transmit);
  const TransactionId transaction = parse(transmit->bytes).value().transaction;
  std::array<std::uint8_t, kMaxAnswerSize> room;
  const Answer forged{.mapped = endpoint("203.0.113.66:1"),
                      .response_origin = std::nullopt,
                      .other_address = std::nullopt};

  TransactionId guessed = transaction;
  guessed[11] ^= 1;
  CHECK_FALSE(survey.feed(encode_answer(guessed, forged, room), server, now));
  for (const std::string_view from : {"198.51.100.1:3479", "198.51.100.2:3478"})
    CHECK(survey.feed(encode_answer(transaction, forged, room), endpoint(from), now));
  CHECK_FALSE(survey.next_transmit());  // nothing followed from them
  CHECK(survey.feed(encode_answer(transaction, forged, room), server, now));
  CHECK(survey.next_transmit()->to == endpoint("203.0.113.66:1"));  // the hairpin test
}

TEST_CASE("nobody has us send to loopback, link-local or multicast") {
  for (const std::string_view mapped :
       {"127.0.0.1:22", "0.0.0.0:1", "169.254.1.1:1", "224.0.0.1:1", "255.255.255.255:0"}) {
    SeededRng rng(1);
    Survey survey(rng);
    const Endpoint server = endpoint("198.51.100.1:3478");
    survey.set_servers({{.id = 1, .v4 = server, .v6 = std::nullopt, .other_port = 0}});
    survey.begin(Survey::Mode::kFull, {}, MonoTime(1h));
    const TransactionId transaction = parse(survey.next_transmit()->bytes).value().transaction;
    std::array<std::uint8_t, kMaxAnswerSize> room;
    const Answer forged{.mapped = Endpoint::parse(mapped).value_or(Endpoint{}),
                        .response_origin = std::nullopt,
                        .other_address = endpoint("127.0.0.1:53")};
    survey.feed(encode_answer(transaction, forged, room), server, MonoTime(1h));
    while (const auto transmit = survey.next_transmit())
      CHECK(transmit->to.address == server.address);
  }
}

TEST_CASE("datagrams of others are left to others") {
  World world;
  world.survey.set_servers({world.add_server(1)});
  world.survey.begin(Survey::Mode::kFull, {}, world.now);
  const TransactionId other{};
  CHECK_FALSE(world.survey.feed(encode_request(other), kHost, world.now));
  CHECK_FALSE(world.survey.feed(Bytes(148, 1), kHost, world.now));
}
