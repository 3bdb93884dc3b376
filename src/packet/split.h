// Cuts what a TUN queue hands out into packets that fit the tunnel. A TUN device with offloads
// gives super-packets of up to 64 KiB, of TCP or of equal UDP datagrams, and packets whose checksum
// is still to be completed. plan_split() reads the headers once; write_segment() then writes any
// segment, copying and summing the payload in one pass, so that the packets can be made right where
// they are to be encrypted.
//
// A segment is what the kernel itself would have sent: IP lengths, IPv4 id (counting up) and header
// checksum, TCP sequence number, FIN and PSH on the last segment only, CWR on the first only, UDP
// length, and a full transport checksum. Lengths come from the headers in the packet and the size
// of the packet; header_length of the VnetHeader is never trusted.
//
// Refused as malformed, because the kernel does not send it and a guess would corrupt data: offsets
// outside of the packet, a segment size of zero, an unknown kind, super-packets that are fragments,
// and those whose TCP or UDP header does not stand directly behind the IP header (IPv4 options are
// fine, IPv6 extension headers are not). Without segmentation any IP packet passes, and a checksum
// is completed wherever the header says, whatever the protocol.
//
// Any segment size from one byte works; how many segments there are is at most
// kMaxSplitSegments, and the caller takes as many at a time as it has room for.
// Pure; a plan holds numbers only, and stays valid when the packet is moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "packet/checksum.h"
#include "packet/inner.h"
#include "packet/vnet.h"

namespace sinew::packet {

inline constexpr std::size_t kMaxSplitSegments = 65'535;  // of one payload byte each

struct SplitPlan {
  enum class Kind : std::uint8_t {
    kPlain,     // one segment, as it is
    kChecksum,  // one segment, its checksum to be completed
    kTcp,
    kUdp,
  };

  std::uint32_t segment_count;
  std::uint32_t largest_segment;  // bytes of every segment but the last, IP header included
  std::uint32_t last_segment;     // bytes of the last one; `largest_segment` if it is the only one

  // For write_segment().
  Kind kind;
  bool is_v4;
  std::uint8_t tcp_flags;
  std::uint16_t transport;        // where the TCP or UDP header, or what is to be summed, starts
  std::uint16_t payload;          // where the payload starts: all before it goes into each segment
  std::uint16_t checksum_offset;  // kChecksum: where the field is, from the start of the packet
  std::uint16_t first_id;         // IPv4
  std::uint32_t first_sequence;   // TCP
  PartialSum ip_sum;              // IPv4 header without length, id and checksum
  PartialSum transport_sum;       // pseudo header and header without what changes by segment

  std::size_t segment_size(std::size_t index) const {
    return index + 1 == segment_count ? last_segment : largest_segment;
  }
  // Of all segments together.
  std::size_t total_size() const {
    return std::size_t{segment_count - 1} * largest_segment + last_segment;
  }
};

// `packet` is what stands behind the VnetHeader. None: malformed, to be dropped and counted.
std::optional<SplitPlan> plan_split(const VnetHeader& header, ByteView packet);
// The same for a packet that has passed parse_inner() already, as `inner`.
std::optional<SplitPlan> plan_split(const VnetHeader& header, const InnerPacket& inner);

// Writes segment `index` to `out`, where segment_size(index) bytes are free, and returns that
// number. `packet` is the one that was planned; `out` does not overlap it.
std::size_t write_segment(const SplitPlan& plan, ByteView packet, std::size_t index,
                          std::uint8_t* out);

}  // namespace sinew::packet
