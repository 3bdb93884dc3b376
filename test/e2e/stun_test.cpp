// Our survey behind every kind of NAT against coturn's server, and coturn's client against ours.
//
//   alice 192.168.1.2 --- lan --- .1 home 198.51.100.1 --- internet --- server 198.51.100.10, .11
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "os/clock.h"
#include "os/random.h"
#include "stun/responder.h"
#include "stun/survey.h"
#include "support/coturn.h"
#include "support/lab.h"
#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

const IpAddress kFirst = IpAddress::v4(198, 51, 100, 10);
const IpAddress kSecond = IpAddress::v4(198, 51, 100, 11);
constexpr std::uint16_t kPort = 3478;
constexpr std::uint16_t kOtherPort = 3479;

struct Home {
  explicit Home(const NatOptions& options) { home.nat(internet, options); }

  Lab lab;
  Network& internet = lab.network("internet");
  Network& lan = lab.network("lan");
  Node& server = lab.node("server").join(internet, {"198.51.100.10/24", "198.51.100.11/24"});
  Node& home = lab.node("home").join(internet, {"198.51.100.1/24"}).join(lan, {"192.168.1.1/24"});
  Node& alice = lab.node("alice").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
};

stun::Report run_survey(Node& node) {
  os::SystemClock clock;
  os::SystemRng rng;
  stun::Survey survey(rng);
  UdpProbe socket(node, "192.168.1.2:51820");
  survey.set_servers({{.id = 1, .v4 = Endpoint{kFirst, kPort}}});
  survey.begin(stun::Survey::Mode::kFull, std::array{socket.local()}, clock.now());
  while (true) {
    if (auto report = survey.next_event()) return *report;
    while (const auto transmit = survey.next_transmit())
      socket.send(transmit->to, as_text(transmit->bytes));
    const Duration wait = std::max(survey.deadline() - clock.now(), Duration(1ms));
    if (const auto datagram = socket.receive(wait))
      survey.feed(as_bytes(datagram->text), datagram->from, clock.now());
    survey.expire(clock.now());
  }
}

void check_survey(const NatOptions& options, stun::Behaviour mapping, stun::Behaviour filtering) {
  if (!is_possible({"turnserver"})) return;
  Home net(options);
  const Process server = start_stun_server(net.lab, net.server, "198.51.100.10", "198.51.100.11");
  const stun::Report report = run_survey(net.alice);
  CHECK(report.has_udp);
  REQUIRE(report.v4);
  CHECK(report.v4->address == IpAddress::v4(198, 51, 100, 1));
  CHECK(report.mapping == mapping);
  CHECK(report.filtering == filtering);
  CHECK(report.hairpins == options.hairpin);
}

// A server of ours on two addresses with two ports each.
class OwnServer {
 public:
  explicit OwnServer(Node& node) {
    for (const IpAddress& address : {kFirst, kSecond})
      for (const std::uint16_t port : {kPort, kOtherPort})
        sockets_.push_back(std::make_unique<UdpProbe>(node, Endpoint{address, port}.to_string()));
    thread_ = std::thread([this] { serve(); });
  }
  ~OwnServer() {
    is_stopping_ = true;
    thread_.join();
  }

 private:
  UdpProbe& socket_at(const Endpoint& local) {
    for (const auto& socket : sockets_)
      if (socket->local() == local) return *socket;
    throw LabError("no socket at " + local.to_string());
  }

  void serve() {
    while (!is_stopping_)
      for (const auto& socket : sockets_)
        if (const auto datagram = socket->receive(2ms)) answer(socket->local(), *datagram);
  }

  void answer(const Endpoint& local, const Datagram& datagram) {
    const Endpoint other{local.address == kFirst ? kSecond : kFirst,
                         local.port == kPort ? kOtherPort : kPort};
    const auto reply = responder_.respond(
        as_bytes(datagram.text), datagram.from,
        {.asked = local, .other_port = other.port, .other_address = other.address}, clock_.now());
    if (!reply) return;
    const Endpoint source{reply->from_other_address ? other.address : local.address,
                          reply->from_other_port ? other.port : local.port};
    socket_at(source).send(datagram.from, as_text(reply->bytes()));
  }

  os::SystemClock clock_;
  os::SystemRng rng_;
  stun::Responder responder_{rng_};
  std::vector<std::unique_ptr<UdpProbe>> sockets_;
  std::atomic<bool> is_stopping_ = false;
  std::thread thread_;
};

}  // namespace

TEST_CASE("a survey with coturn's server tells a full cone") {
  using enum stun::Behaviour;
  check_survey({.kind = NatKind::kFullCone, .hairpin = true}, kEndpointIndependent,
               kEndpointIndependent);
}

TEST_CASE("a survey with coturn's server tells an address-restricted NAT") {
  using enum stun::Behaviour;
  check_survey({.kind = NatKind::kAddressRestricted}, kEndpointIndependent, kAddressDependent);
}

TEST_CASE("a survey with coturn's server tells a port-restricted NAT") {
  using enum stun::Behaviour;
  check_survey({.kind = NatKind::kPortRestricted}, kEndpointIndependent, kAddressAndPortDependent);
}

TEST_CASE("a survey with coturn's server tells a symmetric NAT") {
  using enum stun::Behaviour;
  check_survey({.kind = NatKind::kSymmetric}, kAddressAndPortDependent, kAddressAndPortDependent);
}

TEST_CASE("a survey tells that UDP is blocked") {
  if (!is_possible({"turnserver"})) return;
  Home net({.kind = NatKind::kUdpBlocked});
  const Process server = start_stun_server(net.lab, net.server, "198.51.100.10", "198.51.100.11");
  CHECK_FALSE(run_survey(net.alice).has_udp);
}

TEST_CASE("coturn's client comes to the right verdict with our server") {
  if (!is_possible({"turnutils_natdiscovery"})) return;
  Home net({.kind = NatKind::kAddressRestricted});
  const OwnServer server(net.server);
  // -P fills its requests up: to those without room our answers name no other address (L30).
  Process judge = net.alice.start(
      {"turnutils_natdiscovery", "-m", "-f", "-P", "-L", "192.168.1.2", "198.51.100.10"});
  const NatVerdict verdict = verdict_of(judge);
  CAPTURE(verdict.transcript);
  CHECK(verdict.mapping == NatBehaviour::kEndpointIndependent);
  CHECK(verdict.filtering == NatBehaviour::kAddressDependent);
}
