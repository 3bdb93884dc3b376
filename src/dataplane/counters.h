// What the packet path did and what it lost, by reason. A worker counts in its own Counters; who
// shows them adds them up.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sinew::dataplane {

// Why a packet did not go on. Those that the protocol decides are wg::Drop.
enum class Loss : std::uint8_t {
  kMalformedFromTunnel,   // not an IP packet, or a super-packet that cannot be split
  kTooLarge,              // more than a datagram takes: the tunnel's MTU is above 65,459
  kNoRoute,               // its destination is in nobody's allowed IPs
  kNoEndpoint,            // where its peer is is not known
  kNotRunning,            // there is no private key, or the link is down
  kQueueFull,             // more waited than there is memory for; the longest queue lost its oldest
  kQueueDelay,            // its flow was slowed down, since its queue did not drain
  kStagedFull,            // too many waited for a handshake; the oldest was dropped
  kPeerUnreachable,       // waited for a handshake that was given up
  kSendRefused,           // the network does not take it: no route, a firewall
  kNotWireGuard,          // a datagram that is no message of the protocol
  kMalformedInside,       // authentic, but what was inside is not an IP packet
  kPeerOverShare,         // more came than can be opened, and its peer sent more than its share
  kWrongSource,           // authentic, but from an address that is not its peer's
  kCongestionUnmarkable,  // congestion was marked outside, and the packet inside cannot carry it
  kDetourRefused,         // the Companion did not take it for a detour
  kInletFull,             // more trains came over detours than the worker could take
  kTunnelRefused,         // the kernel did not take it from us: the interface is down
  kCount,
};

std::string_view name_of(Loss loss);

struct Counters {
  std::array<std::uint64_t, static_cast<std::size_t>(Loss::kCount)> lost{};
  std::uint64_t turns = 0;
  std::uint64_t tunnel_reads = 0;      // packets and super-packets
  std::uint64_t congestion_marks = 0;  // packets and super-packets, where queues did not drain
  std::uint64_t packets_sealed = 0;
  std::uint64_t trains_sent = 0;  // messages handed to the kernel
  std::uint64_t trains_received = 0;
  std::uint64_t trains_detoured = 0;  // handed to the Companion
  std::uint64_t trains_injected = 0;  // that came over detours
  std::uint64_t strays = 0;           // datagrams of other protocols, for the Companion
  std::uint64_t packets_opened = 0;
  std::uint64_t tunnel_writes = 0;  // packets and super-packets

  void count(Loss loss, std::uint64_t packets = 1) {
    lost[static_cast<std::size_t>(loss)] += packets;
  }
  Counters& operator+=(const Counters& other);
};

}  // namespace sinew::dataplane
