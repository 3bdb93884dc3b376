#include "dataplane/detour.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

namespace sinew::dataplane {
namespace {

// A message of 20 bytes that begins with these, and has the cookie of STUN.
Bytes stun_like(std::uint8_t first, std::uint8_t second) {
  Bytes bytes = {first, second, 0, 0, 0x21, 0x12, 0xa4, 0x42};
  bytes.resize(20);
  return bytes;
}

}  // namespace

TEST_CASE("a detour's endpoint is in the prefix that leads nowhere, and tells its number") {
  for (const std::uint32_t number : {0U, 1U, 0x1234'5678U, 0xffff'ffffU}) {
    const Endpoint endpoint = detour_endpoint(number);
    CHECK(IpPrefix::parse("100::/64")->contains(endpoint.address));
    CHECK(detour_number(endpoint) == number);
  }
  CHECK(detour_endpoint(0x0102'0304).to_string() == "[100::102:304]:1");
}

TEST_CASE("an endpoint that is nearly a detour is none") {
  for (const char* text : {"[100::1:0:0:1]:1", "[101::1]:1", "[1000::1]:1", "[::1]:1", "1.0.0.0:1",
                           "[100::1]:2", "[100:1::1]:1"})
    CHECK_FALSE(detour_number(*Endpoint::parse(text)).has_value());
}

TEST_CASE("other protocols are told by their first bytes") {
  CHECK(stray_kind(Bytes{0xd1}) == Stray::kDisco);
  CHECK(stray_kind(Bytes{0xc1, 1}) == Stray::kSignal);
  CHECK(stray_kind(Bytes{0xe1, 1, 2}) == Stray::kRelayed);
  CHECK(stray_kind(stun_like(0, 1)) == Stray::kStun);
  CHECK(stray_kind(stun_like(1, 1)) == Stray::kStun);
  CHECK(stray_kind(stun_like(1, 0x11)) == Stray::kStun);

  for (int first = 2; first < 256; ++first) {
    if (first == 0xd1 || first == 0xc1 || first == 0xe1) continue;
    CHECK(stray_kind(stun_like(static_cast<std::uint8_t>(first), 1)) == Stray::kNone);
  }
  CHECK(stray_kind({}) == Stray::kNone);
  Bytes no_cookie = stun_like(0, 1);
  no_cookie[7] ^= 1;
  CHECK(stray_kind(no_cookie) == Stray::kNone);
  Bytes short_one = stun_like(0, 1);
  short_one.resize(19);
  CHECK(stray_kind(short_one) == Stray::kNone);
}

TEST_CASE("no message of WireGuard is a stray, whatever its sender's index") {
  for (const std::uint8_t type : std::initializer_list<std::uint8_t>{1, 2, 3, 4}) {
    Bytes message = {type, 0, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    for (const std::size_t size :
         {wg::Initiation::kSize, wg::Response::kSize, wg::CookieReply::kSize, std::size_t{32}}) {
      message.resize(size);
      CHECK(stray_kind(message) == Stray::kNone);
    }
  }
}

}  // namespace sinew::dataplane
