// Module relayd: the relay that runs. One thread of its own, with a loop of its own, owns the
// listener, all connections and the UDP socket: TLS (tls::Engine), HTTP and frames (relay/), STUN
// (stun::Responder). It shares nothing with other threads but mailboxes and counters, so that a
// busy relay delays nobody and nobody delays it.
//
// It owns the TCP port. Whoever wants to live there too is its Guest: a connection that asks for
// `GET /signal` with `Upgrade: sinew-signal` becomes a stream of bytes of the guest's, inside the
// relay's TLS. The guest's three functions are called on the relay's thread; send_to_guest_stream()
// and close_guest_stream() may be called from any thread. A connection that somebody else accepted
// can be handed over with adopt(), before anything was read from it.
//
// A UDP socket of its own serves STUN and relaying over UDP. Where the port belongs to somebody
// else, he gives a duplicate of his socket with Options::shared_udp and hands over what begins with
// relay::kUdpFirstByte through take_datagram(); answers leave through the duplicate.
//
// What strangers can do: connect, at most Limits::strangers of them at a time and from one source
// (an IPv4 address, an IPv6 /64) at Options::accepts_per_source; be silent for
// relay::kLoginTimeout; ask for small answers. A client that does not take what it is sent costs at
// most its queue and kMaxUnsentBytes, and is dropped after kStallTimeout without progress.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/result.h"
#include "base/strong_id.h"
#include "base/token_bucket.h"
#include "os/fd.h"
#include "relay/server.h"
#include "tls/context.h"

namespace sinew::relayd {

// A stream of the guest's. Not used again.
using StreamId = StrongId<struct StreamIdTag, std::uint64_t>;

// Who else lives at the relay's TCP port. Called on the relay's thread: must not block.
class Guest {
 public:
  virtual ~Guest() = default;
  // False: refused, the connection is closed.
  virtual bool stream_opened(StreamId stream, const Endpoint& from) = 0;
  // False: closed, because it makes no sense or the guest is too far behind.
  virtual bool stream_received(StreamId stream, ByteView bytes) = 0;
  // By the other side, or for a reason of the relay's; not after close_guest_stream().
  virtual void stream_closed(StreamId stream) = 0;
};

struct Options {
  std::optional<Endpoint> listen;  // TCP; none: only what is adopted
  std::optional<Endpoint> udp;     // STUN and relaying; none: not, or through shared_udp
  os::Fd shared_udp = {};
  std::uint16_t shared_udp_port = 0;  // what clients are told
  Guest* guest = nullptr;             // outlives the server
  relay::Switchboard::Limits limits = {};
  TokenBucket::Limits accepts_per_source = {.interval = 5ms, .burst = 500};
};

struct Counters {
  relay::Switchboard::Counters relay;
  std::uint64_t connections = 0;  // now
  std::uint64_t accepted = 0;
  std::uint64_t accept_refused = 0;  // over the rate or the number
  std::uint64_t tls_failed = 0;
  std::uint64_t http_refused = 0;  // requests that are none of ours
  std::uint64_t probes = 0;        // answered
  std::uint64_t stalled = 0;       // dropped because they took nothing
  std::uint64_t stun_answered = 0;
  std::uint64_t mailbox_refused = 0;  // handed over to a relay that was too far behind
  std::uint64_t guest_streams = 0;    // now
  Duration busy = {};                 // processor time of the thread
};

class Server {
 public:
  static constexpr std::size_t kMaxUnsentBytes = 160 << 10;  // sealed, of one connection
  static constexpr Duration kStallTimeout = 10s;
  static constexpr std::size_t kMaxGuestBytes = 256 << 10;  // to be sent, of one guest's stream
  static constexpr std::size_t kMaxMail = 4096;

  // Runs when this returns. `clock` and what `log` refers to outlive it.
  static Result<std::unique_ptr<Server>> start(Options options, crypto::X25519PrivateKey key,
                                               tls::Context context, relay::Admission admission,
                                               const Clock& clock, const Log& log);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  // stop(), and all connections closed.
  ~Server();

  // What the kernel chose, where port 0 was asked for.
  std::optional<Endpoint> tcp_endpoint() const;
  std::optional<Endpoint> udp_endpoint() const;
  const relay::NodeKey& public_key() const;

  // Any thread from here on. False: too far behind, and dropped.
  bool adopt(os::Fd connection, const Endpoint& peer);
  bool take_datagram(ByteView datagram, const Endpoint& from);
  bool send_to_guest_stream(StreamId stream, Bytes bytes);
  bool close_guest_stream(StreamId stream);
  bool set_admission(relay::Admission admission);

  // As of the last turn, at most a second old while there is traffic.
  Counters counters() const;

  // Tells clients to come back, sends what can be sent at once, and ends the thread.
  void stop();

 private:
  class Loop;
  explicit Server(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
};

}  // namespace sinew::relayd
