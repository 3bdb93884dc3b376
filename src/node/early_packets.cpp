#include "node/early_packets.h"

#include <algorithm>
#include <utility>

namespace sinew::node {

void EarlyPackets::keep(const netmap::NodeKey& from, ByteView packet, MonoTime now) {
  std::erase_if(kept_, [&](const Kept& each) { return now > each.since + kLifetime; });
  const auto count = std::ranges::count(kept_, from, &Kept::from);
  if (packet.size() > kMaxPacketBytes || std::cmp_greater_equal(count, kMaxPacketsOfOne)) return;
  if (kept_.size() == kMaxPackets) kept_.pop_front();
  kept_.push_back({.from = from, .packet = Bytes(packet.begin(), packet.end()), .since = now});
}

std::vector<Bytes> EarlyPackets::take(const netmap::NodeKey& from, MonoTime now) {
  std::vector<Bytes> taken;
  for (Kept& each : kept_) {
    if (each.from == from && now <= each.since + kLifetime) taken.push_back(std::move(each.packet));
  }
  std::erase_if(kept_, [&](const Kept& each) { return each.from == from; });
  return taken;
}

}  // namespace sinew::node
