// A second way to send from the sockets of a UdpPair, for a thread that is not the pair's own: a
// datagram now and then, such as a probe that has to come from the port that everything else comes
// from. It keeps the port bound for as long as it exists. Any thread, several at once.
#pragma once

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "os/fd.h"
#include "udp/udp_port.h"

namespace sinew::udp {

class SideDoor {
 public:
  SideDoor() = default;  // to nothing
  static Result<SideDoor> open(const UdpPair& pair);

  // One datagram, at once. `local` is the address of ours that it leaves from, if specified; one
  // that is not ours any more is left out. kUnavailable: the socket is full, or there is none of
  // the family; other errors are the network's.
  Result<> send(const Endpoint& to, const IpAddress& local, ByteView datagram) const;

 private:
  os::Fd v4_;
  os::Fd v6_;
};

}  // namespace sinew::udp
