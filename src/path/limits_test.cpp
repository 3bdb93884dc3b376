#include "path/limits.h"

#include <doctest/doctest.h>

using namespace sinew;
using namespace sinew::path;

TEST_CASE("L37 one address gets its burst and then one ping each interval") {
  MonoTime now(1h);
  PingCaps caps(now);
  const IpAddress address = IpAddress::v4(192, 0, 2, 1);
  for (std::uint32_t i = 0; i < kPingsPerAddress.burst; ++i)
    CHECK(caps.take(address, now));
  CHECK_FALSE(caps.take(address, now));
  CHECK_FALSE(caps.take(address, now + kPingsPerAddress.interval - 1ns));
  CHECK(caps.take(address, now + kPingsPerAddress.interval));
  CHECK(caps.take(IpAddress::v4(192, 0, 2, 2), now));
}

TEST_CASE("L37 all addresses together get no more than the node may send") {
  MonoTime now(1h);
  PingCaps caps(now);
  const auto take_many = [&] {
    std::uint32_t taken = 0;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      taken += caps.take(IpAddress::v4(20, 0, std::uint8_t(i >> 8), std::uint8_t(i)), now) ? 1 : 0;
    }
    return taken;
  };
  CHECK(take_many() == kPingsInTotal.burst);
  now += 1s;
  CHECK(take_many() == 1s / kPingsInTotal.interval);
}
