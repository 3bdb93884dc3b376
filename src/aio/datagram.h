// A UDP socket for the control plane. (The packet path has its own, in batches.)
#pragma once

#include "aio/readiness.h"
#include "aio/runtime.h"
#include "base/bytes.h"
#include "base/ip.h"
#include "os/fd.h"

namespace sinew::aio {

class Datagram {
 public:
  struct Received {
    std::size_t size = 0;  // a longer datagram is cut to the room
    Endpoint from;
  };

  // Port 0 lets the kernel choose; "::" speaks IPv4 too.
  static Result<Datagram> bind(Runtime& runtime, const Endpoint& local);
  static Result<Datagram> adopt(Runtime& runtime, os::Fd socket);

  Result<Endpoint> local() const;

  // One datagram; at most one task receives. Errors that the network sent back for earlier
  // datagrams are not told: they may be forged, and loss has no error either.
  Task<Result<Received>> receive_from(ByteSpan out);
  // At most one task sends. Waits while the socket's queue is full.
  Task<Result<>> send_to(Endpoint to, ByteView bytes);
  void close();

 private:
  Datagram(os::Fd socket, int family, Readiness readiness);

  os::Fd socket_;
  int family_;
  Readiness readiness_;  // dies before its descriptor
};

}  // namespace sinew::aio
