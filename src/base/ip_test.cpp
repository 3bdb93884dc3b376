#include "base/ip.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <unordered_set>

#include "base/rng.h"

using namespace sinew;

namespace {

IpAddress ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  REQUIRE_MESSAGE(address.has_value(), text);
  return *address;
}

IpPrefix prefix(std::string_view text) {
  const auto parsed = IpPrefix::parse(text);
  REQUIRE_MESSAGE(parsed.has_value(), text);
  return *parsed;
}

Endpoint endpoint(std::string_view text) {
  const auto parsed = Endpoint::parse(text);
  REQUIRE_MESSAGE(parsed.has_value(), text);
  return *parsed;
}

std::optional<std::uint32_t> known_zones(std::string_view name) {
  if (name == "eth0") return 7;
  return std::nullopt;
}

// Addresses with long runs of zeros and of mapped prefixes, where formatting has its edges.
std::array<std::uint8_t, 16> sparse_v6(Rng& rng) {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t group = 0; group < 8; ++group) {
    const std::uint64_t shape = rng.below(4);
    if (shape < 2) continue;
    const auto value = static_cast<std::uint16_t>(shape == 2 ? rng.below(0x100) : rng.below(65536));
    store_be(bytes.data() + 2 * group, value);
  }
  if (rng.below(8) == 0) std::fill_n(bytes.begin(), 10, 0);
  if (rng.below(8) == 0) std::fill_n(bytes.begin() + 10, 2, 0xff);
  return bytes;
}

// What the C library reads in `text`: an IPv6 address, or IPv4 as a mapped one.
std::optional<std::array<std::uint8_t, 16>> pton(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  if (inet_pton(AF_INET, text.c_str(), bytes.data() + 12) != 1) return std::nullopt;
  bytes[10] = bytes[11] = 0xff;
  return bytes;
}

