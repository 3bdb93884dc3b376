// What a Coalescer hands to a TUN queue, and what becomes of it there: the packets of each write,
// cut again by packet/split.h.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"
#include "packet/coalesce.h"
#include "packet/inner.h"
#include "packet/split.h"

namespace sinew::test {

struct WrittenPackets {
  packet::VnetHeader header;
  std::vector<Bytes> packets;
};

inline WrittenPackets cut_again(const packet::TunWrite& write) {
  Bytes whole;
  for (const ByteView part : write.parts)
    whole.insert(whole.end(), part.begin(), part.end());
  VERIFY(whole.size() == write.size);
  const std::optional<packet::SplitPlan> plan = packet::plan_split(write.header, whole);
  VERIFY(plan.has_value());
  // What a TUN device takes: the size of a segment tells how many there are.
  VERIFY(plan->segment_count == write.parts.size());
  WrittenPackets written{write.header, {}};
  for (std::size_t i = 0; i < plan->segment_count; ++i) {
    Bytes segment(plan->segment_size(i));
    packet::write_segment(*plan, whole, i, segment.data());
    written.packets.push_back(std::move(segment));
  }
  return written;
}

// `packets` pass parse_inner() and are at most Coalescer::kMaxPackets. Each is copied to memory of
// its own size, where a sanitizer sees who reads too far.
inline std::vector<WrittenPackets> coalesce(packet::Coalescer& coalescer,
                                            const std::vector<Bytes>& packets) {
  std::vector<Bytes> copies = packets;
  for (Bytes& copy : copies) {
    const std::optional<packet::InnerPacket> inner = packet::parse_inner(copy);
    VERIFY(inner.has_value());
    coalescer.add(copy, *inner);
  }
  std::vector<WrittenPackets> written;
  coalescer.flush([&](const packet::TunWrite& write) { written.push_back(cut_again(write)); });
  VERIFY(coalescer.is_empty());
  return written;
}

}  // namespace sinew::test
