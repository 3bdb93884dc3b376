#include "path/candidates.h"

#include <doctest/doctest.h>

#include "path/agent.h"

using namespace sinew;
using namespace sinew::path;
using netmap::CandidateKind;
using netmap::NatBehaviour;

namespace {

netmap::Candidate reflexive(std::uint16_t port, const char* address = "203.0.113.1") {
  return {.endpoint = {*IpAddress::parse(address), port}, .kind = CandidateKind::kReflexive};
}

netmap::Connectivity nat(NatBehaviour mapping, NatBehaviour filtering) {
  return {.has_udp = true, .mapping = mapping, .filtering = filtering, .has_port_mapping = false};
}

constexpr auto kFree = NatBehaviour::kEndpointIndependent;
constexpr auto kByAddress = NatBehaviour::kAddressDependent;
constexpr auto kByPort = NatBehaviour::kAddressAndPortDependent;

}  // namespace

TEST_CASE("candidates: only addresses that another machine can answer at are probed") {
  Settings settings;
  settings.inner_networks = {*IpPrefix::parse("10.147.0.0/16"), *IpPrefix::parse("fd12::/64")};
  const auto is_ok = [&](const char* text) {
    return is_probeable(*Endpoint::parse(text), settings);
  };
  for (const char* text : {"192.0.2.1:1", "10.146.255.255:1", "10.148.0.0:1", "169.254.1.1:1",
                           "[2001:db8::1]:1", "[fd13::1]:1", "[100:0:0:1::]:1"}) {
    CAPTURE(text);
    CHECK(is_ok(text));
  }
  for (const char* text : {"127.0.0.1:1", "0.0.0.0:1", "239.1.1.1:1", "255.255.255.255:1",
                           "10.147.0.0:1", "10.147.255.255:1", "[fd12::1]:1", "[::1]:1",
                           "[fe80::1]:1", "[ff02::1]:1", "[100::ffff]:1"}) {
    CAPTURE(text);
    CHECK_FALSE(is_ok(text));
  }
  CHECK_FALSE(is_probeable({IpAddress::v4(192, 0, 2, 1), 0}, settings));
  settings.has_ipv6 = false;
  CHECK_FALSE(is_ok("[2001:db8::1]:1"));
}

TEST_CASE("candidates: what two NATs need follows from their behaviour") {
  const auto cone = nat(kFree, kFree);
  const auto restricted = nat(kFree, kByAddress);
  const auto strict = nat(kFree, kByPort);
  const auto hard = nat(kByPort, kByPort);
  CHECK(need_of(strict, strict) == Need::kNothing);
  CHECK(need_of(hard, cone) == Need::kNothing);
  CHECK(need_of(hard, restricted) == Need::kNothing);
  CHECK(need_of(hard, strict) == Need::kHolesHere);
  CHECK(need_of(strict, hard) == Need::kHolesThere);
  CHECK(need_of(hard, hard) == Need::kPrediction);
  CHECK(need_of(nat(kByAddress, kByAddress), strict) == Need::kHolesHere);
  auto mapped = hard;
  mapped.has_port_mapping = true;
  CHECK(need_of(mapped, hard) == Need::kNothing);
  auto blocked = hard;
  blocked.has_udp = false;
  CHECK(need_of(blocked, hard) == Need::kNothing);
}

TEST_CASE("candidates: ports are foretold only from ports that count up") {
  using Candidates = std::vector<netmap::Candidate>;
  const auto last = [](const Candidates& candidates) {
    const auto found = predictable_endpoint(candidates);
    return found ? int{found->port} : 0;
  };
  CHECK(last({reflexive(100), reflexive(101)}) == 101);
  CHECK(last({reflexive(100), reflexive(116), reflexive(117)}) == 117);
  CHECK(last({reflexive(100)}) == 0);
  CHECK(last({reflexive(100), reflexive(117)}) == 0);
  CHECK(last({reflexive(101), reflexive(100)}) == 0);
  CHECK(last({reflexive(100), reflexive(100)}) == 0);
  CHECK(last({reflexive(100), reflexive(101, "203.0.113.2")}) == 0);
  CHECK(last({reflexive(100, "192.168.0.1"), reflexive(101, "192.168.0.1")}) == 0);
}

TEST_CASE("candidates: the public endpoint is the one that is known best") {
  const netmap::Candidate local{.endpoint = *Endpoint::parse("198.51.100.1:1"),
                                .kind = CandidateKind::kLocal};
  const netmap::Candidate observed{.endpoint = *Endpoint::parse("203.0.113.1:2"),
                                   .kind = CandidateKind::kObserved};
  const netmap::Candidate mapped{.endpoint = *Endpoint::parse("203.0.113.1:4"),
                                 .kind = CandidateKind::kMapped};
  using Candidates = std::vector<netmap::Candidate>;
  CHECK_FALSE(public_endpoint(Candidates{local}).has_value());
  CHECK(public_endpoint(Candidates{local, observed})->port == 2);
  CHECK(public_endpoint(Candidates{observed, reflexive(3)})->port == 3);
  CHECK(public_endpoint(Candidates{observed, reflexive(3), mapped})->port == 4);
}
