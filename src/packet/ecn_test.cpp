#include "packet/ecn.h"

#include <doctest/doctest.h>

#include "base/rng.h"
#include "support/packets.h"

namespace sinew::packet {
namespace {

using test::make_packet;

TEST_CASE("a tunnel's packets carry the mark of what is inside") {
  for (unsigned ds = 0; ds < 256; ++ds) {
    const auto inner = static_cast<std::uint8_t>(ds);
    CHECK(outer_ds(inner) == inner);
    CHECK(outer_ds(inner, Dscp::kHidden) == (inner & 3));
  }
}

TEST_CASE("marks combine on the way out as in figure 4 of RFC 6040") {
  constexpr int kDrop = -1;
  // Rows: inner 00, 01, 10, 11. Columns: outer 00, 01, 10, 11.
  constexpr int kTable[4][4] = {{0, 0, 0, kDrop}, {1, 1, 1, 3}, {2, 1, 2, 3}, {3, 3, 3, 3}};
  for (unsigned inner = 0; inner < 4; ++inner) {
    for (unsigned outer = 0; outer < 4; ++outer) {
      CAPTURE(inner);
      CAPTURE(outer);
      const auto inner_ds = static_cast<std::uint8_t>(0xb8 | inner);
      const auto combined = combined_ds(inner_ds, static_cast<std::uint8_t>(0x20 | outer));
      REQUIRE(combined.has_value() == (kTable[inner][outer] != kDrop));
      if (combined) CHECK(*combined == (0xb8 | kTable[inner][outer]));
    }
  }
}

TEST_CASE("a changed DS byte leaves a packet that was right so, and changes nothing else") {
  SeededRng rng(4);
  for (int round = 0; round < 2'000; ++round) {
    test::PacketSpec spec;
    spec.is_v4 = rng.below(2) == 0;
    spec.ds = rng.number<std::uint8_t>();
    spec.id = rng.number<std::uint16_t>();
    spec.flow_label = rng.number<std::uint32_t>() & 0xfffff;
    Bytes packet = make_packet(spec);
    spec.ds = rng.number<std::uint8_t>();
    set_ds(packet, spec.ds);
    REQUIRE(packet == make_packet(spec));
  }
}

TEST_CASE("a wrong IPv4 header checksum stays wrong") {
  Bytes packet = make_packet({.ds = 2});
  packet[10] ^= 1;
  REQUIRE(apply_outer_ds(packet, 2, kEcnCongested));
  CHECK(packet[1] == 3);
  CHECK_FALSE(test::has_right_checksums(packet));
}

TEST_CASE("a packet that cannot carry the mark is to be dropped, and is unchanged") {
  const Bytes original = make_packet({.ds = 0});
  Bytes packet = original;
  CHECK_FALSE(apply_outer_ds(packet, 0, kEcnCongested));
  CHECK(packet == original);
  CHECK(apply_outer_ds(packet, 0, kEcnCapable0));
  CHECK(packet == original);
}

}  // namespace
}  // namespace sinew::packet
