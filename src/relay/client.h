// A client of a relay, of ours or of any that speaks DERP: from the first byte inside TLS to
// packets. The owner moves bytes: what arrives is fed, what take_output() gives is sent, and when
// next_event() says kFailed the connection is closed and made anew with a new Client, after a
// Backoff.
//
//     client.start(now)                login begins
//     bytes have arrived               feed
//     deadline() has come              expire
//     after any of these               next_event until empty, then take_output
//
// Bounds: kMaxOutputBytes wait to be sent, of packets the oldest is dropped first, those of path
// discovery last; events are to be taken after each feed. A relay that sends what makes no sense
// ends the connection. It is believed about who sent a packet no more than a network is: what is
// inside is authenticated by WireGuard and disco.
//
// Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "base/result.h"
#include "base/rng.h"
#include "crypto/box.h"
#include "crypto/x25519.h"
#include "relay/frames.h"
#include "relay/login.h"
#include "relay/packet_queue.h"
#include "relay/udp.h"

namespace sinew::relay {

class Client {
 public:
  static constexpr std::size_t kMaxOutputBytes = 256 << 10;
  static constexpr std::size_t kMaxPackets = 512;
  static constexpr std::size_t kMaxDiscoPackets = 32;
  static constexpr std::size_t kMaxDatagramPacketBytes = 1 << 11;  // longer ones go as frames
  static constexpr std::size_t kMaxNumbers = 4096;  // peers known by number; then forgotten

  struct Config {
    crypto::X25519PrivateKey key;            // of the node
    std::string host;                        // for the HTTP request
    std::optional<NodeKey> server_key = {};  // no other relay is believed
    std::optional<AdmissionKey> admission = {};
    bool is_home = false;
    bool wants_udp = false;
  };

  struct Ready {
    NodeKey server_key;
    ServerInfo info;
  };
  struct Packet {
    NodeKey from;
    Bytes bytes;
  };
  struct PeerGone {
    NodeKey key;
    GoneReason reason;
  };
  struct Health {
    std::string text;  // empty: all is well again; not safe to print
  };
  struct Restarting {
    Duration reconnect_in;
    Duration try_for;
  };
  struct RoundTrip {
    Duration time;
  };
  struct UdpChanged {
    bool is_bound;
  };
  struct Failed {
    Error error;
  };
  using Event =
      std::variant<Ready, Packet, PeerGone, Health, Restarting, RoundTrip, UdpChanged, Failed>;

  // `rng` outlives it.
  Client(Config config, Rng& rng);

  void start(MonoTime now);
  void feed(ByteView bytes, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Event> next_event();

  bool has_output() const;
  // Appends what is to be sent, at most about `most` bytes; whole frames.
  void take_output(Bytes& out, std::size_t most);

  bool is_ready() const { return phase_ == Phase::kReady; }
  // To a peer that is at this relay. False: not logged in, or too long. Over UDP when that way is
  // open and the peer's number known, as a datagram; otherwise as a frame.
  bool send(const NodeKey& to, ByteView packet);
  void set_home(bool is_home);
  // How long the way is: RoundTrip follows.
  void ping(MonoTime now);

  // Datagrams for udp_port() of the relay's host, and what came from there.
  std::optional<Bytes> next_datagram();
  // False when it is not from this relay.
  bool feed_datagram(ByteView datagram, MonoTime now);
  std::optional<std::uint16_t> udp_port() const {
    return udp_ ? std::optional(udp_port_) : std::nullopt;
  }
  bool is_udp_bound() const { return udp_ && udp_->is_bound(); }
  // Our address has changed.
  void rebind(MonoTime now);

  std::uint64_t dropped() const { return queue_.dropped() + dropped_datagrams_; }

 private:
  enum class Phase : std::uint8_t { kIdle, kUpgrade, kServerKey, kServerInfo, kReady, kFailed };
  static constexpr std::size_t kMaxDatagrams = 256;

  void fail(ErrorKind kind, std::string message);
  void feed_answer(ByteView bytes, MonoTime now);
  void feed_frames(ByteView bytes, MonoTime now);
  bool take_frame(const Frame& frame, MonoTime now);
  bool take_server_key(ByteView payload);
  bool take_server_info(ByteView payload, MonoTime now);
  bool take_ready_frame(const Frame& frame, MonoTime now);
  void take_pong(ByteView payload, MonoTime now);
  void take_grant(ByteView payload, MonoTime now);
  void take_number(ByteView payload);
  void forget_number(const NodeKey& key);
  bool send_datagram(const NodeKey& to, ByteView packet);
  void note_udp();

  Config config_;
  Rng& rng_;
  Phase phase_ = Phase::kIdle;
  NodeKey server_key_;
  std::optional<crypto::BoxKey> box_;
  Bytes head_;  // of the HTTP answer, until it is complete
  FrameReader reader_;
  Bytes control_;
  PacketQueue queue_;
  std::deque<Event> events_;
  MonoTime deadline_ = MonoTime::never();  // of the login, then of silence
  std::optional<std::pair<std::array<std::uint8_t, kPingSize>, MonoTime>> ping_;
  std::optional<UdpLink> udp_;
  std::uint16_t udp_port_ = 0;
  bool was_udp_bound_ = false;
  std::unordered_map<NodeKey, ClientNumber> numbers_;
  std::unordered_map<ClientNumber, NodeKey> keys_;
  std::deque<Bytes> datagrams_;
  std::uint64_t dropped_datagrams_ = 0;
};

}  // namespace sinew::relay
