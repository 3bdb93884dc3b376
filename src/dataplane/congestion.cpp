#include "dataplane/congestion.h"

#include "base/verify.h"
#include "packet/ecn.h"
#include "packet/inner.h"
#include "packet/split.h"

namespace sinew::dataplane {
namespace {

// The plan is made anew, because it has the sum of the header.
void mark(Parcel& parcel, const packet::VnetHeader& header, std::uint8_t inner_ds) {
  const auto marked = static_cast<std::uint8_t>(inner_ds | packet::kEcnCongested);
  if (marked == inner_ds) return;
  packet::set_ds(parcel.packet, marked);
  const auto plan = packet::plan_split(header, parcel.packet);
  VERIFY(plan && plan->segment_count == parcel.plan.segment_count);
  parcel.plan = *plan;
  parcel.ds = packet::outer_ds(marked);
}

}  // namespace

CongestionSign tell_congestion(Parcel& parcel, const packet::VnetHeader& header) {
  const auto inner = packet::parse_inner(parcel.packet);
  VERIFY(inner);
  if ((inner->ds & packet::kEcnMask) != packet::kEcnNotCapable) {
    mark(parcel, header, inner->ds);
    return CongestionSign::kMarked;
  }
  if (parcel.plan.segment_count - parcel.next_segment == 1) return CongestionSign::kParcelLost;
  parcel.next_segment += 1;
  return CongestionSign::kSegmentLost;
}

}  // namespace sinew::dataplane
