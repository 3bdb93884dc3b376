// How a mesh joins the packet path without standing in it (docs/decisions/0010-mesh.md).
//
// To WireGuard a peer has one endpoint. One of 100::/64, the prefix that leads nowhere (RFC 6666),
// is a *detour*: its last four bytes number the peer, and sealed packets for it go to a Companion
// instead of a socket. What comes back over a detour is fed in by Tunnel::inject() under the same
// endpoint. Behind detours stand relays and sockets beside the tunnel's own; WireGuard knows
// neither.
//
// The Companion also gets the datagrams on the tunnel's port that are none of WireGuard's, told by
// their first byte, and hears which peers are in use. Without one, the packet path takes no detours
// and drops what is not WireGuard's.
//
// What strangers can do: send strays as fast as the socket takes them. They are not authentic, they
// come before anything has been checked, and the Companion bounds what it keeps.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "wg/messages.h"
#include "wg/path.h"

namespace sinew::dataplane {

// 100::N with the number in the last four bytes. The port says nothing, and is always this one, so
// that a detour has one endpoint.
inline constexpr std::uint16_t kDetourPort = 1;
Endpoint detour_endpoint(std::uint32_t number);
// Nothing for an endpoint that is no detour.
std::optional<std::uint32_t> detour_number(const Endpoint& endpoint);

// The protocols that share the port with WireGuard, whose messages begin with 1 to 4 and three
// zero bytes.
enum class Stray : std::uint8_t {
  kNone,     // WireGuard's, or nobody's
  kStun,     // 0 or 1, and the cookie of RFC 8489 at byte 4
  kDisco,    // 0xd1
  kSignal,   // 0xc1
  kRelayed,  // 0xe1
};
Stray stray_kind(ByteView datagram);

// What the packet path asks of a mesh. It is called on the threads of the workers, on several at
// once when there are several, without any lock held. A call copies what it wants to keep, does not
// wait, and calls nothing of the Tunnel but inject() and send_aside(). It outlives the Tunnel.
//
// A *train* is one or more datagrams behind one another; each has segment_size bytes but the last,
// which may be shorter, and is not empty.
class Companion {
 public:
  // Of one kind that is not kNone, from one sender.
  virtual void take_stray(ByteView train, std::size_t segment_size, const wg::Path& from) = 0;
  // Sealed packets for a detour, handshake messages among them. False: not taken, and counted.
  virtual bool take_detour(std::uint32_t number, ByteView train, std::size_t segment_size) = 0;
  // There are packets for the peer, whether they can be sent or not, or a handshake with it begins.
  // At most about once in kNoticeInterval for a peer, the first time at once.
  virtual void peer_wanted(const wg::PublicKey& peer) = 0;
  // Authentic packets of the peer came, over this way, which may be a detour. As often at most, and
  // at once when the way is another.
  virtual void peer_heard(const wg::PublicKey& peer, const wg::Path& from) = 0;

 protected:
  ~Companion() = default;
};

// How often a Companion hears of a peer that is in use all the time.
inline constexpr Duration kNoticeInterval = 1s;

}  // namespace sinew::dataplane
