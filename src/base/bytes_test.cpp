#include "base/bytes.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace sinew;

namespace {

constexpr std::array<std::uint8_t, 8> kCounting = {1, 2, 3, 4, 5, 6, 7, 8};

}  // namespace

TEST_CASE("integers are read in both byte orders") {
  ByteReader reader(kCounting);
  CHECK(reader.u8() == 0x01);
  CHECK(reader.be<std::uint16_t>() == 0x0203);
  CHECK(reader.le<std::uint32_t>() == 0x07060504);
  CHECK(reader.remaining() == 1);
  CHECK_FALSE(reader.finished());
  CHECK(reader.u8() == 8);
  CHECK(reader.finished());
}

TEST_CASE("loads and stores work at odd addresses and undo each other") {
  std::array<std::uint8_t, 16> room{};
  store_be<std::uint64_t>(room.data() + 1, 0x0102030405060708);
  CHECK(std::equal(kCounting.begin(), kCounting.end(), room.begin() + 1));
  CHECK(load_be<std::uint64_t>(room.data() + 1) == 0x0102030405060708);
  CHECK(load_le<std::uint64_t>(room.data() + 1) == 0x0807060504030201);
  store_le<std::uint16_t>(room.data() + 3, 0xabcd);
  CHECK(room[3] == 0xcd);
  CHECK(room[4] == 0xab);
}

TEST_CASE("a reader hands out exactly the last byte, and fails one byte later") {
  ByteReader exact(kCounting);
  CHECK(exact.take(8).size() == 8);
  CHECK(exact.finished());
  CHECK(exact.u8() == 0);
  CHECK(exact.failed());
  CHECK_FALSE(exact.finished());

  ByteReader over(kCounting);
  CHECK(over.take(9).empty());
  CHECK(over.failed());
}

TEST_CASE("a failed reader moves nothing and yields zeros for ever") {
  ByteReader reader(kCounting);
  reader.skip(6);
  CHECK(reader.be<std::uint32_t>() == 0);
  CHECK(reader.failed());
  CHECK(reader.remaining() == 2);
  CHECK(reader.u8() == 0);
  CHECK(reader.take(1).empty());
  CHECK(reader.array<2>() == std::array<std::uint8_t, 2>{});
  CHECK(reader.rest().empty());
}

TEST_CASE("a huge length is refused without overflow") {
  ByteReader reader(kCounting);
  reader.skip(1);
  CHECK(reader.take(SIZE_MAX).empty());
  CHECK(reader.failed());

  std::array<std::uint8_t, 4> room;
  ByteWriter writer(room);
  writer.u8(1);
  CHECK(writer.reserve(SIZE_MAX).empty());
  CHECK(writer.failed());
}

TEST_CASE("an empty take is no failure") {
  ByteReader reader({});
  CHECK(reader.take(0).empty());
  CHECK(reader.rest().empty());
  CHECK(reader.finished());
}

TEST_CASE("rest and array hand out what follows") {
  ByteReader reader(kCounting);
  CHECK(reader.array<3>() == std::array<std::uint8_t, 3>{1, 2, 3});
  const ByteView rest = reader.rest();
  CHECK(rest.data() == kCounting.data() + 3);
  CHECK(rest.size() == 5);
  CHECK(reader.finished());
}

TEST_CASE("a writer fills its room in order") {
  std::array<std::uint8_t, 8> room;
  room.fill(0xee);
  ByteWriter writer(room);
  writer.u8(1);
  writer.be<std::uint16_t>(0x0203);
  writer.le<std::uint16_t>(0x0504);
  writer.zeros(1);
  writer.bytes(std::array<std::uint8_t, 2>{7, 8});
  CHECK_FALSE(writer.failed());
  CHECK(writer.room() == 0);
  CHECK(room == std::array<std::uint8_t, 8>{1, 2, 3, 4, 5, 0, 7, 8});
  CHECK(writer.written().size() == 8);
}

TEST_CASE("a message that does not fit is never handed out in part") {
  std::array<std::uint8_t, 4> room;
  room.fill(0xee);
  ByteWriter writer(room);
  writer.bytes(std::array<std::uint8_t, 3>{1, 2, 3});
  writer.be<std::uint16_t>(0x0405);
  CHECK(writer.failed());
  CHECK(writer.written().empty());
  CHECK(room[3] == 0xee);
  writer.u8(4);
  CHECK(writer.failed());
  CHECK(room[3] == 0xee);
}

TEST_CASE("reserved room is the caller's to fill") {
  std::array<std::uint8_t, 4> room{};
  ByteWriter writer(room);
  writer.u8(1);
  const ByteSpan middle = writer.reserve(2);
  writer.u8(4);
  std::ranges::fill(middle, std::uint8_t{9});
  CHECK(room == std::array<std::uint8_t, 4>{1, 9, 9, 4});
}

TEST_CASE("text and bytes are views of each other") {
  CHECK(as_text(as_bytes("a\0b")) == "a\0b");
  CHECK(as_bytes("").empty());
}
