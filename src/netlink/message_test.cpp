#include "netlink/message.h"

#include <doctest/doctest.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cerrno>
#include <cstring>

using namespace sinew;
using namespace sinew::netlink;

namespace {

Bytes change_request(const LinkSettings& settings) {
  Request request = Request::change_link(7, settings);
  const ByteView bytes = request.finish(42);
  return {bytes.begin(), bytes.end()};
}

// A request to change an interface has the form in which the kernel describes one.
std::optional<Link> read_back(ByteView bytes) {
  const auto message = next_message(bytes);
  if (!message) return std::nullopt;
  return parse_link(message->payload);
}

void append_attribute(Bytes& out, std::uint16_t type, std::string_view payload) {
  rtattr header{};
  header.rta_len = static_cast<std::uint16_t>(sizeof header + payload.size());
  header.rta_type = type;
  std::array<std::uint8_t, sizeof header> bytes;
  std::memcpy(bytes.data(), &header, sizeof header);
  out.insert(out.end(), bytes.begin(), bytes.end());
  out.insert(out.end(), payload.begin(), payload.end());
  while (out.size() % 4 != 0)
    out.push_back(0);
}

Bytes interface_info(std::uint8_t family, int index, unsigned flags) {
  ifinfomsg info{};
  info.ifi_family = family;
  info.ifi_index = index;
  info.ifi_flags = flags;
  Bytes out(sizeof info);
  std::memcpy(out.data(), &info, sizeof info);
  return out;
}

}  // namespace

TEST_CASE("a request carries what is to change and nothing else") {
  const Bytes all = change_request({.mtu = 1420, .up = true, .transmit_queue = 500});
  ByteView rest = all;
  const auto message = next_message(rest);
  REQUIRE(message.has_value());
  CHECK(rest.empty());
  CHECK(message->sequence == 42);
  CHECK(message->type == RTM_NEWLINK);
  CHECK((message->flags & NLM_F_ACK) != 0);
  const auto link = parse_link(message->payload);
  REQUIRE(link.has_value());
  CHECK(*link == Link{.index = 7, .name = "", .mtu = 1420, .transmit_queue = 500, .is_up = true});

  const auto down = read_back(change_request({.up = false}));
  CHECK(down == Link{.index = 7, .name = "", .mtu = 0, .transmit_queue = 0, .is_up = false});
  CHECK(change_request({}).size() == sizeof(nlmsghdr) + sizeof(ifinfomsg));
}

TEST_CASE("every request fits its room") {
  const LinkSettings all = {
      .mtu = 1, .up = true, .transmit_queue = 2, .gso_max_bytes = 3, .gso_max_segments = 4};
  CHECK(change_request(all).size() <= Request::kMaxBytes);
  auto address = Request::add_address(1, IpAddress::any_v6(), 128);
  CHECK(address.finish(1).size() <= Request::kMaxBytes);
  auto route = Request::add_route({.destination = IpPrefix::of_host(IpAddress::any_v6()),
                                   .gateway = IpAddress::any_v6(),
                                   .interface = 1,
                                   .table = 1000,
                                   .metric = 1,
                                   .source = IpAddress::any_v6()});
  CHECK(route.finish(1).size() <= Request::kMaxBytes);
  auto rule = Request::add_rule({.is_v6 = true,
                                 .priority = 1,
                                 .fwmark = 1,
                                 .ignores_default = true,
                                 .destination = IpPrefix::of_host(IpAddress::any_v6())});
  CHECK(rule.finish(1).size() <= Request::kMaxBytes);
}

TEST_CASE("a message cut anywhere is no message") {
  const Bytes whole = change_request({.mtu = 1420});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK_FALSE(read_back(cut).has_value());
  }
  CHECK(read_back(whole).has_value());
}

