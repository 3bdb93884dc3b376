#include "dataplane/congestion.h"

#include <doctest/doctest.h>

#include <vector>

#include "support/packets.h"

namespace sinew::dataplane {
namespace {

using test::PacketSpec;

constexpr std::size_t kSegment = 1'000;

// A packet as the tunnel hands it out, and the parcel that the sender makes of it.
struct Sample {
  PacketSpec spec;
  packet::VnetHeader header;
  Bytes packet;
  Parcel parcel;

  Sample(bool is_v4, std::uint8_t ds, std::size_t segments) {
    spec.is_v4 = is_v4;
    spec.ds = ds;
    spec.flags = test::kAck | test::kPush;
    spec.payload.assign(kSegment * segments - 1, 0x3c);
    header.flags = packet::kNeedsChecksum;
    if (segments > 1) header.gso_type = is_v4 ? packet::kGsoTcp4 : packet::kGsoTcp6;
    header.gso_size = segments > 1 ? kSegment : 0;
    header.checksum_start = is_v4 ? 20 : 40;
    header.checksum_offset = 16;
    packet = test::make_unfinished_packet(spec);
    parcel.packet = packet;
    parcel.plan = packet::plan_split(header, ByteView(packet)).value();
    parcel.ds = ds;
    REQUIRE(parcel.plan.segment_count == segments);
  }

  std::vector<Bytes> rest() const {
    std::vector<Bytes> segments;
    for (std::size_t i = parcel.next_segment; i < parcel.plan.segment_count; ++i) {
      segments.emplace_back(parcel.plan.segment_size(i));
      packet::write_segment(parcel.plan, parcel.packet, i, segments.back().data());
    }
    return segments;
  }
};

// What goes out of the super-packet `spec`, without the first `skipped` segments.
std::vector<Bytes> expected_of(const PacketSpec& spec, std::size_t skipped) {
  std::vector<Bytes> segments;
  for (const PacketSpec& segment : test::segments_of(spec, kSegment)) {
    if (skipped > 0) {
      --skipped;
    } else {
      segments.push_back(test::make_packet(segment));
    }
  }
  return segments;
}

}  // namespace

TEST_CASE("a flow that understands marks gets one on every segment, inside and outside") {
  for (const bool is_v4 : {true, false}) {
    for (const std::size_t count : {1U, 5U}) {
      for (const unsigned ecn : {1U, 2U, 3U}) {
        Sample sample(is_v4, static_cast<std::uint8_t>(0xb8 | ecn), count);
        CHECK(tell_congestion(sample.parcel, sample.header) == CongestionSign::kMarked);
        sample.spec.ds = 0xbb;
        CHECK(sample.parcel.ds == 0xbb);
        CHECK(sample.rest() == expected_of(sample.spec, 0));
      }
    }
  }
}

TEST_CASE("a mark reaches the rest of a parcel that is on its way already") {
  Sample sample(true, 2, 5);
  sample.parcel.next_segment = 3;
  CHECK(tell_congestion(sample.parcel, sample.header) == CongestionSign::kMarked);
  sample.spec.ds = 3;
  CHECK(sample.rest() == expected_of(sample.spec, 3));
}

TEST_CASE("a flow that understands no marks loses the next segment and keeps the others") {
  for (const bool is_v4 : {true, false}) {
    Sample sample(is_v4, 0xb8, 5);
    CHECK(tell_congestion(sample.parcel, sample.header) == CongestionSign::kSegmentLost);
    CHECK(sample.parcel.ds == 0xb8);
    CHECK(sample.rest() == expected_of(sample.spec, 1));
  }
}

TEST_CASE("a parcel with one segment left is for the caller to drop") {
  Sample single(true, 0, 1);
  CHECK(tell_congestion(single.parcel, single.header) == CongestionSign::kParcelLost);
  CHECK(single.rest() == expected_of(single.spec, 0));
  Sample last(false, 0, 5);
  last.parcel.next_segment = 3;
  CHECK(tell_congestion(last.parcel, last.header) == CongestionSign::kSegmentLost);
  CHECK(tell_congestion(last.parcel, last.header) == CongestionSign::kParcelLost);
  CHECK(last.rest() == expected_of(last.spec, 4));
}

}  // namespace sinew::dataplane