bool starts_with_zeros(const std::array<std::uint8_t, 16>& bytes, std::size_t count) {
  return std::all_of(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count),
                     [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

TEST_CASE("IPv4 is four decimal numbers and nothing else") {
  CHECK(ip("192.0.2.1") == IpAddress::v4(192, 0, 2, 1));
  CHECK(ip("0.0.0.0") == IpAddress::any_v4());
  CHECK(ip("255.255.255.255") == IpAddress::v4(255, 255, 255, 255));
  for (const std::string_view text : {"",           "1",
                                      "1.2",        "1.2.3",
                                      "1.2.3.",     ".1.2.3",
                                      "1.2.3.4.",   "1..2.3",
                                      "1.2.3.4.5",  "256.1.1.1",
                                      "1.1.1.256",  "01.2.3.4",
                                      "1.2.3.04",   "00.0.0.0",
                                      "0177.0.0.1", "0x7f.0.0.1",
                                      "0x7f000001", "2130706433",
                                      "127.1",      " 1.2.3.4",
                                      "1.2.3.4 ",   "1.2 .3.4",
                                      "+1.2.3.4",   "-1.2.3.4",
                                      "1.2.3.-4",   "1.2.3.4\n",
                                      "1.2.3.4/32", "1.2.3.4:80",
                                      "1.2.3.4%1",  "a.b.c.d",
                                      "1,2,3,4",    "99999999999.1.1.1",
                                      "[1.2.3.4]",  "\xd9\xa1.2.3.4"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
    CHECK(inet_pton(AF_INET, std::string(text).c_str(), std::array<std::uint8_t, 4>{}.data()) == 0);
  }
  CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("IPv6 is refused in every spelling RFC 4291 does not know") {
  for (const std::string_view text : {":",
                                      ":::",
                                      "::::",
                                      "1",
                                      "1:",
                                      ":1",
                                      "1::2::3",
                                      "::1::",
                                      ":1::",
                                      "::1:",
                                      "1:::2",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7:8::",
                                      "::1:2:3:4:5:6:7:8",
                                      "1:2:3:4::5:6:7:8",
                                      "12345::",
                                      "00001::",
                                      "g::",
                                      "0x1::",
                                      "-1::",
                                      "+1::",
                                      " ::1",
                                      "::1 ",
                                      ":: 1",
                                      "[::1]",
                                      "::1/128",
                                      "::1.2.3",
                                      "::1.2.3.4.5",
                                      "::1.2.3.256",
                                      "::01.2.3.4",
                                      "1.2.3.4::",
                                      "::1.2.3.4:5",
                                      "1:2:3:4:5:6:7:1.2.3.4",
                                      "1:2:3:4:5:6:7::1.2.3.4",
                                      "::ffff:1.2.3",
                                      "::ffff:0x7f.0.0.1",
                                      "::ffff:127.1",
                                      "::ffff:2130706433",
                                      "::.1.2.3"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
    CHECK(inet_pton(AF_INET6, std::string(text).c_str(), std::array<std::uint8_t, 16>{}.data()) ==
          0);
  }
}

TEST_CASE("IPv6 is written as RFC 5952 says") {
  const std::pair<std::string_view, std::string_view> spellings[] = {
      {"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"},
      {"2001:DB8::ABCD", "2001:db8::abcd"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"0:0:0:0:0:0:0:1", "::1"},
      {"1:0:0:0:0:0:0:0", "1::"},
      // One zero group is written out, of two equal runs the first is shortened.
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      // IPv4-compatible is long dead and not IPv4.
      {"::1.2.3.4", "::102:304"},
  };
  for (const auto& [spelling, text] : spellings) {
    CAPTURE(spelling);
    CHECK(ip(spelling).is_v6());
    CHECK(ip(spelling).to_string() == text);
  }
}

TEST_CASE("an IPv4-mapped address is IPv4, however it is spelled or made") {
  const IpAddress expected = IpAddress::v4(127, 0, 0, 1);
  for (const std::string_view text :
       {"::ffff:127.0.0.1", "::FFFF:127.0.0.1", "::ffff:7f00:1", "::ffff:7f00:0001",
        "0:0:0:0:0:ffff:127.0.0.1", "0:0:0:0:0:ffff:7f00:1", "0::ffff:7f00:1", "::0:ffff:127.0.0.1",
        "0000:0000:0000:0000:0000:ffff:7f00:0001"}) {
    CAPTURE(text);
    CHECK(ip(text) == expected);
    CHECK(ip(text).is_loopback());
  }
  CHECK(IpAddress::v6(expected.as_v6_bytes()) == expected);
  CHECK(IpAddress::v6(expected.as_v6_bytes(), 3).zone() == 0);
  CHECK(prefix("::ffff:127.0.0.1") == prefix("127.0.0.1/32"));
  // Is the length one of 32 bits or of 128? Nobody should have to guess.
  CHECK_FALSE(IpPrefix::parse("::ffff:127.0.0.1/32"));
  CHECK_FALSE(IpPrefix::parse("::ffff:127.0.0.1/128"));
  CHECK_FALSE(IpPrefix::parse("::ffff:0:0/96"));
  CHECK(endpoint("[::ffff:127.0.0.1]:80") == Endpoint{expected, 80});
}

TEST_CASE("a zone stands behind link-local addresses only") {
  CHECK(ip("fe80::1%2").zone() == 2);
  CHECK(ip("fe80::1%2").to_string() == "fe80::1%2");
  CHECK(ip("ff02::1%2").zone() == 2);
  CHECK(ip("fe80::1%2") != ip("fe80::1%3"));
  CHECK(ip("fe80::1") != ip("fe80::1%3"));
  for (const std::string_view text : {"2001:db8::1%2", "::1%1", "fd00::1%eth0", "192.0.2.1%1",
                                      "::%1", "::ffff:169.254.0.1%1", "fec0::1%1", "ff05::1%1"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text, known_zones));
  }
  CHECK(IpAddress::v6(ip("2001:db8::1").as_v6_bytes(), 5).zone() == 0);
}

TEST_CASE("a zone is a number of an interface or a known name") {
  REQUIRE(IpAddress::parse("fe80::1%eth0", known_zones));
  CHECK(IpAddress::parse("fe80::1%eth0", known_zones)->zone() == 7);
  CHECK_FALSE(IpAddress::parse("fe80::1%eth0"));
  for (const std::string_view text :
       {"fe80::1%", "fe80::1%0", "fe80::1%eth1", "fe80::1%01", "fe80::1%-1", "fe80::1%2147483648",
        "fe80::1% 1", "fe80::1%eth0%1", "%eth0"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text, known_zones));
  }
  const auto no_interface = [](std::string_view) { return std::optional<std::uint32_t>(0); };
  CHECK_FALSE(IpAddress::parse("fe80::1%ghost", no_interface));
}

TEST_CASE("random addresses are written as the C library writes them, and read back") {
  SeededRng rng(5952);
  for (int round = 0; round < 20'000; ++round) {
    const auto bytes = sparse_v6(rng);
    const IpAddress address = IpAddress::v6(bytes);
    const std::string text = address.to_string();
    CAPTURE(text);
    CHECK(ip(text) == address);
    CHECK(pton(text) == bytes);
    if (starts_with_zeros(bytes, 10))
      continue;  // the C library writes ::1.2.3.4 and ::ffff:1.2.3.4
    char theirs[INET6_ADDRSTRLEN];
    REQUIRE(inet_ntop(AF_INET6, bytes.data(), theirs, sizeof theirs) != nullptr);
    CHECK(text == theirs);
  }
}

TEST_CASE("texts one edit away from an address are read as the C library reads them") {
  SeededRng rng(4291);
  constexpr std::string_view kAlphabet = "0123456789abcfFx:.%/ ";
  int accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    const auto bytes = sparse_v6(rng);
    const bool as_v4 = rng.below(4) == 0;
    std::string text =
        (as_v4 ? IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]) : IpAddress::v6(bytes))
            .to_string();
    const std::size_t at = rng.below(text.size());
    const char edit = kAlphabet[rng.below(kAlphabet.size())];
    switch (rng.below(3)) {
      case 0: text[at] = edit; break;
      case 1: text.insert(at, 1, edit); break;
      default: text.erase(at, 1);
    }
    if (text.find('%') != std::string::npos) continue;
    CAPTURE(text);
    const auto ours = IpAddress::parse(text);
    const auto theirs = pton(text);
    CHECK(ours.has_value() == theirs.has_value());
    if (ours && theirs) CHECK(ours->as_v6_bytes() == *theirs);
    accepted += ours.has_value();
  }
  CHECK(accepted > 1'000);
}

TEST_CASE("an address knows where it belongs") {
  CHECK(ip("0.0.0.0").is_unspecified());
  CHECK(ip("::").is_unspecified());
  CHECK_FALSE(ip("::1").is_unspecified());
  CHECK(ip("127.255.0.3").is_loopback());
  CHECK(ip("::1").is_loopback());
  CHECK_FALSE(ip("::2").is_loopback());
  CHECK_FALSE(ip("1::1").is_loopback());
  CHECK(ip("169.254.1.1").is_link_local());
  CHECK(ip("febf::1").is_link_local());
  CHECK_FALSE(ip("fec0::1").is_link_local());
  CHECK(ip("224.0.0.1").is_multicast());
  CHECK(ip("239.255.255.255").is_multicast());
  CHECK_FALSE(ip("240.0.0.0").is_multicast());
  CHECK(ip("ff05::1").is_multicast());
}

TEST_CASE("private blocks end where their RFCs say") {
  for (const std::string_view text :
       {"10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0",
        "192.168.255.255", "100.64.0.0", "100.127.255.255", "fc00::", "fdff:ffff::1"}) {
    CAPTURE(text);
    CHECK(ip(text).is_private());
  }
  for (const std::string_view text :
       {"9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255",
        "192.169.0.0", "100.63.255.255", "100.128.0.0", "fbff::", "fe00::"}) {
    CAPTURE(text);
    CHECK_FALSE(ip(text).is_private());
  }
}

TEST_CASE("bits are numbered from the left") {
  CHECK(ip("128.0.0.1").bit(0));
  CHECK_FALSE(ip("128.0.0.1").bit(1));
  CHECK(ip("128.0.0.1").bit(31));
  CHECK(ip("::1").bit(127));
}

TEST_CASE("a prefix is read with its length, or as one host") {
  CHECK(prefix("10.0.0.0/8").to_string() == "10.0.0.0/8");
  CHECK(prefix("10.1.2.3") == IpPrefix::of_host(ip("10.1.2.3")));
  CHECK(prefix("10.1.2.3").is_host());
  CHECK(prefix("0.0.0.0/0") == IpPrefix());
  CHECK(prefix("::/0").length() == 0);
  CHECK(prefix("2001:db8::/32").to_string() == "2001:db8::/32");
  CHECK(prefix("::1").to_string() == "::1/128");
  for (const std::string_view text :
       {"10.0.0.0/", "/8", "/", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/+8",
        "10.0.0.0/-1", "10.0.0.0/8/8", "10/8", "10.0.0.0/ 8", "10.0.0.0/255.0.0.0", "fe80::1%2",
        "fe80::%2/64", "10.0.0.0 /8"}) {
    CAPTURE(text);
    CHECK_FALSE(IpPrefix::parse(text));
  }
}

TEST_CASE("bits behind the length are an error that names the prefix meant") {
  const auto refused = IpPrefix::parse("10.147.3.9/16");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == ErrorKind::kInvalid);
  CHECK(refused.error().message.find("10.147.0.0/16") != std::string::npos);
  CHECK_FALSE(IpPrefix::parse("2001:db8::1/127"));
  CHECK(IpPrefix::parse("2001:db8::/127"));
}

