#include "portmap/mapper.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

using namespace sinew;
using namespace sinew::portmap;

namespace {

const Target kTarget{IpAddress::v4(192, 168, 1, 1), IpAddress::v4(192, 168, 1, 2), 51820};
const Endpoint kGateway{kTarget.gateway, kGatewayPort};
const Endpoint kOutside{IpAddress::v4(203, 0, 113, 1), 51820};

// A gateway in virtual time that answers at once.
struct Gateway {
  bool speaks_pcp = true;
  bool speaks_natpmp = true;
  bool says_unsupported = true;  // instead of silence, to PCP
  Endpoint outside = kOutside;
  std::uint32_t lifetime = 3600;
  std::uint8_t result = 0;
  MonoTime booted{0s};

  SeededRng rng{3};
  Mapper mapper{rng};
  MonoTime now{1h};
  std::vector<Transmit> sent;
  std::vector<Event> events;

  std::uint32_t epoch() const {
    return static_cast<std::uint32_t>(duration_cast<std::chrono::seconds>(now - booted).count());
  }

  Bytes pcp_answer(ByteView request) const {
    Bytes out(request.begin(), request.end());
    out[1] = 0x81;
    out[3] = result;
    const bool is_end = load_be<std::uint32_t>(request.data() + 4) == 0;
    store_be(out.data() + 4, is_end ? 0 : lifetime);
    store_be(out.data() + 8, epoch());
    for (std::size_t i = 12; i < 24; ++i)
      out[i] = 0;
    store_be(out.data() + 42, outside.port);
    const auto address = outside.address.as_v6_bytes();
    std::ranges::copy(address, out.begin() + 44);
    return out;
  }

  Bytes natpmp_answer(ByteView request) const {
    Bytes out(request.size() == 2 ? natpmp::kAddressAnswerSize : natpmp::kMapAnswerSize);
    ByteWriter writer(out);
    writer.u8(0);
    writer.u8(request[1] | 0x80);
    writer.be(std::uint16_t{result});
    writer.be(epoch());
    if (request.size() == 2) {
      writer.bytes(outside.address.bytes());
    } else {
      writer.bytes(request.subspan(4, 2));
      writer.be(outside.port);
      writer.be(load_be<std::uint32_t>(request.data() + 8) == 0 ? 0 : lifetime);
    }
    return out;
  }

  void answer(const Transmit& transmit) {
    const bool is_pcp = transmit.bytes[0] == 2;
    if (is_pcp && speaks_pcp) {
      mapper.feed(pcp_answer(transmit.bytes), kGateway, now);
    } else if (is_pcp && speaks_natpmp && says_unsupported) {
      mapper.feed(Bytes{0, 0x81, 0, 1, 0, 0, 0, 9}, kGateway, now);
    } else if (!is_pcp && speaks_natpmp) {
      mapper.feed(natpmp_answer(transmit.bytes), kGateway, now);
    }
  }

  void settle() {
    while (const auto transmit = mapper.next_transmit()) {
      CHECK(transmit->to == kGateway);
      sent.push_back(*transmit);
      answer(*transmit);
    }
    while (const auto event = mapper.next_event())
      events.push_back(*event);
  }

  void run_until(MonoTime end) {
    settle();
    while (mapper.deadline() <= end) {
      REQUIRE(mapper.deadline() >= now);
      mapper.expire(now = mapper.deadline());
      settle();
    }
    now = end;
  }

  void start() {
    mapper.set_target(kTarget, now);
    settle();
  }

  std::vector<Event> take_events() { return std::exchange(events, {}); }
};

Event mapped(Protocol protocol, const Endpoint& external = kOutside) {
  return {.kind = Event::Kind::kMapped, .external = external, .protocol = protocol};
}

Event::Kind kind_of_only(const std::vector<Event>& events) {
  REQUIRE(events.size() == 1);
  return events.front().kind;
}

void check_unavailable(const std::vector<Event>& events, Reason reason) {
  CHECK(kind_of_only(events) == Event::Kind::kUnavailable);
  CHECK(events.front().reason == reason);
}

}  // namespace

TEST_CASE("a port is mapped by PCP with one exchange") {
  Gateway gateway;
  gateway.start();
  CHECK(gateway.take_events() == std::vector{mapped(Protocol::kPcp)});
  CHECK(gateway.sent.size() == 1);
  CHECK(gateway.mapper.external() == kOutside);
}

