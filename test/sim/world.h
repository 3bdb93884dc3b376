// Nodes with real path agents in a virtual internet, a relay, a nucleus that passes records and
// punches on, and traffic between them. What a node does around its agent (surveys, noting traffic,
// opening sockets) is done here as simply as it can be. The same seed gives the same run.
//
//     World world(seed);
//     Node& a = world.add(Access::kSymmetric);
//     Node& b = world.add(Access::kPortRestricted);
//     world.start();
//     world.talk(a, b, 30s);
//     CHECK(a.route_to(b).is_direct());
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "path/agent.h"
#include "sim/internet.h"

namespace sinew::sim {

enum class Access : std::uint8_t {
  kPublic,
  kFullCone,
  kAddressRestricted,
  kPortRestricted,
  kSymmetric,
  kSymmetricCgnat,
  kUdpBlocked,
  kPortMapped,
  kCounting,  // symmetric, with ports in sequence
};
inline constexpr Access kAllAccess[] = {
    Access::kPublic,         Access::kFullCone,   Access::kAddressRestricted,
    Access::kPortRestricted, Access::kSymmetric,  Access::kSymmetricCgnat,
    Access::kUdpBlocked,     Access::kPortMapped, Access::kCounting};
std::string name_of(Access access);
NatKind nat_of(Access access);
bool is_symmetric(Access access);
// Whether two hosts with these can reach each other directly at all; both behind NATs of their own.
bool can_be_direct(Access a, Access b);
// Whether it takes guessing of ports.
bool takes_guessing(Access a, Access b);

inline constexpr std::uint16_t kTunnelPort = 51820;
inline constexpr std::size_t kFullPacket = 1452;
inline constexpr netmap::RelayId kRelay{1};

class World;

// What came from a peer.
struct Heard {
  std::uint64_t packets = 0;
  std::uint64_t by_relay = 0;
  MonoTime first;
  MonoTime last;
  Duration longest_gap{};
  std::optional<MonoTime> noted_at;
};

class Node final : public Machine {
 public:
  Node(World& world, std::uint16_t number, path::Settings settings);

  const netmap::NodeKey& key() const { return key_; }
  std::uint16_t number() const { return number_; }
  path::Agent& agent() { return *agent_; }
  path::Route route_to(const Node& peer) const { return agent_->route_of(peer.key_); }
  std::string why_not_direct(const Node& peer) const;
  Heard& heard_of(const Node& peer) { return heard_[peer.number_]; }

  netmap::Peer record() const;
  // Finds out how it is connected and tells the nucleus.
  void survey();
  // Starts the program anew: new disco key, same node key.
  void restart();
  // The interface got other addresses; the survey follows 300 ms later.
  void move_to(Realm& realm, bool has_v6);

  void send_data(Node& to);
  void receive(const Packet& packet, MonoTime now) override;
  void receive_relayed(Node& from, const Bytes& bytes);
  // After anything that was done to the agent: carries out what it wants.
  void flush();

  std::optional<MonoTime> direct_since(const Node& peer) const;
  std::uint64_t datagrams_sent = 0;  // disco, with 28 bytes of headers each below
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  std::size_t sockets_open() const { return sockets_.size(); }

 private:
  void handle(const path::Event& event);
  void transmit(const path::Transmit& transmit);
  void schedule();
  void take_data(Node& from, const path::Way& way);
  std::optional<Endpoint> source_for(const IpAddress& to, std::uint16_t port) const;

  World& world_;
  std::uint16_t number_;
  netmap::NodeKey key_;
  path::Settings settings_;
  std::unique_ptr<SeededRng> rng_;
  std::optional<crypto::X25519PrivateKey> disco_;
  std::unique_ptr<path::Agent> agent_;
  std::map<std::uint16_t, std::uint16_t> sockets_;  // number to port
  std::map<std::uint16_t, std::uint16_t> ports_;    // and back
  std::uint16_t next_port_ = 30000;
  std::optional<Endpoint> mapped_;
  std::vector<netmap::Candidate> candidates_;
  netmap::Connectivity connectivity_;
  std::map<netmap::NodeKey, MonoTime> direct_since_;
  std::map<std::uint16_t, MonoTime> wanted_noted_;
  std::map<std::uint16_t, Heard> heard_;
  MonoTime wakes_at_ = MonoTime::never();
};

class World {
 public:
  explicit World(std::uint64_t seed);

  Internet net;
  path::Settings settings;  // of nodes added from then on
  bool is_relay_up = true;
  Duration survey_interval = 25s;
  std::vector<std::unique_ptr<Node>> nodes;

  Node& add(Access access, bool has_v6 = false);
  Node& add_to(Realm& realm, bool has_v6 = false);
  Realm& add_site(Access access);
  // Surveys, and tells everybody of everybody.
  void start();

  // Packets both ways every 50 ms.
  void talk(Node& a, Node& b, Duration span, Duration every = 50ms);
  void run_for(Duration span) { net.run_for(span); }
  MonoTime now() const { return net.now(); }

  // The relay or the way to it fails or comes back; nodes notice after a second.
  void set_relay(bool is_up);

  void publish(Node& node);
  void punch(Node& from, const netmap::NodeKey& to, std::vector<netmap::Candidate> candidates);
  void relay(Node& from, const netmap::NodeKey& to, Bytes bytes);
  Node* find(const netmap::NodeKey& key);

 private:
  void survey_again(Node& node);
};

// As many seeds as SINEW_SIM_SEEDS says, or `usual`.
std::size_t seed_count(std::size_t usual);
std::uint64_t first_seed();  // SINEW_SIM_SEED, to see one again

}  // namespace sinew::sim