TEST_CASE("a prefix contains its first and last address and neither neighbour") {
  const IpPrefix block = prefix("10.64.0.0/10");
  CHECK(block.contains(ip("10.64.0.0")));
  CHECK(block.contains(ip("10.127.255.255")));
  CHECK_FALSE(block.contains(ip("10.63.255.255")));
  CHECK_FALSE(block.contains(ip("10.128.0.0")));
  CHECK(prefix("0.0.0.0/0").contains(ip("255.255.255.255")));
  CHECK_FALSE(prefix("0.0.0.0/0").contains(ip("::1")));
  CHECK_FALSE(prefix("::/0").contains(ip("1.2.3.4")));
  CHECK(prefix("10.0.0.1").contains(ip("10.0.0.1")));
  CHECK_FALSE(prefix("10.0.0.1").contains(ip("10.0.0.0")));
}

TEST_CASE("prefixes overlap when one contains the other") {
  CHECK(prefix("10.0.0.0/8").contains(prefix("10.1.0.0/16")));
  CHECK_FALSE(prefix("10.1.0.0/16").contains(prefix("10.0.0.0/8")));
  CHECK(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
  CHECK_FALSE(prefix("10.0.0.0/16").overlaps(prefix("10.1.0.0/16")));
}

TEST_CASE("prefix membership agrees with a comparison bit by bit") {
  SeededRng rng(7);
  for (int round = 0; round < 5'000; ++round) {
    const IpAddress base = IpAddress::v6(sparse_v6(rng));
    const auto length = static_cast<unsigned>(rng.below(base.bit_count() + 1));
    const IpPrefix block = IpPrefix::around(base, length);
    auto flipped = base.as_v6_bytes();
    const auto bit = static_cast<unsigned>(rng.below(base.bit_count()));
    const unsigned in_v6 = bit + 128 - base.bit_count();
    flipped[in_v6 / 8] = static_cast<std::uint8_t>(flipped[in_v6 / 8] ^ (0x80U >> in_v6 % 8));
    CHECK(block.contains(base));
    if (IpAddress::v6(flipped).is_v4() != base.is_v4()) continue;
    CHECK(block.contains(IpAddress::v6(flipped)) == (bit >= length));
    CHECK(prefix(block.to_string()) == block);
  }
}

TEST_CASE("an endpoint is an address and a port, IPv6 in brackets") {
  CHECK(endpoint("192.0.2.1:51820") == Endpoint{ip("192.0.2.1"), 51820});
  CHECK(endpoint("[2001:db8::1]:65535") == Endpoint{ip("2001:db8::1"), 65535});
  CHECK(Endpoint::parse("[fe80::1%eth0]:1", known_zones)->to_string() == "[fe80::1%7]:1");
  for (const std::string_view text : {"",
                                      ":",
                                      "1.2.3.4",
                                      "1.2.3.4:",
                                      ":80",
                                      "1.2.3.4:0",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:080",
                                      "1.2.3.4: 80",
                                      "1.2.3.4:+80",
                                      "[1.2.3.4]:80",
                                      "::1:80",
                                      "[::1]",
                                      "[::1]:",
                                      "[::1]80",
                                      "::1]:80",
                                      "[::1:80",
                                      "[[::1]]:80",
                                      "[]:80",
                                      "[:80",
                                      "]:80",
                                      "host:80",
                                      "[2001:db8::1%1]:80",
                                      "1.2.3.4:99999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(Endpoint::parse(text));
  }
}

TEST_CASE("an error shows the refused text, cut to a bound") {
  const auto refused = IpAddress::parse(std::string(100'000, 'x'));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.size() < 200);
}

TEST_CASE("decimal numbers have one spelling and a maximum") {
  CHECK(parse_decimal("0", 0) == 0);
  CHECK(parse_decimal("255", 255) == 255);
  CHECK(parse_decimal("4294967295", UINT32_MAX) == UINT32_MAX);
  for (const std::string_view text : {"", "00", "01", "256", "-0", "+1", " 1", "1 ", "1a", "0x1",
                                      "4294967296", "18446744073709551616"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_decimal(text, 255));
  }
  CHECK_FALSE(parse_decimal("4294967296", UINT32_MAX));
}

TEST_CASE("hashes of neighbouring addresses differ") {
  std::unordered_set<std::size_t> hashes;
  for (unsigned i = 0; i < 1'000; ++i) {
    hashes.insert(hash_of(
        IpAddress::v4(10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i))));
  }
  CHECK(hashes.size() == 1'000);
  CHECK(hash_of(ip("::ffff:10.0.0.1")) == hash_of(ip("10.0.0.1")));
}