TEST_CASE("a gateway that knows only NAT-PMP is asked so, at once when it says so") {
  for (const bool says_unsupported : {true, false}) {
    Gateway gateway;
    gateway.speaks_pcp = false;
    gateway.says_unsupported = says_unsupported;
    gateway.start();
    if (!says_unsupported) gateway.run_until(gateway.now + kFirstPause * 7);
    CHECK(gateway.take_events() == std::vector{mapped(Protocol::kNatPmp)});
    CHECK(gateway.sent.size() == (says_unsupported ? 3 : kTries + 2));
  }
}

TEST_CASE("a gateway that speaks neither is left alone for a while") {
  Gateway gateway;
  gateway.speaks_pcp = gateway.speaks_natpmp = false;
  const MonoTime start = gateway.now;
  gateway.start();
  gateway.run_until(start + kFirstPause * 14);
  check_unavailable(gateway.take_events(), Reason::kNoAnswer);
  CHECK(gateway.sent.size() == 2 * kTries);
  CHECK(gateway.mapper.deadline() == start + kFirstPause * 14 + kRetryPause);
  gateway.speaks_pcp = true;
  gateway.run_until(gateway.mapper.deadline());
  CHECK(gateway.take_events() == std::vector{mapped(Protocol::kPcp)});
}

TEST_CASE("a mapping is renewed at half of its life, with the nonce that made it") {
  for (const bool by_pcp : {true, false}) {
    Gateway gateway;
    gateway.speaks_pcp = by_pcp;
    gateway.start();
    const Bytes first = gateway.sent.front().bytes;
    gateway.take_events();
    gateway.sent.clear();
    gateway.run_until(gateway.now + (30min - 1ns));
    CHECK(gateway.sent.empty());
    gateway.run_until(gateway.now + 1ns);
    CHECK_FALSE(gateway.sent.empty());
    CHECK(gateway.take_events().empty());
    CHECK(gateway.mapper.external() == kOutside);
    if (by_pcp)
      CHECK(std::equal(first.begin() + 24, first.begin() + 36,
                       gateway.sent.front().bytes.begin() + 24));
  }
}

TEST_CASE("another outside endpoint at a renewal is news") {
  Gateway gateway;
  gateway.start();
  gateway.take_events();
  gateway.outside.port = 40000;
  gateway.run_until(gateway.now + 30min);
  CHECK(gateway.take_events() == std::vector{mapped(Protocol::kPcp, gateway.outside)});
}

TEST_CASE("a mapping that cannot be renewed is lost when its life is over, not before") {
  Gateway gateway;
  gateway.start();
  gateway.take_events();
  gateway.speaks_pcp = gateway.speaks_natpmp = false;
  gateway.sent.clear();
  const MonoTime end = gateway.now + 1h;
  gateway.run_until(end - 1ns);
  CHECK(gateway.take_events().empty());
  CHECK(gateway.sent.size() > kTries);
  CHECK(gateway.sent.size() < 60);
  gateway.run_until(end);
  const auto events = gateway.take_events();
  CHECK(kind_of_only(events) == Event::Kind::kLost);
  CHECK(events.front().reason == Reason::kExpired);
}

TEST_CASE("a gateway that has restarted is asked again at once") {
  for (const bool by_pcp : {true, false}) {
    Gateway gateway;
    gateway.speaks_pcp = by_pcp;
    gateway.start();
    gateway.take_events();
    gateway.booted = gateway.now + 29min;
    gateway.outside.port = 40000;
    gateway.run_until(gateway.now + 30min);
    const auto events = gateway.take_events();
    REQUIRE(events.size() == 2);
    CHECK(events[0].kind == Event::Kind::kLost);
    CHECK(events[0].reason == Reason::kGatewayRestarted);
    CHECK(events[1].kind == Event::Kind::kMapped);
  }
}

TEST_CASE("release gives the port back and says when that is done") {
  for (const bool by_pcp : {true, false}) {
    Gateway gateway;
    gateway.speaks_pcp = by_pcp;
    gateway.start();
    gateway.take_events();
    gateway.sent.clear();
    gateway.mapper.release(gateway.now);
    gateway.settle();
    CHECK(kind_of_only(gateway.take_events()) == Event::Kind::kReleased);
    REQUIRE(gateway.sent.size() == 1);
    const std::size_t lifetime_at = by_pcp ? 4 : 8;
    CHECK(load_be<std::uint32_t>(gateway.sent.front().bytes.data() + lifetime_at) == 0);
    CHECK(gateway.mapper.deadline() == MonoTime::never());
    CHECK_FALSE(gateway.mapper.external());
  }
}

TEST_CASE("release ends although nobody answers") {
  Gateway gateway;
  gateway.start();
  gateway.take_events();
  gateway.speaks_pcp = gateway.speaks_natpmp = false;
  gateway.mapper.release(gateway.now);
  gateway.run_until(gateway.now + kFirstPause * 7);
  CHECK(kind_of_only(gateway.take_events()) == Event::Kind::kReleased);
}

