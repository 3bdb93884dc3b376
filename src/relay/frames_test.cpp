#include "relay/frames.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::relay;

namespace {

struct Seen {
  FrameType type;
  Bytes payload;
  friend bool operator==(const Seen&, const Seen&) = default;
};

struct Reading {
  std::vector<Seen> frames;
  bool is_fine = true;
};

Reading read_in_pieces(ByteView bytes, std::size_t piece) {
  FrameReader reader;
  Reading reading;
  while (!bytes.empty() && reading.is_fine) {
    const ByteView part = bytes.first(std::min(piece, bytes.size()));
    reading.is_fine = reader.feed(part, [&](const Frame& frame) {
      reading.frames.push_back({frame.type, Bytes(frame.payload.begin(), frame.payload.end())});
      return true;
    });
    bytes = bytes.subspan(part.size());
  }
  return reading;
}

Bytes header(FrameType type, std::uint32_t length) {
  Bytes bytes(kFrameHeaderSize);
  bytes[0] = static_cast<std::uint8_t>(type);
  store_be(bytes.data() + 1, length);
  return bytes;
}

}  // namespace

TEST_CASE("frames: a frame is its type, its length and its payload, big endian") {
  Bytes out;
  append_frame(out, FrameType::kPing, {as_bytes("1234"), as_bytes("5678")});
  CHECK(as_text(out) == std::string_view("\x12\x00\x00\x00\x08"
                                         "12345678",
                                         13));
}

TEST_CASE("frames: a stream comes apart into the same frames however it is cut") {
  Bytes stream;
  append_frame(stream, FrameType::kKeepAlive, {});
  append_frame(stream, FrameType::kSendPacket, {Bytes(32, 1), Bytes(300, 2)});
  append_frame(stream, static_cast<FrameType>(0x77), {Bytes(50, 3)});
  append_frame(stream, FrameType::kPing, {Bytes(2'000, 4)});
  append_frame(stream, FrameType::kHealth, {as_bytes("well")});
  const Reading whole = read_in_pieces(stream, stream.size());
  REQUIRE(whole.frames.size() == 5);
  CHECK(whole.frames[1].payload.size() == 332);
  CHECK(whole.frames[4] == Seen{FrameType::kHealth, Bytes{'w', 'e', 'l', 'l'}});
  for (std::size_t piece = 1; piece < 400; ++piece)
    REQUIRE(read_in_pieces(stream, piece).frames == whole.frames);
}

TEST_CASE("frames: an unknown frame is skipped by its length, whatever that is") {
  Bytes stream = header(static_cast<FrameType>(0x99), 3'000'000);
  stream.resize(stream.size() + 3'000'000, 0x12);
  append_frame(stream, FrameType::kPing, {Bytes(8, 7)});
  FrameReader reader;
  std::vector<FrameType> types;
  const ByteView view(stream);
  for (std::size_t at = 0; at < view.size(); at += 1'000) {
    REQUIRE(reader.feed(view.subspan(at, std::min<std::size_t>(1'000, view.size() - at)),
                        [&](const Frame& frame) {
                          types.push_back(frame.type);
                          return true;
                        }));
    REQUIRE(reader.buffered() <= kFrameHeaderSize + kPingSize);
  }
  CHECK(types == std::vector{static_cast<FrameType>(0x99), FrameType::kPing});
}

TEST_CASE("frames: what a known frame has behind what is known is dropped, not kept") {
  Bytes stream;
  append_frame(stream, FrameType::kPeerGone, {Bytes(100'000, 9)});
  append_frame(stream, FrameType::kPing, {Bytes(8, 1)});
  const Reading reading = read_in_pieces(stream, 777);
  REQUIRE(reading.frames.size() == 2);
  CHECK(reading.frames[0].payload.size() == kMaxSmallBytes);
  CHECK(reading.frames[1].payload == Bytes(8, 1));
}

TEST_CASE("frames: a packet of 64 KiB passes, a longer one ends the stream") {
  Bytes fits;
  append_frame(fits, FrameType::kSendPacket, {Bytes(32, 1), Bytes(kMaxPacketBytes, 2)});
  CHECK(read_in_pieces(fits, 5'000).frames.size() == 1);
  const Reading longer = read_in_pieces(
      header(FrameType::kSendPacket, kKeySize + kMaxPacketBytes + 1), kFrameHeaderSize);
  CHECK_FALSE(longer.is_fine);
  CHECK(read_in_pieces(header(FrameType::kClientInfo, kMaxLoginBytes), 2).is_fine);
  CHECK_FALSE(read_in_pieces(header(FrameType::kClientInfo, kMaxLoginBytes + 1), 2).is_fine);
}

TEST_CASE("frames: L36 a length that is only announced takes no memory") {
  FrameReader reader;
  Bytes start = header(FrameType::kSendPacket, kKeySize + kMaxPacketBytes);
  start.push_back(1);
  CHECK(reader.feed(start, [](const Frame&) { return true; }));
  CHECK(reader.buffered() == start.size());
}

TEST_CASE("frames: behind the end of a stream nothing is read any more") {
  FrameReader reader;
  Bytes ping;
  append_frame(ping, FrameType::kPing, {Bytes(8, 1)});
  int count = 0;
  const auto refuse = [&](const Frame&) {
    ++count;
    return false;
  };
  CHECK_FALSE(reader.feed(ping, refuse));
  CHECK_FALSE(reader.feed(ping, refuse));
  CHECK(count == 1);
}

TEST_CASE("frames: path discovery is known by its first bytes, of ours and of others") {
  CHECK(is_disco(as_bytes("\xd1SNW and more")));
  CHECK(is_disco(as_bytes("TS\xf0\x9f\x92\xac")));
  CHECK_FALSE(is_disco(as_bytes("TS\xf0\x9f\x92")));
  CHECK_FALSE(is_disco(as_bytes("")));
  CHECK_FALSE(is_disco(Bytes{4, 0, 0, 0, 1, 2, 3, 4}));
}
