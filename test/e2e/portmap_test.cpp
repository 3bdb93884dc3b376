// Ports kept open on a real gateway, miniupnpd, by PCP, NAT-PMP and UPnP; and nothing taken from
// anybody else in the local network.
//
//   alice   192.168.1.2  ---+
//                           lan --- .1 home 20.0.0.1 --- internet --- 20.0.0.10 server
//   mallory 192.168.1.66 ---+                               |
//              20.0.0.66 -----------------------------------+
//
// The addresses outside look like public ones, because miniupnpd refuses to serve others.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "igd/igd.h"
#include "os/clock.h"
#include "os/poll.h"
#include "os/random.h"
#include "portmap/mapper.h"
#include "support/lab.h"
#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

const IpAddress kGateway = IpAddress::v4(192, 168, 1, 1);
const IpAddress kAlice = IpAddress::v4(192, 168, 1, 2);
const IpAddress kMallory = IpAddress::v4(192, 168, 1, 66);
const IpAddress kOutside = IpAddress::v4(20, 0, 0, 1);
constexpr std::uint16_t kPort = 51820;

// Where miniupnpd puts what it opens.
constexpr const char* kChains = R"(
table inet filter {
  chain forward { type filter hook forward priority 10; jump miniupnpd; }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
  chain prerouting_miniupnpd { }
  chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; }
  chain postrouting_miniupnpd { }
}
)";

struct Home {
  Lab lab;
  Network& internet = lab.network("internet");
  Network& lan = lab.network("lan");
  Node& server = lab.node("server").join(internet, {"20.0.0.10/24"});
  Node& home = lab.node("home")
                   .join(internet, {"20.0.0.1/24"})
                   .join(lan, {"192.168.1.1/24"})
                   .nat(internet, {.kind = NatKind::kPortRestricted});
  Node& alice = lab.node("alice").join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
  Node& mallory =
      lab.node("mallory").join(lan, {"192.168.1.66/24"}).join(internet, {"20.0.0.66/24"});

  Process start_gateway(Node& node) {
    const std::string path = lab.folder() + "/miniupnpd-" + node.name() + ".conf";
    std::ofstream(path) << "ext_ifname=internet\nlistening_ip=lan\nenable_natpmp=yes\n"
                           "enable_upnp=yes\nsecure_mode=yes\nport=0\n"
                           "uuid=00000000-1111-2222-3333-444444444444\n"
                           "upnp_table_name=filter\nupnp_nat_table_name=filter\n"
                           "upnp_forward_chain=miniupnpd\nupnp_nat_chain=prerouting_miniupnpd\n"
                           "upnp_nat_postrouting_chain=postrouting_miniupnpd\n"
                           "allow 1024-65535 192.168.1.0/24 1024-65535\n"
                           "deny 0-65535 0.0.0.0/0 0-65535\n";
    node.nft(kChains);
    Process gateway = node.start(
        {"miniupnpd", "-d", "-f", path, "-P", lab.folder() + "/" + node.name() + ".pid"});
    gateway.wait_for_output("Listening for NAT-PMP/PCP");
    return gateway;
  }
};

// A mapper with a socket and the real time.
class Client {
 public:
  explicit Client(Home& net) : socket_(net.alice, "192.168.1.2:40001") {
    mapper_.set_target({kGateway, kAlice, kPort}, now());
  }

  portmap::Mapper& mapper() { return mapper_; }
  UdpProbe& socket() { return socket_; }
  MonoTime now() const { return clock_.now(); }
  void drop_pcp() { drops_pcp_ = true; }

  // The next event, sent and received for until it comes.
  std::optional<portmap::Event> next_event() {
    const MonoTime end = now() + Duration(10s);
    while (now() < end) {
      if (const auto event = mapper_.next_event()) return event;
      while (const auto transmit = mapper_.next_transmit()) {
        const bool is_dropped = drops_pcp_ && transmit->bytes[0] == 2;
        if (!is_dropped) socket_.send(transmit->to, as_text(transmit->bytes));
      }
      const Duration wait = std::clamp(mapper_.deadline() - now(), Duration(1ms), Duration(1s));
      if (const auto datagram = socket_.receive(wait))
        mapper_.feed(as_bytes(datagram->text), datagram->from, now());
      mapper_.expire(now());
    }
    return std::nullopt;
  }

 private:
  os::SystemClock clock_;
  os::SystemRng rng_;
  portmap::Mapper mapper_{rng_};
  UdpProbe socket_;
  bool drops_pcp_ = false;
};

// From a port of the server that has sent nothing before, so that only a mapping lets it in.
bool is_reachable(Home& net, UdpProbe& service, const Endpoint& outside, std::string_view from,
                  Duration patience = UdpProbe::kPatience) {
  UdpProbe stranger(net.server, from);
  stranger.send(outside, "hello");
  return service.receive(patience).has_value();
}