TEST_CASE("a message that claims less than its header or more than there is ends the reading") {
  for (const std::uint32_t length : {0U, 1U, 15U, 49U, 0xffffffffU}) {
    Bytes bytes = change_request({.mtu = 1420});
    REQUIRE(bytes.size() < 49);
    std::memcpy(bytes.data(), &length, sizeof length);
    ByteView rest = bytes;
    CHECK_FALSE(next_message(rest).has_value());
  }
}

TEST_CASE("messages that follow each other are read one after the other") {
  Bytes both = change_request({.mtu = 1});
  const Bytes second = change_request({.mtu = 2});
  both.insert(both.end(), second.begin(), second.end());
  ByteView rest = both;
  CHECK(parse_link(next_message(rest)->payload)->mtu == 1);
  CHECK(parse_link(next_message(rest)->payload)->mtu == 2);
  CHECK_FALSE(next_message(rest).has_value());
}

TEST_CASE("an interface is described by the attributes that are known") {
  Bytes bytes = interface_info(AF_UNSPEC, 3, IFF_UP);
  append_attribute(bytes, IFLA_IFNAME, std::string_view("sinew0\0", 7));
  append_attribute(bytes, IFLA_ADDRESS, "abc");
  append_attribute(bytes, IFLA_MTU, std::string_view("\x90\x05\0\0", 4));
  const auto link = parse_link(bytes);
  REQUIRE(link.has_value());
  CHECK(link->name == "sinew0");
  CHECK(link->mtu == load_le<std::uint32_t>(as_bytes(std::string_view("\x90\x05\0\0", 4)).data()));
  CHECK(link->is_up);
}

TEST_CASE("attributes of odd sizes are bounds-safe") {
  Bytes bytes = interface_info(AF_UNSPEC, 3, 0);
  append_attribute(bytes, IFLA_MTU, "ab");
  append_attribute(bytes, IFLA_IFNAME, "a name that is far too long and has no end");
  const auto link = parse_link(bytes);
  REQUIRE(link.has_value());
  CHECK(link->mtu == 0);
  CHECK(link->name.size() <= IF_NAMESIZE);

  for (const std::uint16_t length : std::initializer_list<std::uint16_t>{0, 3, 200, 65535}) {
    Bytes bad = interface_info(AF_UNSPEC, 3, 0);
    append_attribute(bad, IFLA_MTU, "abcd");
    std::memcpy(&bad[sizeof(ifinfomsg)], &length, sizeof length);
    CHECK_FALSE(parse_link(bad).has_value());
  }
}

TEST_CASE("what a bridge says about its port is not about the interface") {
  CHECK_FALSE(parse_link(interface_info(AF_BRIDGE, 3, 0)).has_value());
  CHECK(parse_link(interface_info(AF_UNSPEC, 3, 0)).has_value());
}

TEST_CASE("an error message carries a number or nothing") {
  const auto parse = [](std::int32_t number) {
    std::array<std::uint8_t, 4> bytes;
    std::memcpy(bytes.data(), &number, sizeof number);
    return parse_error(bytes);
  };
  CHECK(parse(0) == 0);
  CHECK(parse(-ENODEV) == ENODEV);
  CHECK_FALSE(parse(5).has_value());
  CHECK_FALSE(parse(INT32_MIN).has_value());
  CHECK_FALSE(parse_error(as_bytes("abc")).has_value());
}

TEST_CASE("an address that we add reads back as the one we meant") {
  for (const auto& address : {IpAddress::v4(10, 9, 8, 7), *IpAddress::parse("fd00::7")}) {
    auto request = Request::add_address(5, address, 24);
    ByteView rest = request.finish(1);
    const auto read = parse_address(next_message(rest)->payload);
    REQUIRE(read.has_value());
    CHECK(*read == Address{.interface = 5, .address = address, .prefix_length = 24});
  }
}

