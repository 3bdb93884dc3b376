#include "os/resolve.h"

#include <doctest/doctest.h>

namespace sinew::os {
namespace {

TEST_CASE("an address is its own name") {
  CHECK(*resolve("192.0.2.7") == std::vector{IpAddress::v4(192, 0, 2, 7)});
  CHECK(*resolve("2001:db8::1") == std::vector{*IpAddress::parse("2001:db8::1")});
}

TEST_CASE("a name that cannot be one is not found") {
  const auto found = resolve("no-such-name.invalid");
  REQUIRE_FALSE(found);
  CHECK(found.error().message.starts_with("find no-such-name.invalid: "));
}

TEST_CASE("the machine's own name for itself leads to itself") {
  const auto found = resolve("localhost");
  REQUIRE(found);
  CHECK(found->front().is_loopback());
}

}  // namespace
}  // namespace sinew::os
