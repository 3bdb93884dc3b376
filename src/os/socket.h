// Internet sockets: their addresses as Endpoint, and opening them. All descriptors made here are
// non-blocking, for a loop. A socket on "::" serves both families; IPv4 peers then appear as the
// IPv4 addresses they are. Any thread.
#pragma once

#include <sys/socket.h>

#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);

  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// How a socket of `family` (AF_INET or AF_INET6) spells the endpoint. kUnsupported for an IPv6
// endpoint on an IPv4 socket.
Result<SocketAddress> to_socket_address(const Endpoint& endpoint, int family);
// 0.0.0.0:0 for an address that is not an internet address.
Endpoint to_endpoint(const SocketAddress& address);

int family_of(const Fd& socket);
Result<Endpoint> local_endpoint(const Fd& socket);
Result<Endpoint> peer_endpoint(const Fd& socket);

// Port 0 lets the kernel choose. Where the machine has no IPv6, "::" means 0.0.0.0.
Result<Fd> listen_tcp(const Endpoint& local);
Result<Fd> bind_udp(const Endpoint& local);

// A TCP connection that is being made: the descriptor becomes writable when that has come to an
// end, and finish_connect() says to which.
Result<Fd> start_connect_tcp(const Endpoint& remote);
Result<> finish_connect(const Fd& socket, const Endpoint& remote);

// A connection that has arrived; nothing when none waits. kOverloaded when there is no descriptor
// or memory for one that waits.
struct AcceptedTcp {
  Fd connection;
  Endpoint peer;
};
Result<std::optional<AcceptedTcp>> accept_tcp(const Fd& listener);

// How long what was sent may stay without an acknowledgement until the connection counts as dead.
void set_acknowledgement_timeout(const Fd& connection, Duration timeout);

// How much may wait in the kernel without having been sent once: what is written beyond it would
// only grow old there.
void set_unsent_limit(const Fd& connection, std::size_t bytes);

// One datagram. False when the socket takes none now, or the kernel has no way to send it.
bool send_datagram(const Fd& socket, ByteView datagram, const Endpoint& to);

// Sends small writes at once instead of collecting them. Does nothing to other kinds of sockets.
void disable_delay(const Fd& socket);

}  // namespace sinew::os
