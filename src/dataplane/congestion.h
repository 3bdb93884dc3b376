// How a parcel tells its flow to slow down, when it has waited in a queue that does not drain
// (packet/codel.h). A flow that understands marks gets one (RFC 3168), on the parcel as a whole:
// then nothing is lost. From any other one segment is left out, since TCP slows down for one lost
// segment as for forty-five, and repairs it with one retransmission.
//
// Pure.
#pragma once

#include <cstdint>

#include "dataplane/parcel_pool.h"
#include "packet/vnet.h"

namespace sinew::dataplane {

enum class CongestionSign : std::uint8_t {
  kMarked,
  kSegmentLost,  // the parcel's next one; it has more
  kParcelLost,   // it has one segment left, and is unchanged: to be dropped by the caller
};

// `parcel` has a segment left, and its packet passed parse_inner(); `header` is what it came with.
// Segments that are on their way already are not concerned.
[[nodiscard]] CongestionSign tell_congestion(Parcel& parcel, const packet::VnetHeader& header);

}  // namespace sinew::dataplane
