#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "base/encoding.h"
#include "portmap/natpmp.h"
#include "portmap/pcp.h"

using namespace sinew;
using namespace sinew::portmap;

namespace {

Bytes from_text(std::string_view hex) {
  return from_hex(hex).value();
}
std::string text_of(ByteView bytes) {
  return to_hex(bytes);
}

constexpr std::string_view kPcpAnswer =
    "0281000000000e1000000064000000000000000000000000"
    "0102030405060708090a0b0c11000000ca6cca6d00000000000000000000ffffcb007101";

}  // namespace

TEST_CASE("requests of NAT-PMP have the form of RFC 6886") {
  CHECK(text_of(natpmp::encode_address_request()) == "0000");
  CHECK(text_of(natpmp::encode_map_request(51820, 51821, 7200)) == "00010000ca6cca6d00001c20");
}

TEST_CASE("answers of NAT-PMP are read") {
  const auto address = natpmp::parse_address_answer(from_text("0080000000000064cb007101"));
  CHECK(address == natpmp::AddressAnswer{0, 100, IpAddress::v4(203, 0, 113, 1)});
  const auto map = natpmp::parse_map_answer(from_text("0081000000000064ca6cca6d00000e10"));
  CHECK(map == natpmp::MapAnswer{0, 100, 51820, 51821, 3600});
  CHECK(natpmp::parse_map_answer(from_text("0081000200000064"))->result == 2);
}

TEST_CASE("what is no answer of NAT-PMP is refused") {
  for (const std::string_view text :
       {"", "00", "0080", "0080000000000064cb0071", "0081000000000064cb007101",
        "0180000000000064cb007101", "0000000000000064cb007101", "00800001000000"})
    CHECK_FALSE(natpmp::parse_address_answer(from_text(text)));
  for (const std::string_view text :
       {"0081000000000064ca6cca6d00000e", "0082000000000064ca6cca6d00000e10",
        "0281000000000064ca6cca6d00000e10", "0001000000000064ca6cca6d00000e10"})
    CHECK_FALSE(natpmp::parse_map_answer(from_text(text)));
}

TEST_CASE("a MAP request of PCP has the form of RFC 6887") {
  const pcp::MapRequest request{.nonce = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
                                .own = IpAddress::v4(192, 168, 1, 2),
                                .internal_port = 51820,
                                .wanted = {IpAddress::any_v4(), 51821},
                                .lifetime = 7200};
  CHECK(text_of(pcp::encode_map_request(request)) ==
        "0201000000001c2000000000000000000000ffffc0a80102"
        "0102030405060708090a0b0c11000000ca6cca6d00000000000000000000ffff00000000");
}

TEST_CASE("an answer of PCP is read") {
  const auto answer = pcp::parse_map_answer(from_text(kPcpAnswer));
  REQUIRE(answer);
  CHECK(answer->nonce == pcp::Nonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK(answer->result == pcp::kSuccess);
  CHECK(answer->lifetime == 3600);
  CHECK(answer->epoch == 100);
  CHECK(answer->internal_port == 51820);
  CHECK(answer->external == Endpoint{IpAddress::v4(203, 0, 113, 1), 51821});
}

TEST_CASE("what is cut, too long, of TCP or a request is no answer of PCP") {
  const Bytes good = from_text(kPcpAnswer);
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto exact = std::make_unique<std::uint8_t[]>(size);
    std::copy_n(good.begin(), size, exact.get());
    CHECK_FALSE(pcp::parse_map_answer({exact.get(), size}));
  }
  Bytes longer = good;
  longer.resize(pcp::kMaxMessageSize);
  CHECK(pcp::parse_map_answer(longer));
  longer.resize(pcp::kMaxMessageSize + 4);
  CHECK_FALSE(pcp::parse_map_answer(longer));
  for (const auto& [place, value] : {std::pair{0, 1}, {1, 1}, {36, 6}}) {
    Bytes bad = good;
    bad[static_cast<std::size_t>(place)] = static_cast<std::uint8_t>(value);
    CHECK_FALSE(pcp::parse_map_answer(bad));
  }
}

TEST_CASE("a gateway that speaks only NAT-PMP, or another PCP, is recognised") {
  CHECK(pcp::is_unsupported_version(from_text("0081000100000064")));
  CHECK(pcp::is_unsupported_version(from_text("0080000100000064")));
  CHECK(pcp::is_unsupported_version(from_text("018100010000000000000000")));
  CHECK_FALSE(pcp::is_unsupported_version(from_text("0081000200000064")));
  CHECK_FALSE(pcp::is_unsupported_version(from_text("0001000100000064")));
  CHECK_FALSE(pcp::is_unsupported_version(from_text("0081")));
}
