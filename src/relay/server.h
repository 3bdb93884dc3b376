// The machine in the middle: clients by their keys, and packets from one to another. Connections,
// TLS and HTTP are the owner's; here a connection begins with the first frame.
//
//     a connection was upgraded        open
//     its bytes have arrived           feed
//     a datagram e1 has arrived        feed_datagram, and send where it says
//     deadline() has come              expire
//     it has ended                     close
//     after any of these               next_ready until empty: take_output of each;
//                                      next_closing until empty: end the connection
//
// What it guarantees:
//   - a packet goes to clients of the sender's group only, under the key the sender has proven;
//   - the sender never waits for the receiver: what a slow one does not take is dropped, oldest
//     first, the greediest sender's first (packet_queue.h), and all queues together have a bound;
//   - what a connection has not taken yet does not grow with what it asks: answers beyond
//     Limits::control_bytes are dropped;
//   - two connections with one key (L35): packets go to the one that wrote last. Both are told by
//     Health, once for each connection that comes or goes. More than kMaxTwins end the oldest;
//   - no mesh: frames by which relays rule one another end the connection, whatever it claims to
//     know (L32).
//
// A stranger (connected, not logged in) costs one key exchange and at most kMaxLoginBytes for
// kLoginTimeout; how many there may be is a limit. O(log n) for what has deadlines, O(1) for a
// packet. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "base/strong_id.h"
#include "base/token_bucket.h"
#include "relay/byte_rate.h"
#include "relay/frames.h"
#include "relay/login.h"
#include "relay/packet_queue.h"
#include "relay/udp.h"

namespace sinew::relay {

// Chosen by the owner; not used again.
using ConnectionId = StrongId<struct ConnectionIdTag, std::uint64_t>;

class Switchboard {
 public:
  static constexpr std::size_t kMaxTwins = 4;
  static constexpr std::size_t kMaxWatchers = 256;  // of one client: told when it is gone
  static constexpr TokenBucket::Limits kNotHereRate = {.interval = 1s, .burst = 3};
  static constexpr TokenBucket::Limits kUdpAskRate = {.interval = 50ms, .burst = 256};

  struct Limits {
    std::size_t clients = 20'000;
    std::size_t strangers = 1'000;
    std::size_t queue_bytes = 512 << 10;         // of one client
    std::size_t queue_packets = 512;             // the same
    std::size_t total_queue_bytes = 64U << 20;   // of all
    std::size_t disco_packets = 32;              // of one client
    std::size_t control_bytes = 16 << 10;        // of one client
    std::uint64_t bytes_per_second = 0;          // from one client; 0: any
    std::uint64_t burst_bytes = 1 << 20;         // at least a packet of the largest size
    std::optional<std::uint16_t> udp_port = {};  // where feed_datagram()'s come from
  };

  enum class Reason : std::uint8_t {
    kBadFrames,
    kNotAdmitted,
    kLoginTimeout,
    kTooMany,  // clients, or connections with one key
    kMeshFrame,
  };
  struct Closing {
    ConnectionId id;
    Reason reason;
  };

  struct Counters {
    std::uint64_t logins = 0;
    std::uint64_t refused_logins = 0;
    std::uint64_t packets = 0;  // forwarded, however
    std::uint64_t packet_bytes = 0;
    std::uint64_t disco_packets = 0;
    std::uint64_t udp_packets = 0;         // of those, from a datagram to a datagram
    std::uint64_t dropped_not_here = 0;    // the receiver is not here, or of another group
    std::uint64_t dropped_queue_full = 0;  // the receiver is slow
    std::uint64_t dropped_over_rate = 0;   // the sender is fast
    std::uint64_t dropped_answers = 0;     // to one who does not take them
    std::uint64_t dropped_datagrams = 0;   // of nobody, or not bound
    std::uint64_t clients = 0;             // now
    std::uint64_t strangers = 0;           // now
    std::uint64_t home_clients = 0;        // now
    std::uint64_t udp_sessions = 0;        // now
    std::uint64_t queued_bytes = 0;        // now
  };

