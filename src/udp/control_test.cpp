#include "udp/control.h"

#include <doctest/doctest.h>

#include <array>

using namespace sinew;
using namespace sinew::udp;

TEST_CASE("control values are read back as they were put") {
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> room{};
  ControlWriter writer(room);
  writer.put(SOL_UDP, kUdpSegment, std::uint16_t{1452});
  writer.put(IPPROTO_IPV6, IPV6_TCLASS, 0xb9);
  ControlReader reader(ByteView(room).first(writer.size()));
  REQUIRE(reader.next());
  CHECK(reader.level() == SOL_UDP);
  CHECK(reader.type() == kUdpSegment);
  CHECK(reader.value<std::uint16_t>() == 1452);
  CHECK(reader.value<std::uint64_t>() == 1452);  // what is missing is zero
  REQUIRE(reader.next());
  CHECK(reader.level() == IPPROTO_IPV6);
  CHECK(reader.value<int>() == 0xb9);
  CHECK_FALSE(reader.next());
}

TEST_CASE("control values that are not whole are not read") {
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> room{};
  ControlWriter writer(room);
  writer.put(IPPROTO_IP, IP_TOS, 7);
  for (std::size_t size = 0; size < CMSG_LEN(sizeof(int)); ++size) {
    ControlReader reader(ByteView(room).first(size));
    CHECK_FALSE(reader.next());
  }
  ControlReader whole(ByteView(room).first(CMSG_LEN(sizeof(int))));
  CHECK(whole.next());

  const std::size_t lengths[] = {0, 1, CMSG_LEN(0) - 1, room.size() + 1, SIZE_MAX};
  for (const std::size_t length : lengths) {
    std::memcpy(room.data(), &length, sizeof length);
    ControlReader reader(room);
    CHECK_FALSE(reader.next());
  }
}
