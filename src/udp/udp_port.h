// Module udp: datagrams of the packet path, as many as possible for one system call. A UdpPort is
// one bound socket of one family; it sends and receives *trains*: runs of equal datagrams to or
// from one place, which the kernel cuts and joins (UDP_SEGMENT and UDP_GRO, which are worth a
// factor of four; docs/guide/performance.md). Where the kernel, the device or the path cannot, the
// port falls back by itself to single datagrams, and counts it.
//
// With every datagram goes which of our addresses it came to or leaves from, and the DS field with
// its ECN mark. DF is off, and the path MTU that the kernel knows is used: a path narrower than
// the tunnel's MTU makes fragments, hence slows down instead of losing everything.
//
// What strangers and networks can do is counted and never stops the loop: datagrams of any size
// from 0 to 65,507 bytes, trains cut off, errors that come back from the network at any time.
// receive() and send() cost one system call in the good case, allocate nothing, and add less than
// 150 ns for a message. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "os/fd.h"
#include "udp/receive_ring.h"

namespace sinew::udp {

struct Options {
  // Routing mark of everything sent; 0 is none. Others need CAP_NET_ADMIN or CAP_NET_RAW.
  std::uint32_t fwmark = 0;
  // Queues of the socket in bytes. Without CAP_NET_ADMIN the system's limit applies.
  int receive_buffer = 7 << 20;
  int send_buffer = 7 << 20;
  // Single datagrams although the kernel could do more.
  bool disable_segmentation = false;
  bool disable_coalescing = false;
};

// One train, or one datagram, to be sent. What it points to lives until send() returns.
struct Outgoing {
  const Endpoint* to = nullptr;
  // Of ours, which it leaves from, when not unspecified; of the same family as `to`.
  IpAddress local = {};
  // It leaves by, when not 0, whatever the routes say.
  std::uint32_t interface = 0;
  std::uint8_t ds = 0;
  // Every datagram but the last has this many bytes; 0: `bytes` is one datagram. A train may have
  // any length: the port sends it in as many pieces as the kernel's limits ask for.
  std::uint16_t segment_size = 0;
  ByteView bytes = {};
};

// What became of the span handed to send(). Bit i of a mask stands for message i.
struct SendReport {
  // From the front, dropped ones included. Less than all when the socket takes no more now, or
  // more than kMaxSendBatch were given.
  std::size_t taken = 0;
  // How many bytes of the message behind those went out before the socket was full: to be sent
  // again from there on.
  std::size_t bytes_of_next = 0;
  bool would_block = false;         // wait until the descriptor is writable
  std::uint64_t stale_sources = 0;  // sent only after leaving out `local` and `interface`: forget
  std::uint64_t dropped = 0;        // the kernel refuses them: no route, a firewall, nonsense
};

struct Features {
  bool segmentation = false;  // one call sends a train
  bool coalescing = false;    // one message receives a train
};

// Of the socket, where datagrams wait for receive().
struct ReceiveQueue {
  std::uint64_t dropped = 0;    // messages, since measure_queue() was called last
  unsigned filled_percent = 0;  // of the room there is; the kernel may tell 25 too many
};

struct Counters {
  std::uint64_t received_overflow = 0;   // messages that found the socket full; see measure_queue()
  std::uint64_t received_truncated = 0;  // longer than a message of the ring: dropped
  std::uint64_t receive_errors = 0;      // reported by recvmmsg(2), nothing lost
  std::uint64_t asynchronous_errors = 0;   // of datagrams long gone, reported to a later send
  std::uint64_t segmentation_refused = 0;  // trains sent as single datagrams after an attempt
  std::uint64_t stale_sources = 0;         // sent without the source address asked for
  std::uint64_t send_dropped = 0;          // messages the kernel does not take at all
  std::uint64_t send_would_block = 0;      // times the socket was full
  int last_send_error = 0;                 // errno of the last drop

  Counters& operator+=(const Counters& other);
};

class UdpPort {
 public:
  // Messages taken by one send().
  static constexpr std::size_t kMaxSendBatch = 64;
  // Linux takes 128 segments since 6.9, and 64 before.
  static constexpr std::size_t kMaxSegments = 64;
  // 65,535 less the headers of IPv4 and UDP.
  static constexpr std::size_t kMaxDatagramBytes = 65'507;

  // `local` names the family: IpAddress::any_v4(), IpAddress::any_v6() (which is IPv6 alone) or one
  // address. Port 0 lets the kernel choose. kConflict when the port is taken.
  static Result<UdpPort> open(const Endpoint& local, const Options& options = {});

  // Another socket on the same address and port, for another worker: the kernel spreads what
  // arrives over them, all of one sender to one socket. Opening the first one was exclusive, so no
  // second program shares a port by accident.
  Result<UdpPort> open_sibling();

  UdpPort(UdpPort&&) noexcept;
  UdpPort& operator=(UdpPort&&) noexcept;
  ~UdpPort();

  const os::Fd& fd() const;  // non-blocking, for a poller
  std::uint16_t port() const;
  bool is_v6() const;
  Features features() const;  // segmentation may be lost on the way
  const Counters& counters() const;

  Result<> set_fwmark(std::uint32_t fwmark);

  // What waits, as far as it fits the ring, at most `most` messages; empty when nothing does. Valid
  // until the next receive()
  // into the same ring. An error means that the socket itself is broken.
  Result<std::span<Datagrams>> receive(ReceiveRing& ring,
                                       std::size_t most = ReceiveRing::kMaxMessages);

  // How full the socket is, and what did not fit it any more. One system call; all 0 on kernels
  // before 4.12.
  ReceiveQueue measure_queue();

  SendReport send(std::span<const Outgoing> messages);

 private:
  struct State;
  explicit UdpPort(std::unique_ptr<State> state);
  static Result<UdpPort> open_shared(const Endpoint& local, const Options& options, bool shared);

  std::unique_ptr<State> state_;
};

// One port number in both families. A machine without one of them has only the other.
struct UdpPair {
  std::optional<UdpPort> v4;
  std::optional<UdpPort> v6;

  std::uint16_t port() const { return v4 ? v4->port() : v6->port(); }
};

// Port 0: the kernel chooses one that is free in both families.
Result<UdpPair> open_pair(std::uint16_t port, const Options& options = {});

}  // namespace sinew::udp