TEST_CASE("another gateway or address begins anew, the same does not") {
  Gateway gateway;
  gateway.start();
  gateway.take_events();
  gateway.sent.clear();
  gateway.mapper.set_target(kTarget, gateway.now);
  gateway.settle();
  CHECK(gateway.sent.empty());
  Target other = kTarget;
  other.own = IpAddress::v4(192, 168, 1, 9);
  gateway.mapper.set_target(other, gateway.now);
  gateway.settle();
  const auto events = gateway.take_events();
  REQUIRE(events.size() == 2);
  CHECK(events[0].kind == Event::Kind::kLost);
  CHECK(events[1].kind == Event::Kind::kMapped);
}

TEST_CASE("a refusal of the gateway is told as one") {
  Gateway gateway;
  gateway.result = 2;
  gateway.start();
  check_unavailable(gateway.take_events(), Reason::kRefused);
}

TEST_CASE(
    "L33 a private or CGNAT address outside is another NAT, loopback and the like are nothing") {
  for (const bool by_pcp : {true, false}) {
    const auto outcome = [&](std::string_view address) {
      Gateway gateway;
      gateway.speaks_pcp = by_pcp;
      gateway.outside.address = IpAddress::parse(address).value();
      gateway.start();
      CHECK_FALSE(gateway.mapper.external());
      return gateway.take_events();
    };
    for (const std::string_view address : {"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1"})
      check_unavailable(outcome(address), Reason::kGatewayIsPrivate);
    for (const std::string_view address : {"127.0.0.1", "0.0.0.0", "169.254.0.1", "224.0.0.1"})
      check_unavailable(outcome(address), Reason::kUnusableAddress);
  }
}

TEST_CASE("L33 answers count only from the gateway's address and port") {
  Gateway gateway;
  gateway.mapper.set_target(kTarget, gateway.now);
  const auto transmit = gateway.mapper.next_transmit();
  REQUIRE(transmit);
  const Bytes answer = gateway.pcp_answer(transmit->bytes);
  CHECK_FALSE(
      gateway.mapper.feed(answer, {IpAddress::v4(192, 168, 1, 66), kGatewayPort}, gateway.now));
  CHECK_FALSE(gateway.mapper.feed(answer, {kTarget.gateway, 5350}, gateway.now));
  CHECK(gateway.mapper.counters().foreign == 2);
  CHECK_FALSE(gateway.mapper.external());
  CHECK(gateway.mapper.feed(answer, kGateway, gateway.now));
  CHECK(gateway.mapper.external() == kOutside);
}

TEST_CASE("L33 answers of PCP count only with our nonce and our port") {
  Gateway gateway;
  gateway.mapper.set_target(kTarget, gateway.now);
  const Bytes good = gateway.pcp_answer(gateway.mapper.next_transmit()->bytes);
  for (const std::size_t place : {24U, 35U, 40U, 41U}) {
    Bytes bad = good;
    bad[place] ^= 1;
    CHECK(gateway.mapper.feed(bad, kGateway, gateway.now));
    CHECK_FALSE(gateway.mapper.external());
  }
  CHECK(gateway.mapper.counters().unasked == 4);
}

TEST_CASE("L33 nothing that was not asked for changes a mapping") {
  Gateway gateway;
  gateway.start();
  gateway.take_events();
  Gateway other;
  other.outside.port = 1;
  other.mapper.set_target(kTarget, other.now);  // has the same nonce, from the same seed
  gateway.mapper.feed(other.pcp_answer(other.mapper.next_transmit()->bytes), kGateway, gateway.now);
  gateway.mapper.feed(other.natpmp_answer(Bytes{0, 0}), kGateway, gateway.now);
  gateway.settle();
  CHECK(gateway.take_events().empty());
  CHECK(gateway.mapper.external() == kOutside);
}

TEST_CASE("L33 a life of a second does not make us ask every half") {
  Gateway gateway;
  gateway.lifetime = 1;
  gateway.start();
  gateway.sent.clear();
  gateway.run_until(gateway.now + 1h);
  CHECK(gateway.sent.size() == 60);
  gateway.lifetime = 0xffff'ffff;
  gateway.run_until(gateway.now + kMinLifetime);
  CHECK(gateway.mapper.deadline() <= gateway.now + kMaxLifetime / 2);
}

TEST_CASE("a life of nothing is no mapping") {
  Gateway gateway;
  gateway.lifetime = 0;
  gateway.start();
  check_unavailable(gateway.take_events(), Reason::kUnusableAddress);
}
