// What can be said without changing anything. The others need a network:
// test/e2e/netlink_test.cpp.
#include "netlink/rtnetlink.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "netlink/link_monitor.h"

using namespace sinew;
using namespace sinew::netlink;

TEST_CASE("rtnetlink tells of the loopback interface, and of none that is not there") {
  auto rtnetlink = Rtnetlink::open();
  REQUIRE(rtnetlink.has_value());
  const auto loopback = rtnetlink->link(1);
  REQUIRE(loopback.has_value());
  CHECK(loopback->name == "lo");
  CHECK(loopback->index == 1);
  CHECK(loopback->mtu > 0);
  const auto none = rtnetlink->link(0x7ffffff0);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().kind == ErrorKind::kNotFound);
  CHECK(LinkMonitor::open(0x7ffffff0).error().kind == ErrorKind::kNotFound);
  const auto too_long = rtnetlink->add_address(1, IpAddress::v4(10, 0, 0, 1), 33);
  REQUIRE_FALSE(too_long.has_value());
  CHECK(too_long.error().kind == ErrorKind::kInvalid);
  // The answers to a refused question do not disturb the next one.
  CHECK(rtnetlink->link(1).has_value());
}

TEST_CASE("rtnetlink lists interfaces and addresses") {
  auto rtnetlink = Rtnetlink::open();
  REQUIRE(rtnetlink.has_value());
  const auto links = rtnetlink->links();
  REQUIRE(links.has_value());
  const auto loopback = std::ranges::find(*links, std::string("lo"), &Link::name);
  REQUIRE(loopback != links->end());
  CHECK(loopback->is_loopback);
  CHECK(rtnetlink->addresses().has_value());
  CHECK(rtnetlink->routes().has_value());
}
