#include "wg/messages.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "support/hex.h"
#include "wg/counters.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::test;

// Counters are 64 bits wide on every machine.
static_assert(std::is_same_v<decltype(DataHeader::counter), std::uint64_t>);
static_assert(std::is_same_v<decltype(kRejectAfterMessages), const std::uint64_t>);

TEST_CASE("messages: the limits are those of the whitepaper") {
  CHECK(kRekeyAfterMessages == 1'152'921'504'606'846'976U);
  CHECK(kRejectAfterMessages == 18'446'744'073'709'543'423U);
  CHECK(kForgetKeysAfter == 540s);
}

TEST_CASE("messages: the gate lets through four kinds by type and length") {
  for (unsigned type = 0; type < 256; ++type) {
    for (std::size_t size = 0; size < 200; ++size) {
      Bytes datagram(size);
      if (size > 0) datagram[0] = static_cast<std::uint8_t>(type);
      Kind expected = Kind::kInvalid;
      if (type == 1 && size == 148) expected = Kind::kInitiation;
      if (type == 2 && size == 92) expected = Kind::kResponse;
      if (type == 3 && size == 64) expected = Kind::kCookie;
      if (type == 4 && size >= 32) expected = Kind::kData;
      REQUIRE(kind_of(datagram) == expected);
    }
  }
}

TEST_CASE("messages: the gate refuses anything in the reserved bytes") {
  const std::pair<std::uint8_t, std::size_t> kinds[] = {{1, 148}, {2, 92}, {3, 64}, {4, 32}};
  for (const auto& [type, size] : kinds) {
    for (std::size_t place = 1; place < 4; ++place) {
      Bytes datagram(size);
      datagram[0] = type;
      REQUIRE(kind_of(datagram) != Kind::kInvalid);
      datagram[place] = 1;
      CHECK(kind_of(datagram) == Kind::kInvalid);
    }
  }
}

TEST_CASE("messages: every field stands at its place on the wire") {
  const auto is_at = [](ByteView message, std::size_t offset, ByteView field) {
    return std::ranges::equal(message.subspan(offset, field.size()), field);
  };
  SeededRng rng(1);
  const Initiation initiation = {.sender = SessionIndex(0x04030201),
                                 .ephemeral = random_array<32>(rng),
                                 .sealed_static = random_array<48>(rng),
                                 .sealed_timestamp = random_array<28>(rng)};
  std::array<std::uint8_t, 148> one;
  initiation.encode(one);
  CHECK(is_at(one, 0, unhex("0100000001020304")));
  CHECK(is_at(one, 8, initiation.ephemeral));
  CHECK(is_at(one, 40, initiation.sealed_static));
  CHECK(is_at(one, 88, initiation.sealed_timestamp));
  CHECK(is_at(one, 116, Bytes(32)));
  CHECK(Initiation::decode(one).sealed_timestamp == initiation.sealed_timestamp);

  const Response response = {.sender = SessionIndex(0x04030201),
                             .receiver = SessionIndex(0x08070605),
                             .ephemeral = random_array<32>(rng),
                             .sealed_nothing = random_array<16>(rng)};
  std::array<std::uint8_t, 92> two;
  response.encode(two);
  CHECK(is_at(two, 0, unhex("020000000102030405060708")));
  CHECK(is_at(two, 12, response.ephemeral));
  CHECK(is_at(two, 44, response.sealed_nothing));
  CHECK(is_at(two, 60, Bytes(32)));
  CHECK(Response::decode(two).receiver == response.receiver);

  const CookieReply reply = {.receiver = SessionIndex(0x04030201),
                             .nonce = random_array<24>(rng),
                             .sealed_cookie = random_array<32>(rng)};
  std::array<std::uint8_t, 64> three;
  reply.encode(three);
  CHECK(is_at(three, 0, unhex("0300000001020304")));
  CHECK(is_at(three, 8, reply.nonce));
  CHECK(is_at(three, 32, reply.sealed_cookie));
  CHECK(CookieReply::decode(three).nonce == reply.nonce);

  std::array<std::uint8_t, 16> four;
  DataHeader{.receiver = SessionIndex(0x04030201), .counter = 0x1122334455667788}.store(
      four.data());
  CHECK(is_at(four, 0, unhex("04000000010203048877665544332211")));
  CHECK(DataHeader::load(four.data()).counter == 0x1122334455667788);
}

TEST_CASE("L11 inner packets are padded to 16 and never past the MTU") {
  for (const std::size_t mtu : {0UL, 576UL, 1280UL, 1420UL, 1423UL, 65'535UL}) {
    for (std::size_t inner = 0; inner <= 4000; ++inner) {
      const std::size_t padded = padded_size(inner, mtu);
      REQUIRE(padded >= inner);
      REQUIRE(padded - inner < kPaddingSize);
      if (mtu != 0 && inner <= mtu) REQUIRE(padded <= mtu);
      if (padded % kPaddingSize != 0) REQUIRE((mtu != 0 && (padded % mtu == 0 || inner > mtu)));
    }
  }
  CHECK(padded_size(0, 1420) == 0);
  CHECK(padded_size(1, 1420) == 16);
  CHECK(padded_size(1408, 1420) == 1408);
  CHECK(padded_size(1409, 1420) == 1420);
  CHECK(padded_size(1420, 1420) == 1420);
}

TEST_CASE("counters: every drop has a name of its own") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kDropCount; ++i)
    names.emplace_back(name_of(static_cast<Drop>(i)));
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
  Counters counters;
  counters.count(Drop::kReplay, 3);
  CHECK(counters.dropped(Drop::kReplay) == 3);
  CHECK(counters.dropped(Drop::kBadMac1) == 0);
}
