#include "dataplane/counters.h"

#include "base/verify.h"

namespace sinew::dataplane {

std::string_view name_of(Loss loss) {
  switch (loss) {
    case Loss::kMalformedFromTunnel: return "malformed_from_tunnel";
    case Loss::kTooLarge: return "too_large";
    case Loss::kNoRoute: return "no_route";
    case Loss::kNoEndpoint: return "no_endpoint";
    case Loss::kNotRunning: return "not_running";
    case Loss::kQueueFull: return "queue_full";
    case Loss::kQueueDelay: return "queue_delay";
    case Loss::kStagedFull: return "staged_full";
    case Loss::kPeerUnreachable: return "peer_unreachable";
    case Loss::kSendRefused: return "send_refused";
    case Loss::kNotWireGuard: return "not_wireguard";
    case Loss::kMalformedInside: return "malformed_inside";
    case Loss::kPeerOverShare: return "peer_over_share";
    case Loss::kWrongSource: return "wrong_source";
    case Loss::kCongestionUnmarkable: return "congestion_unmarkable";
    case Loss::kDetourRefused: return "detour_refused";
    case Loss::kInletFull: return "inlet_full";
    case Loss::kTunnelRefused: return "tunnel_refused";
    case Loss::kCount: break;
  }
  VERIFY_NOT_REACHED();
}

Counters& Counters::operator+=(const Counters& other) {
  for (std::size_t i = 0; i < lost.size(); ++i)
    lost[i] += other.lost[i];
  turns += other.turns;
  tunnel_reads += other.tunnel_reads;
  congestion_marks += other.congestion_marks;
  packets_sealed += other.packets_sealed;
  trains_sent += other.trains_sent;
  trains_received += other.trains_received;
  trains_detoured += other.trains_detoured;
  trains_injected += other.trains_injected;
  strays += other.strays;
  packets_opened += other.packets_opened;
  tunnel_writes += other.tunnel_writes;
  return *this;
}

}  // namespace sinew::dataplane
