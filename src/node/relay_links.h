// A node's connections to relays: one to its home, where it listens, and one to each relay at which
// a peer listens to whom something is being sent. They are made when they are needed, made anew
// when they break, after a Backoff, and closed when they have had no use for kIdleTime. What is to
// be sent meanwhile waits, kMaxWaiting packets and kLongestWait at most, because it is often the
// first of a handshake, which costs seconds when it is lost.
//
// A relay that was pinned by the map is believed by its certificate, any other by public
// authorities; who it is to us is decided by its own key besides. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aio/event.h"
#include "aio/runtime.h"
#include "aio/stream.h"
#include "aio/task_group.h"
#include "base/backoff.h"
#include "base/log.h"
#include "base/rng.h"
#include "netmap/netmap.h"
#include "node/packet_path.h"
#include "relay/client.h"

namespace sinew::node {

// What the links tell their owner. Called from the links' tasks; it may call them back.
class RelayListener {
 public:
  virtual void relay_is_up(netmap::RelayId relay) = 0;
  // It could not be connected to, or the connection broke.
  virtual void relay_is_down(netmap::RelayId relay) = 0;
  virtual void take_relayed(const netmap::NodeKey& from, ByteView packet) = 0;

 protected:
  ~RelayListener() = default;
};

class RelayLinks {
 public:
  static constexpr Duration kIdleTime = 2min;
  static constexpr Duration kConnectTime = 10s;  // for one address, with TLS and login
  static constexpr Duration kFirstDelay = 250ms;
  static constexpr Duration kLongestDelay = 15s;
  static constexpr std::size_t kMaxWaiting = 32;  // packets of a link; then the oldest goes
  static constexpr Duration kLongestWait = 3s;

  struct Identity {
    const crypto::X25519PrivateKey* key;  // outlive the links
    const relay::AdmissionKey* admission;
  };

  RelayLinks(aio::Runtime& runtime, Rng& rng, const Identity& identity, PacketPath& packets,
             RelayListener& listener, const Log& log);
  ~RelayLinks();

  // A relay whose record differs from before gets a new connection.
  void set_relays(const std::map<netmap::RelayId, netmap::Relay>& relays);
  void set_home(netmap::RelayId home);
  netmap::RelayId home() const { return home_; }

  bool knows(netmap::RelayId relay) const { return links_.contains(relay); }
  // Whether it is connected, or nothing speaks against that it could be.
  bool can_carry(netmap::RelayId relay) const;
  // False when the packet was dropped, or waits for the relay to be connected.
  bool send(netmap::RelayId relay, const netmap::NodeKey& to, ByteView packet, MonoTime now);
  // A datagram of the relayed kind. `from` is a hint only.
  void feed_datagram(ByteView datagram, const Endpoint& from, MonoTime now);
  void network_changed(MonoTime now);

  void expire(MonoTime now);
  MonoTime deadline() const;
  // Ends all connections.
  aio::Task<> stop();

  struct Status {
    netmap::RelayId id;
    std::string name;
    std::string address;
    bool is_home = false;
    bool is_up = false;
    bool is_over_udp = false;
    std::optional<Duration> round_trip;
    std::string last_error;
  };
  std::vector<Status> status() const;

 private:
  struct Link;

  void start(Link& link);
  aio::Task<> keep_up(Link& link);
  aio::Task<Result<>> serve_once(Link& link);
  aio::Task<Result<std::unique_ptr<aio::Stream>>> connect(Link& link);
  aio::Task<Result<>> converse(Link& link, aio::Stream& stream);
  aio::Task<> write_all(Link& link, aio::Stream& stream);
  void pump(Link& link);
  void send_waiting(Link& link);
  void take_event(Link& link, const relay::Client::Event& event);
  void end(Link& link);

  aio::Runtime& runtime_;
  Rng& rng_;
  Identity identity_;
  PacketPath& packets_;
  RelayListener& listener_;
  Log log_;
  netmap::RelayId home_;
  std::map<netmap::RelayId, std::unique_ptr<Link>> links_;
  std::vector<std::unique_ptr<Link>> retired_;  // their tasks are ending
};

}  // namespace sinew::node