  // `rng` outlives it.
  Switchboard(crypto::X25519PrivateKey key, Admission admission, const Limits& limits, Rng& rng);
  ~Switchboard();

  const NodeKey& public_key() const { return public_key_; }
  // Ends the connections of those whom it does not admit.
  void set_admission(Admission admission);

  // False when there are too many strangers; the id is then not in use.
  bool open(ConnectionId id, MonoTime now);
  void feed(ConnectionId id, ByteView bytes, MonoTime now);
  void close(ConnectionId id);
  void expire(MonoTime now);
  MonoTime deadline() const;

  // Connections that have something to send since they were named last; each once.
  std::optional<ConnectionId> next_ready();
  // Connections the owner has to end; here they are closed already.
  std::optional<Closing> next_closing();
  bool has_output(ConnectionId id) const;
  // Appends whole frames to `out` until at least `most` bytes are in it or nothing is left.
  void take_output(ConnectionId id, Bytes& out, std::size_t most);

  // A datagram whose first byte is kUdpFirstByte. When it is to be sent on, it has become what is
  // to be sent, of the same length, and the result says where.
  std::optional<Endpoint> feed_datagram(ByteSpan datagram, const Endpoint& from, MonoTime now);

  // To all clients: come back in `reconnect_in`, and try for `try_for`.
  void announce_restart(Duration reconnect_in, Duration try_for);

  Counters counters() const;

 private:
  struct Connection;
  struct Address {
    GroupId group;
    NodeKey key;
    friend bool operator==(const Address&, const Address&) = default;
  };
  struct AddressHash {
    std::size_t operator()(const Address& address) const {
      return crypto::hash_of(address.key) ^ static_cast<std::size_t>(address.group.value());
    }
  };
  // All connections with one key; packets go to the last one.
  using Twins = std::vector<Connection*>;

  Connection* find(ConnectionId id) const;
  Connection* active_at(const Address& address) const;
  bool take_frame(Connection& from, const Frame& frame, MonoTime now);
  bool take_login(Connection& from, const Frame& frame, MonoTime now);
  bool take_client_frame(Connection& from, const Frame& frame, MonoTime now);
  bool refuse(Connection& connection, Reason reason);
  void admit(Connection& connection, const Address& address, MonoTime now);
  void join_twins(Connection& connection);
  void leave_twins(Connection& connection);
  void make_active(Connection& connection);
  void take_packet(Connection& from, ByteView payload, MonoTime now);
  void deliver(Connection& to, const Connection& from, ByteView packet);
  void tell_not_here(Connection& to, const NodeKey& key, MonoTime now);
  void set_home(Connection& connection, bool is_home);
  void count_packet(ByteView packet, bool is_urgent);
  void open_udp(Connection& connection, MonoTime now);
  void take_udp_ask(Connection& from, ByteView payload, MonoTime now);
  void tell_number(Connection& to, const Connection& about);
  std::optional<Endpoint> forward_datagram(ByteSpan datagram, const UdpData& data, Connection& from,
                                           MonoTime now);
  static void watch(Connection& watched, const Connection& watcher);
  void tell_watchers(const Connection& gone);
  void send_control(Connection& to, FrameType type, std::initializer_list<ByteView> parts);
  void mark_ready(Connection& connection);
  void schedule(Connection& connection, MonoTime at);
  void schedule_keep_alive(Connection& connection, MonoTime now);
  void end(Connection& connection, Reason reason);
  void forget(Connection& connection);
  void reap();

  crypto::X25519PrivateKey key_;
  NodeKey public_key_;
  Admission admission_;
  Limits limits_;
  Rng& rng_;
  QueuedBytes queued_;
  Counters counters_;
  std::size_t strangers_ = 0;
  std::uint32_t last_number_ = 0;

  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::unordered_map<Address, Twins, AddressHash> clients_;
  std::unordered_map<ClientNumber, Connection*> numbers_;
  UdpSessions udp_;
  std::set<std::pair<MonoTime, ConnectionId>> deadlines_;
  std::deque<ConnectionId> ready_;
  std::deque<Closing> closing_;
  std::vector<Connection*> ending_;
};

}  // namespace sinew::relay
