// Cutting super-packets: whatever the header in front says, a plan stays inside of the packet, all
// of the payload comes out once and in order, and segments are packets with right checksums. The
// input is a byte of choices, the ten bytes of the header, and the packet.
#include <algorithm>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"
#include "packet/split.h"
#include "support/packets.h"

using namespace sinew;
using namespace sinew::packet;

namespace {

// Lengths are rarely right by chance.
void put_lengths_right(Bytes& packet) {
  if (packet.size() < 4) return;
  const bool is_v4 = packet[0] >> 4 == 4;
  if (!is_v4 && packet.size() < kIpv6HeaderSize) return;
  const std::size_t length = is_v4 ? packet.size() : packet.size() - kIpv6HeaderSize;
  store_be(packet.data() + (is_v4 ? 2 : 4), static_cast<std::uint16_t>(length));
}

void check_segment(const SplitPlan& plan, const Bytes& packet, std::size_t index,
                   const Bytes& segment) {
  const std::optional<InnerPacket> inner = parse_inner(segment);
  VERIFY(inner.has_value());
  VERIFY(inner->total_length == segment.size());
  VERIFY(inner->transport() == segment.data() + plan.transport);
  VERIFY(test::has_right_checksums(segment));
  if (plan.kind == SplitPlan::Kind::kUdp)
    VERIFY(load_be<std::uint16_t>(inner->transport() + 4) == inner->transport_size());
  const std::size_t step = plan.largest_segment - plan.payload;
  const ByteView payload = ByteView(segment).subspan(plan.payload);
  VERIFY(std::ranges::equal(payload,
                            ByteView(packet).subspan(plan.payload + index * step, payload.size())));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader reader({data, size});
  const std::uint8_t choices = reader.u8();
  const ByteView front = reader.take(kVnetHeaderSize);
  if (reader.failed()) return 0;
  const VnetHeader header = VnetHeader::load(front.data());
  const ByteView rest = reader.rest();
  Bytes packet(rest.begin(), rest.end());
  if (choices % 2 == 1) put_lengths_right(packet);

  const std::optional<SplitPlan> plan = plan_split(header, packet);
  if (!plan) return 0;
  const bool is_cut = plan->kind == SplitPlan::Kind::kTcp || plan->kind == SplitPlan::Kind::kUdp;
  VERIFY(plan->segment_count >= 1 && plan->segment_count <= kMaxSplitSegments);
  VERIFY(is_cut || plan->segment_count == 1);
  VERIFY(plan->last_segment <= plan->largest_segment && plan->largest_segment <= packet.size());
  std::size_t payload = 0;
  for (std::size_t i = 0; i < plan->segment_count; ++i) {
    Bytes segment(plan->segment_size(i));
    VERIFY(write_segment(*plan, packet, i, segment.data()) == segment.size());
    if (is_cut) check_segment(*plan, packet, i, segment);
    payload += segment.size() - plan->payload;
  }
  const std::uint32_t total = parse_inner(packet)->total_length;
  VERIFY(payload == total - plan->payload);
  return 0;
}