void check_life_of_mapping(bool by_pcp) {
  if (!is_possible({"miniupnpd"})) return;
  Home net;
  const Process gateway = net.start_gateway(net.home);
  UdpProbe service(net.alice, "192.168.1.2:51820");
  Client client(net);
  if (!by_pcp) client.drop_pcp();

  const auto mapped = client.next_event();
  REQUIRE(mapped);
  REQUIRE(mapped->kind == portmap::Event::Kind::kMapped);
  CHECK(mapped->protocol == (by_pcp ? portmap::Protocol::kPcp : portmap::Protocol::kNatPmp));
  CHECK(mapped->external.address == kOutside);
  CHECK(is_reachable(net, service, mapped->external, "20.0.0.10:4000"));

  client.mapper().release(client.now());
  const auto released = client.next_event();
  REQUIRE(released);
  CHECK(released->kind == portmap::Event::Kind::kReleased);
  CHECK_FALSE(
      is_reachable(net, service, mapped->external, "20.0.0.10:4001", UdpProbe::kShortPatience));
}

std::optional<igd::News> next_news(igd::Igd& igd) {
  std::array waited{pollfd{.fd = igd.fd().get(), .events = POLLIN, .revents = 0}};
  if (!os::poll_until(waited, os::SystemClock().now() + Duration(20s)).value()) return std::nullopt;
  const std::span<igd::News> news = igd.take_news();
  REQUIRE(news.size() == 1);
  return news.front();
}

std::unique_ptr<igd::Igd> open_igd(Home& net) {
  return net.alice.inside([] { return igd::Igd::open().value(); });
}

}  // namespace

TEST_CASE("a port is opened by PCP, lets strangers in, and is given back") {
  check_life_of_mapping(true);
}

TEST_CASE("a port is opened by NAT-PMP, lets strangers in, and is given back") {
  check_life_of_mapping(false);
}

TEST_CASE("a port is opened by UPnP, lets strangers in, and is given back") {
  if (!is_possible({"miniupnpd"})) return;
  Home net;
  const Process gateway = net.start_gateway(net.home);
  UdpProbe service(net.alice, "192.168.1.2:51820");
  const auto igd = open_igd(net);
  REQUIRE(igd->map({kGateway, kAlice, kPort}));
  const auto mapped = next_news(*igd);
  REQUIRE(mapped);
  CHECK(mapped->why == "");
  REQUIRE(mapped->kind == igd::News::Kind::kMapped);
  CHECK(mapped->external == Endpoint{kOutside, kPort});
  CHECK(is_reachable(net, service, mapped->external, "20.0.0.10:4000"));

  REQUIRE(igd->unmap());
  const auto released = next_news(*igd);
  REQUIRE(released);
  CHECK(released->kind == igd::News::Kind::kReleased);
  CHECK_FALSE(
      is_reachable(net, service, mapped->external, "20.0.0.10:4001", UdpProbe::kShortPatience));
}

TEST_CASE("an Igd that ends gives back what it holds") {
  if (!is_possible({"miniupnpd"})) return;
  Home net;
  const Process gateway = net.start_gateway(net.home);
  UdpProbe service(net.alice, "192.168.1.2:51820");
  auto igd = open_igd(net);
  REQUIRE(igd->map({kGateway, kAlice, kPort}));
  const auto mapped = next_news(*igd);
  REQUIRE(mapped);
  REQUIRE(mapped->kind == igd::News::Kind::kMapped);
  igd.reset();
  CHECK_FALSE(
      is_reachable(net, service, mapped->external, "20.0.0.10:4001", UdpProbe::kShortPatience));
}

TEST_CASE("L33 nothing is taken from who answers for the gateway from another address") {
  if (!is_possible()) return;
  Home net;
  UdpProbe mallory(net.mallory, "192.168.1.66:5351");
  Client client(net);
  const auto request = client.mapper().next_transmit();
  REQUIRE(request);
  // She has seen even the nonce.
  Bytes answer = request->bytes;
  answer[1] = 0x81;
  const std::array<std::uint8_t, 4> evil{20, 0, 0, 66};
  std::ranges::copy(evil, answer.begin() + 56);
  mallory.send({kAlice, 40001}, as_text(answer));
  const auto datagram = client.socket().receive();
  REQUIRE(datagram);
  CHECK(datagram->from.address == kMallory);
  CHECK_FALSE(client.mapper().feed(as_bytes(datagram->text), datagram->from, client.now()));
  CHECK_FALSE(client.mapper().external());
  // The same from the gateway would count.
  CHECK(client.mapper().feed(as_bytes(datagram->text), {kGateway, 5351}, client.now()));
  CHECK(client.mapper().external() == Endpoint{IpAddress::v4(evil), kPort});
}

TEST_CASE("L33 a UPnP device that is not the gateway is not spoken to") {
  if (!is_possible({"miniupnpd"})) return;
  Home net;
  const Process device = net.start_gateway(net.mallory);
  const auto igd = open_igd(net);
  REQUIRE(igd->map({kGateway, kAlice, kPort}));
  const auto refused = next_news(*igd);
  REQUIRE(refused);
  CHECK(refused->kind == igd::News::Kind::kUnavailable);
  CHECK(refused->why == "no UPnP gateway at 192.168.1.1");
  CHECK_FALSE(device.output().contains("AddPortMapping"));
  // Were it the gateway, it would be.
  REQUIRE(igd->map({kMallory, kAlice, kPort}));
  const auto mapped = next_news(*igd);
  REQUIRE(mapped);
  CHECK(mapped->kind == igd::News::Kind::kMapped);
}
