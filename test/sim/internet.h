// A virtual internet in virtual time: sites with NATs of every kind, CGNATs above them, firewalls
// of IPv6, delay, jitter and loss, all from one seed. Nothing here knows what the datagrams mean.
//
//   world ── 203.0.113.x (hosts without NAT, outer sides of NATs)
//     └─ Nat ── Realm 192.168.0.0/16 (hosts)
//         └─ Nat ── Realm ...
//
// The same seed gives the same run. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"

namespace sinew::sim {

enum class Rule : std::uint8_t { kIndependent, kByAddress, kByAddressAndPort };
enum class Ports : std::uint8_t { kPreserved, kRandom, kSequential };

struct NatKind {
  Rule mapping = Rule::kIndependent;
  Rule filtering = Rule::kByAddressAndPort;
  Ports ports = Ports::kPreserved;
  bool has_hairpin = false;
  bool opens_ports = false;  // a host may ask for a port that everybody gets in by
  Duration timeout = 120s;
};

struct Packet {
  Endpoint from;
  Endpoint to;
  Bytes bytes;
};

class Realm;

class Nat {
 public:
  Nat(NatKind kind, IpAddress outside, Realm* outer, Rng& rng)
      : kind_(kind), outside_(outside), outer_(outer), rng_(rng) {}

  const NatKind& kind() const { return kind_; }
  const IpAddress& outside() const { return outside_; }
  Realm* outer() const { return outer_; }
  Realm* inner = nullptr;

  // Rewrites the source as it leaves; false: dropped.
  bool leave(Packet& packet, MonoTime now);
  // Rewrites the destination as it enters; false: filtered.
  bool enter(Packet& packet, MonoTime now);
  bool is_own(const Packet& packet) const { return packet.from.address == outside_; }
  // A permanent opening, as UPnP makes; the endpoint outside.
  Endpoint open_port(const Endpoint& inside);
  void reboot() {
    mappings_.clear();
    by_port_.clear();
    firewall_.clear();
  }
  void set_kind(NatKind kind) { kind_ = kind; }
  std::size_t mapping_count() const { return mappings_.size(); }

 private:
  struct Key {
    Endpoint inside;
    Endpoint towards;  // as far as the mapping rule looks
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Mapping {
    Key key;
    std::uint16_t port = 0;
    MonoTime used;
    bool is_permanent = false;
    std::map<Endpoint, MonoTime> written_to;  // and when it was last used
  };

  Endpoint masked(const Endpoint& endpoint, Rule rule) const;
  std::uint16_t free_port(std::uint16_t wish);
  bool is_over(const Mapping& mapping, MonoTime now) const;
  bool leave_v6(const Packet& packet, MonoTime now);
  bool enter_v6(const Packet& packet, MonoTime now);

  NatKind kind_;
  IpAddress outside_;
  Realm* outer_;
  Rng& rng_;
  std::map<Key, Mapping> mappings_;
  std::map<std::uint16_t, Key> by_port_;
  std::map<std::pair<Endpoint, Endpoint>, MonoTime> firewall_;  // of IPv6
  std::uint16_t next_port_ = 20000;
};

// A machine with sockets.
class Machine {
 public:
  virtual ~Machine() = default;
  virtual void receive(const Packet& packet, MonoTime now) = 0;

  Realm* realm = nullptr;
  std::optional<IpAddress> v4;
  std::optional<IpAddress> v6;
  Duration latency = 10ms;  // to the middle of the internet
  Duration jitter = 0ms;
  double loss = 0;  // of what it sends and what it receives
  bool is_udp_blocked = false;
  bool is_running = true;
};

// A network in which addresses mean something.
class Realm {
 public:
  Nat* gateway = nullptr;  // none: the internet itself
  std::map<IpAddress, Machine*> machines;
  std::map<IpAddress, Nat*> nats;
};

class Internet {
 public:
  explicit Internet(std::uint64_t seed);

  MonoTime now() const { return now_; }
  Rng& rng() { return rng_; }
  Realm& world() { return *realms_.front(); }

  // A network behind a new NAT, which stands in `outer`.
  Realm& add_site(NatKind kind, Realm& outer);
  // Gives the machine an address in the realm, and one of IPv6 if asked.
  void plug(Machine& machine, Realm& realm, bool has_v6 = false);
  void unplug(Machine& machine);

  // On its way; may be lost. The sender is named by the packet.
  void send(Machine& from, Packet packet);
  // The endpoint as which a server at `server` sees this one, now, or none if UDP is blocked.
  std::optional<Endpoint> reflexive(Machine& machine, std::uint16_t port, const Endpoint& server);

  void at(MonoTime when, std::function<void()> act);
  void in(Duration delay, std::function<void()> act) { at(now_ + delay, std::move(act)); }
  void run_until(MonoTime end);
  void run_for(Duration span) { run_until(now_ + span); }

  // What else may lose a packet, as seen on the wire.
  std::function<bool(const Packet&)> is_lost;

  struct Counters {
    std::uint64_t sent = 0;
    std::uint64_t arrived = 0;
    std::uint64_t filtered = 0;
  } counters;

 private:
  struct Event {
    MonoTime at;
    std::uint64_t number;
    std::function<void()> act;
    bool operator>(const Event& other) const {
      return std::tie(at, number) > std::tie(other.at, other.number);
    }
  };

  void route(Realm& realm, Packet packet, Machine& from);
  void enter(Nat& nat, Packet packet, Machine& from);
  void deliver(Machine& from, Machine& to, Packet packet);
  Duration delay(const Machine& from, const Machine& to);
  bool chance(double probability);

  SeededRng rng_;
  MonoTime now_{1h};
  std::uint64_t event_count_ = 0;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<std::unique_ptr<Realm>> realms_;
  std::vector<std::unique_ptr<Nat>> nats_;
  std::map<IpAddress, Machine*> v6_;
  std::uint16_t next_host_ = 1;
};

}  // namespace sinew::sim
