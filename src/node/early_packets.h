// Packets of members that cannot be handled yet, for what the map says of a new member arrives bit
// by bit, and the packet that overtakes it is often the first of a handshake, whose loss costs five
// seconds:
//
//   incoming  over a relay, from members that the map does not name yet: the nucleus tells a new
//             member of the others at once, and the others of it a moment later
//   outgoing  to members that have not told yet at which relay they listen
//
// Only members of the cluster get here, past the relay's admission; still a flood of them costs no
// more than kMaxPackets of kMaxPacketBytes, of which the oldest goes first. Nothing is looked into.
// Pure; one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "netmap/netmap.h"

namespace sinew::node {

class EarlyPackets {
 public:
  static constexpr std::size_t kMaxPackets = 64;
  static constexpr std::size_t kMaxPacketsOfOne = 4;
  static constexpr std::size_t kMaxPacketBytes = 2048;  // longer ones are dropped
  static constexpr Duration kLifetime = 3s;

  void keep(const netmap::NodeKey& member, ByteView packet, MonoTime now);
  // Those of this member in their order, when it has become known.
  std::vector<Bytes> take(const netmap::NodeKey& member, MonoTime now);

  std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    netmap::NodeKey member;
    Bytes packet;
    MonoTime since;
  };
  std::deque<Kept> kept_;
};

}  // namespace sinew::node
