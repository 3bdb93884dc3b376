#include "node/early_packets.h"

#include <doctest/doctest.h>

#include <array>

namespace sinew::node {
namespace {

constexpr MonoTime kNow{1h};

netmap::NodeKey key(std::uint8_t number) {
  std::array<std::uint8_t, netmap::NodeKey::kSize> bytes{};
  bytes[0] = number;
  return netmap::NodeKey(bytes);
}

Bytes packet(std::uint8_t number, std::size_t size = 1) {
  Bytes bytes(size);
  bytes[0] = number;
  return bytes;
}

TEST_CASE("what came too early is given once, in its order, to whom it belongs") {
  EarlyPackets early;
  early.keep(key(1), packet(1), kNow);
  early.keep(key(2), packet(2), kNow);
  early.keep(key(1), packet(3), kNow);
  CHECK(early.take(key(3), kNow).empty());
  CHECK(early.take(key(1), kNow) == std::vector<Bytes>{packet(1), packet(3)});
  CHECK(early.take(key(1), kNow).empty());
  CHECK(early.take(key(2), kNow) == std::vector<Bytes>{packet(2)});
  CHECK(early.size() == 0);
}

TEST_CASE("what came too early is kept for its lifetime and no longer") {
  EarlyPackets early;
  early.keep(key(1), packet(1), kNow);
  early.keep(key(2), packet(2), kNow);
  CHECK(early.take(key(1), kNow + EarlyPackets::kLifetime).size() == 1);
  CHECK(early.take(key(2), kNow + EarlyPackets::kLifetime + 1ns).empty());
}

TEST_CASE("L37 what comes too early is bounded for a member, for a packet, and in all") {
  EarlyPackets early;
  for (std::uint8_t i = 0; i < 10; ++i)
    early.keep(key(1), packet(i), kNow);
  CHECK(early.take(key(1), kNow).size() == EarlyPackets::kMaxPacketsOfOne);
  early.keep(key(1), packet(1, EarlyPackets::kMaxPacketBytes + 1), kNow);
  CHECK(early.size() == 0);
  early.keep(key(1), packet(1, EarlyPackets::kMaxPacketBytes), kNow);
  CHECK(early.size() == 1);
  for (std::uint8_t i = 2; i < 200; ++i)
    early.keep(key(i), packet(i), kNow);
  CHECK(early.size() == EarlyPackets::kMaxPackets);
  CHECK(early.take(key(1), kNow).empty());
  CHECK(early.take(key(199), kNow).size() == 1);
}

}  // namespace
}  // namespace sinew::node
