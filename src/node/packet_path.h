// What a node asks of the packet path. The packet path runs on threads of its own; all calls are
// made on the node's thread, take effect soon, and never wait.
//
// A peer is reached over its *detour* until it is told otherwise: its sealed packets come to the
// node's Inbox under the detour's number, and what the node gets for it goes back in by inject().
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "netmap/netmap.h"

namespace sinew::node {

using DetourNumber = StrongId<struct DetourNumberTag, std::uint32_t>;

struct PeerTraffic {
  netmap::NodeKey key;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::optional<WallTime> last_handshake;
};

class PacketPath {
 public:
  // The peer may use these addresses and no others.
  virtual Result<> set_peer(const netmap::NodeKey& key, const std::vector<IpPrefix>& addresses,
                            DetourNumber detour) = 0;
  // Its sessions end at once.
  virtual void remove_peer(const netmap::NodeKey& key) = 0;
  virtual void send_directly(const netmap::NodeKey& key, const Endpoint& to) = 0;
  virtual void send_over(const netmap::NodeKey& key, DetourNumber detour) = 0;

  // One sealed packet that came over the detour. Dropped when too much waits.
  virtual void inject(DetourNumber detour, ByteView packet) = 0;
  // One datagram of another protocol, from the port that WireGuard has.
  virtual Result<> send(const Endpoint& to, ByteView datagram) = 0;
  virtual std::uint16_t port() const = 0;
  virtual std::uint32_t interface_number() const = 0;
  // The machine's addresses are others than before.
  virtual void network_changed() = 0;

  virtual std::vector<PeerTraffic> traffic() const = 0;

  virtual Result<> set_addresses(const netmap::Self& self) = 0;

 protected:
  ~PacketPath() = default;
};

}  // namespace sinew::node
