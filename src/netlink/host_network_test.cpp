#include "netlink/host_network.h"

#include <doctest/doctest.h>

using namespace sinew;
using namespace sinew::netlink;

namespace {

const Link kEthernet{.index = 2, .name = "eth0", .is_up = true, .is_connected = true};
const Link kWireless{.index = 3, .name = "wlan0", .is_up = true, .is_connected = true};

Address address(std::string_view text, unsigned length, std::uint32_t interface = 2) {
  return {.interface = interface, .address = *IpAddress::parse(text), .prefix_length = length};
}

std::vector<std::string> texts(std::span<const Link> links, std::span<const Address> addresses,
                               std::span<const std::uint32_t> without = {}) {
  std::vector<std::string> out;
  for (const HostAddress& one : summarize(links, addresses, {}, without).addresses)
    out.push_back(one.interface_name + " " + one.address.to_string());
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("addresses count on interfaces that are up, connected and no loopback") {
  const std::vector<Address> all = {address("192.0.2.2", 24), address("10.0.0.3", 8, 3)};
  CHECK(texts(std::vector{kEthernet, kWireless}, all) == Texts{"eth0 192.0.2.2", "wlan0 10.0.0.3"});
  Link other = kWireless;
  other.is_up = false;
  CHECK(texts(std::vector{kEthernet, other}, all) == Texts{"eth0 192.0.2.2"});
  other = kWireless;
  other.is_connected = false;
  CHECK(texts(std::vector{kEthernet, other}, all) == Texts{"eth0 192.0.2.2"});
  other = kWireless;
  other.is_loopback = true;
  CHECK(texts(std::vector{kEthernet, other}, all) == Texts{"eth0 192.0.2.2"});
  CHECK(texts(std::vector{kEthernet, kWireless}, all, std::vector{2U}) == Texts{"wlan0 10.0.0.3"});
  CHECK(texts({}, all) == Texts{});
}

TEST_CASE("addresses that are not for new connections are left out") {
  Address deprecated = address("2001:db8::1", 64);
  deprecated.is_deprecated = true;
  Address tentative = address("2001:db8::2", 64);
  tentative.is_tentative = true;
  CHECK(texts(std::vector{kEthernet}, std::vector{deprecated, tentative, address("::1", 128),
                                                  address("127.0.0.1", 8)}) == Texts{});
}

TEST_CASE("a temporary address counts only where there is no lasting one") {
  Address temporary = address("2001:db8::f00", 64);
  temporary.is_temporary = true;
  const Address lasting = address("2001:db8::1", 64);
  CHECK(texts(std::vector{kEthernet}, std::vector{temporary}) == Texts{"eth0 2001:db8::f00"});
  CHECK(texts(std::vector{kEthernet}, std::vector{temporary, lasting}) ==
        Texts{"eth0 2001:db8::1"});
  const Address elsewhere = address("2001:db8:1::1", 64);
  CHECK(texts(std::vector{kEthernet}, std::vector{temporary, elsewhere}).size() == 2);
}

TEST_CASE("the gateway is that of the default route with the smallest metric") {
  const auto route = [](std::string_view gateway, std::uint32_t interface, std::uint32_t metric) {
    const IpAddress to = *IpAddress::parse(gateway);
    return Route{.destination = *IpPrefix::parse(to.is_v4() ? "0.0.0.0/0" : "::/0"),
                 .gateway = to,
                 .interface = interface,
                 .metric = metric};
  };
  const std::vector links = {kEthernet, kWireless};
  const auto v4 = [&](std::vector<Route> routes) {
    return summarize(links, {}, routes, {}).gateway_v4;
  };
  CHECK_FALSE(v4({}).has_value());
  const Route slow = route("192.0.2.1", 2, 600);
  const Route fast = route("10.0.0.1", 3, 100);
  CHECK(v4({slow, fast})->address == IpAddress::v4(10, 0, 0, 1));
  CHECK(v4({fast, slow})->interface == 3);

  Route other_table = route("10.0.0.9", 3, 1);
  other_table.table = 51'820;
  CHECK(v4({slow, other_table})->interface == 2);
  Route half = route("10.0.0.9", 3, 1);
  half.destination = *IpPrefix::parse("0.0.0.0/1");
  CHECK(v4({slow, half})->interface == 2);
  CHECK(v4({slow, route("10.0.0.9", 99, 1)})->interface == 2);

  // No metric is the best in IPv4, and 1024 in IPv6.
  CHECK(v4({fast, route("192.0.2.1", 2, 0)})->interface == 2);
  const std::vector both = {route("2001:db8::1", 2, 0), route("2001:db8::2", 3, 1000)};
  CHECK(summarize(links, {}, both, {}).gateway_v6->interface == 3);

  Route direct{.destination = *IpPrefix::parse("0.0.0.0/0"), .interface = 2};
  CHECK(v4({direct})->address.is_unspecified());
}