TEST_CASE("a route that we add reads back as the one we meant") {
  for (const Route& route : {Route{.destination = *IpPrefix::parse("10.0.0.0/8"), .interface = 3},
                             Route{.destination = *IpPrefix::parse("0.0.0.0/0"),
                                   .gateway = IpAddress::v4(192, 0, 2, 1),
                                   .interface = 3,
                                   .table = 51'820,
                                   .metric = 7,
                                   .source = IpAddress::v4(192, 0, 2, 9)},
                             Route{.destination = *IpPrefix::parse("::/0"),
                                   .gateway = *IpAddress::parse("2001:db8::1"),
                                   .table = 100}}) {
    auto request = Request::add_route(route);
    ByteView rest = request.finish(1);
    const auto read = parse_route(next_message(rest)->payload);
    REQUIRE(read.has_value());
    CHECK(*read == route);
  }
}

TEST_CASE("descriptions of addresses and routes are bounds-safe at every length") {
  auto address = Request::add_address(5, *IpAddress::parse("fd00::7"), 64);
  ByteView rest = address.finish(1);
  const ByteView whole_address = next_message(rest)->payload;
  for (std::size_t size = 0; size < sizeof(ifaddrmsg); ++size)
    CHECK_FALSE(parse_address(whole_address.first(size)).has_value());
  CHECK_FALSE(parse_address(whole_address.first(whole_address.size() - 1)).has_value());

  auto route = Request::add_route({.destination = *IpPrefix::parse("10.0.0.0/8")});
  rest = route.finish(1);
  const ByteView whole_route = next_message(rest)->payload;
  for (std::size_t size = 0; size < sizeof(rtmsg); ++size)
    CHECK_FALSE(parse_route(whole_route.first(size)).has_value());
  CHECK_FALSE(parse_route(whole_route.first(whole_route.size() - 1)).has_value());
}

TEST_CASE("a prefix longer than its address is no address and no route") {
  auto address = Request::add_address(5, IpAddress::v4(10, 0, 0, 1), 33);
  ByteView rest = address.finish(1);
  CHECK_FALSE(parse_address(next_message(rest)->payload).has_value());

  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_type = RTN_UNICAST;
  info.rtm_dst_len = 33;
  Bytes bytes(sizeof info);
  std::memcpy(bytes.data(), &info, sizeof info);
  CHECK_FALSE(parse_route(bytes).has_value());
}

TEST_CASE("routes that lead nowhere are none") {
  for (const int type : {RTN_LOCAL, RTN_BROADCAST, RTN_UNREACHABLE, RTN_BLACKHOLE}) {
    rtmsg info{};
    info.rtm_family = AF_INET6;
    info.rtm_type = static_cast<std::uint8_t>(type);
    Bytes bytes(sizeof info);
    std::memcpy(bytes.data(), &info, sizeof info);
    CHECK_FALSE(parse_route(bytes).has_value());
  }
}

TEST_CASE("of a route with several ways out the first one counts") {
  rtmsg info{};
  info.rtm_family = AF_INET;
  info.rtm_type = RTN_UNICAST;
  info.rtm_table = RT_TABLE_MAIN;
  Bytes bytes(sizeof info);
  std::memcpy(bytes.data(), &info, sizeof info);
  std::string hops;
  for (const char last : {'\1', '\2'}) {
    rtnexthop hop{};
    hop.rtnh_len = sizeof hop + 8;
    hop.rtnh_ifindex = 10 + last;
    hops.append(reinterpret_cast<const char*>(&hop), sizeof hop);
    const rtattr header{.rta_len = 8, .rta_type = RTA_GATEWAY};
    hops.append(reinterpret_cast<const char*>(&header), sizeof header);
    hops.append({static_cast<char>(192), 0, 2, last});
  }
  append_attribute(bytes, RTA_MULTIPATH, hops);
  const auto route = parse_route(bytes);
  REQUIRE(route.has_value());
  CHECK(route->interface == 11);
  CHECK(route->gateway == IpAddress::v4(192, 0, 2, 1));
}
