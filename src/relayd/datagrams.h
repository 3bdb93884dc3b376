// The UDP side of the relay: a port in both families, STUN answers, and datagrams forwarded where
// they lie. What arrives as a train for one client leaves as one. What the socket does not take at
// once is dropped, as networks do. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/rng.h"
#include "os/poller.h"
#include "relay/server.h"
#include "stun/responder.h"
#include "udp/receive_ring.h"
#include "udp/udp_port.h"

namespace sinew::relayd {

class Datagrams {
 public:
  // An unspecified address is both families; 0 lets the kernel choose the port.
  static Result<Datagrams> open(const Endpoint& local, Rng& rng);

  Endpoint local() const;
  // Readable as `token` from now on.
  Result<> watch(os::Poller& poller, std::uint64_t token) const;
  // Everything that waits, up to a bound that leaves others their turn.
  void receive(relay::Switchboard& board, MonoTime now);

  std::uint64_t stun_answered() const { return stun_.counters().answered; }

 private:
  Datagrams(udp::UdpPair ports, const IpAddress& address, Rng& rng);

  void receive_at(udp::UdpPort& port, relay::Switchboard& board, MonoTime now);
  void handle(udp::Datagrams& train, relay::Switchboard& board, MonoTime now);
  void answer_stun(ByteView request, const udp::Datagrams& train, MonoTime now);
  // Joins it to the train before it, when it goes on from there.
  void forward(ByteView datagram, const Endpoint& to);
  void send_all();

  struct Departure {
    Endpoint to;
    IpAddress local;
    std::size_t segment_size;
    ByteView bytes;
    bool is_complete;  // a shorter datagram ends a train
  };

  udp::UdpPair ports_;
  IpAddress address_;
  stun::Responder stun_;
  udp::ReceiveRing ring_;
  std::vector<Departure> departures_;
  std::vector<stun::Responder::Reply> replies_;  // what departures point into
};

}  // namespace sinew::relayd
