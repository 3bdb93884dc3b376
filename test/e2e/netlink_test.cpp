// The kernel's network configuration and news of it, in a namespace of the test's own:
//
//   host 192.0.2.2 ---- lan ---- 192.0.2.1 router
//        2001:db8::2             2001:db8::1
#include <doctest/doctest.h>

#include <algorithm>

#include "netlink/host_monitor.h"
#include "netlink/rtnetlink.h"
#include "support/lab.h"

using namespace sinew;
using namespace sinew::lab;
using netlink::HostMonitor;
using netlink::Route;
using netlink::Rtnetlink;
using netlink::Rule;

namespace {

struct Site {
  Lab lab;
  Network& lan = lab.network("lan");
  Node& host = lab.node("host").join(lan, {"192.0.2.2/24", "2001:db8::2/64"});
  Node& router = lab.node("router").join(lan, {"192.0.2.1/24", "2001:db8::1/64"});

  Rtnetlink rtnetlink() {
    return host.inside([] { return must(Rtnetlink::open()); });
  }
  HostMonitor monitor(std::vector<std::uint32_t> without = {}) {
    return host.inside([&] { return must(HostMonitor::open(std::move(without))); });
  }
  std::uint32_t index_of(std::string_view name) {
    auto asked = rtnetlink();
    for (const netlink::Link& link : must(asked.links())) {
      if (link.name == name) return link.index;
    }
    return 0;
  }
  std::string shown(std::string_view what) {
    return host.run({"sh", "-c", "ip " + std::string(what)}).out;
  }
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool has_address(const netlink::HostNetwork& network, std::string_view text) {
  const IpAddress wanted = must(IpAddress::parse(text));
  return std::ranges::any_of(network.addresses,
                             [&](const auto& one) { return one.address == wanted; });
}

}  // namespace

TEST_CASE("addresses, routes and rules come and go, and doing it again is no error") {
  if (!is_possible()) return;
  Site site;
  auto rtnetlink = site.rtnetlink();
  const std::uint32_t lan = site.index_of("lan");
  const IpAddress second = IpAddress::v4(192, 0, 2, 77);
  const Route route{.destination = must(IpPrefix::parse("10.20.0.0/16")),
                    .gateway = IpAddress::v4(192, 0, 2, 1),
                    .interface = lan,
                    .metric = 5};
  const Route v6{
      .destination = must(IpPrefix::parse("fd20::/16")), .interface = lan, .table = 51'820};
  const Rule rule{.priority = 5209, .table = 51'820, .fwmark = 0x51, .is_inverted = true};
  const Rule rule6{.is_v6 = true, .priority = 5210, .ignores_default = true};
  for (int round = 0; round < 2; ++round) {
    must(rtnetlink.add_address(lan, second, 24));
    must(rtnetlink.add_route(route));
    must(rtnetlink.add_route(v6));
    must(rtnetlink.add_rule(rule));
    must(rtnetlink.add_rule(rule6));
  }
  CHECK(has(site.shown("addr show lan"), "192.0.2.77/24"));
  CHECK(has(site.shown("route"), "10.20.0.0/16 via 192.0.2.1 dev lan"));
  CHECK(has(site.shown("-6 route show table 51820"), "fd20::/16 dev lan"));
  CHECK(has(site.shown("rule"), "5209:\tnot from all fwmark 0x51 lookup 51820"));
  CHECK(has(site.shown("-6 rule"), "5210:\tfrom all lookup main suppress_prefixlength 0"));
  const auto routes = must(rtnetlink.routes());
  CHECK(std::ranges::find(routes, route) != routes.end());

  for (int round = 0; round < 2; ++round) {
    must(rtnetlink.remove_address(lan, second, 24));
    must(rtnetlink.remove_route(route));
    must(rtnetlink.remove_route(v6));
    must(rtnetlink.remove_rule(rule));
    must(rtnetlink.remove_rule(rule6));
  }
  CHECK_FALSE(has(site.shown("addr show lan"), "192.0.2.77"));
  CHECK_FALSE(has(site.shown("route"), "10.20"));
  CHECK_FALSE(has(site.shown("rule") + site.shown("-6 rule"), "52"));
}

TEST_CASE("what the kernel refuses is an error that names it") {
  if (!is_possible()) return;
  Site site;
  auto rtnetlink = site.rtnetlink();
  const auto refused = rtnetlink.add_route({.destination = must(IpPrefix::parse("10.20.0.0/16")),
                                            .gateway = IpAddress::v4(203, 0, 113, 1)});
  REQUIRE_FALSE(refused.has_value());
  CHECK(has(refused.error().message, "add the route to 10.20.0.0/16: "));
}

TEST_CASE("a machine's addresses and gateways are told, and every change of them") {
  if (!is_possible()) return;
  Site site;
  site.host.ip("route add default via 192.0.2.1\nroute add default via 2001:db8::1");
  auto monitor = site.monitor();
  const auto lan = site.index_of("lan");
  CHECK(has_address(monitor.network(), "192.0.2.2"));
  CHECK(has_address(monitor.network(), "2001:db8::2"));
  CHECK_FALSE(has_address(monitor.network(), "127.0.0.1"));
  REQUIRE(monitor.network().gateway_v4.has_value());
  CHECK(monitor.network().gateway_v4->address == IpAddress::v4(192, 0, 2, 1));
  CHECK(monitor.network().gateway_v4->interface == lan);
  CHECK(monitor.network().gateway_v6->address == must(IpAddress::parse("2001:db8::1")));
  CHECK_FALSE(must(monitor.news()));

  site.host.ip("addr add 192.0.2.99/24 dev lan");
  CHECK(must(monitor.news()));
  CHECK(has_address(monitor.network(), "192.0.2.99"));

  site.host.ip("addr add 192.0.2.98/24 dev lan\naddr del 192.0.2.98/24 dev lan");
  CHECK_FALSE(must(monitor.news()));

  site.host.ip("route add 10.0.0.0/8 via 192.0.2.1");
  CHECK_FALSE(must(monitor.news()));

  site.host.ip("route replace default via 192.0.2.7");
  CHECK(must(monitor.news()));
  CHECK(monitor.network().gateway_v4->address == IpAddress::v4(192, 0, 2, 7));

  site.host.ip("addr change 2001:db8::2/64 dev lan preferred_lft 0");
  CHECK(must(monitor.news()));
  CHECK_FALSE(has_address(monitor.network(), "2001:db8::2"));

  site.host.ip("link set lan down");
  CHECK(must(monitor.news()));
  CHECK(monitor.network().addresses.empty());
  CHECK_FALSE(monitor.network().gateway_v4.has_value());
}

TEST_CASE("an interface that does not count brings no news") {
  if (!is_possible()) return;
  Site site;
  site.host.ip("link add own0 type veth peer name own1\nlink set own1 up\nlink set own0 up");
  auto monitor = site.monitor({site.index_of("own0")});
  site.host.ip("addr add 10.9.0.1/24 dev own0\nroute add default dev own0");
  CHECK_FALSE(must(monitor.news()));
  CHECK_FALSE(has_address(monitor.network(), "10.9.0.1"));
  CHECK_FALSE(monitor.network().gateway_v4.has_value());
}

TEST_CASE("news of the machine survive a storm that does not fit the socket") {
  if (!is_possible()) return;
  Site site;
  auto monitor = site.monitor();
  std::string commands;
  for (int i = 0; i < 2000; ++i)
    commands += "link set lo mtu " + std::to_string(2000 + i) + "\n";
  site.host.ip(commands + "addr add 192.0.2.99/24 dev lan");
  bool has_news = false;
  for (int i = 0; i < 20; ++i)
    has_news |= must(monitor.news());
  CHECK(has_news);
  CHECK(has_address(monitor.network(), "192.0.2.99"));
}
