// The numbers of this module, which never stand for one another.
#pragma once

#include <cstdint>

#include "base/strong_id.h"

namespace sinew::wg {

// A peer of one device, chosen by the device. The largest number names no peer.
using PeerId = StrongId<struct PeerIdTag, std::uint32_t>;

// The receiver index of a session or handshake: what a datagram carries to say whose it is.
using SessionIndex = StrongId<struct SessionIndexTag, std::uint32_t>;

}  // namespace sinew::wg
