#include "node/early_packets.h"

#include <algorithm>
#include <utility>

namespace sinew::node {

void EarlyPackets::keep(const netmap::NodeKey& member, ByteView packet, MonoTime now) {
  std::erase_if(kept_, [&](const Kept& each) { return now > each.since + kLifetime; });
  const auto count = std::ranges::count(kept_, member, &Kept::member);
  if (packet.size() > kMaxPacketBytes || std::cmp_greater_equal(count, kMaxPacketsOfOne)) return;
  if (kept_.size() == kMaxPackets) kept_.pop_front();
  kept_.push_back({.member = member, .packet = Bytes(packet.begin(), packet.end()), .since = now});
}

std::vector<Bytes> EarlyPackets::take(const netmap::NodeKey& member, MonoTime now) {
  std::vector<Bytes> taken;
  for (Kept& each : kept_) {
    if (each.member == member && now <= each.since + kLifetime)
      taken.push_back(std::move(each.packet));
  }
  std::erase_if(kept_, [&](const Kept& each) { return each.member == member; });
  return taken;
}

}  // namespace sinew::node
