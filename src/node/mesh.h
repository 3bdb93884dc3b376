// A node's part in its network: puts together what finds peers (signal), what finds ways to them
// (path), what carries packets where there is none (relays), and the packet path. It moves things
// between them and decides little itself:
//
//     packet path   --Inbox-->  relays, path engine, signal, survey
//     relays        -->         packet path (sealed packets), path engine (probes)
//     signal        --map-->    Peers --> packet path, path engine; relays
//     path engine   --routes--> Peers --> packet path
//     reach         -->         what the nucleus and the path engine know of our addresses
//
// Everything that happens is fed to the object it belongs to, and one task, drive(), then takes
// what they all want done, so that no call comes back into an object that is still busy. One
// thread, that of the Runtime.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aio/event.h"
#include "aio/readiness.h"
#include "aio/runtime.h"
#include "aio/task_group.h"
#include "base/log.h"
#include "base/rng.h"
#include "node/early_packets.h"
#include "node/inbox.h"
#include "node/nucleus_links.h"
#include "node/packet_path.h"
#include "node/peers.h"
#include "node/reach.h"
#include "node/relay_links.h"
#include "node/settings.h"
#include "node/side_sockets.h"
#include "os/timer_fd.h"
#include "path/agent.h"
#include "relay/login.h"
#include "signal/group.h"

namespace sinew::node {

// How long a home relay may be away before another becomes home.
inline constexpr Duration kHomePatience = 5s;

class Mesh final : private RelayListener,
                   private NucleusLinks::Listener,
                   private SideSockets::Listener,
                   private Reach::Listener {
 public:
  struct Parts {
    aio::Runtime* runtime;
    Rng* rng;
    PacketPath* packets;
    Inbox* inbox;
    Log log;
  };
  struct Identity {
    crypto::X25519PrivateKey node;
    signal::ClusterKey cluster;
  };
  // What happened that somebody may wait for.
  struct Milestones {
    bool is_registered = false;
    bool has_map = false;  // all who were there are known
    bool has_relay = false;
    bool has_stopped = false;  // the packet path has ended
    std::string refusal;       // by the nucleus; not safe to print
  };

  static Result<std::unique_ptr<Mesh>> create(const Parts& parts, Identity identity,
                                              const Configuration& configuration);
  ~Mesh();

  void start();
  // Tells the nuclei and gives back what the router was asked for, for a second at most.
  aio::Task<> leave();
  aio::Task<> stop();

  // Everything that can be changed while it runs.
  void set_settings(const Settings& settings);
  // Begins a survey of how this machine is connected.
  void check_network();

  const Milestones& milestones() const { return milestones_; }
  // Notified when one of the milestones has changed.
  aio::Event& progress() { return progress_; }

  const netmap::NetMap& map() const { return signal_.map(); }
  const netmap::NodeKey& public_key() const { return public_key_; }
  const Peers& peers() const { return *peers_; }
  const path::Agent& paths() const { return paths_; }
  const signal::Group& signal() const { return signal_; }
  const NucleusLinks& nuclei() const { return *nuclei_; }
  const RelayLinks& relays() const { return *relays_; }
  Reach& reach() { return *reach_; }
  const Reach& reach() const { return *reach_; }
  const PacketPath& packets() const { return packets_; }
  std::uint64_t dropped() const { return inbox_.dropped(); }

 private:
  Mesh(const Parts& parts, Identity identity, const Configuration& configuration,
       os::TimerFd timer);

  // RelayListener
  void relay_is_up(netmap::RelayId relay) override;
  void relay_is_down(netmap::RelayId relay) override;
  void take_relayed(const netmap::NodeKey& from, ByteView packet) override;
  // NucleusLinks::Listener
  void signal_changed() override;
  // SideSockets::Listener
  void take_side_datagram(ByteView datagram, const path::Direct& from) override;
  // Reach::Listener
  void reach_changed() override;
  void network_changed() override;

  aio::Task<> drive();
  aio::Task<> read_inbox();
  aio::Task<> watch_timer();
  void wake();
  void take_news(const News& news, MonoTime now);
  void take_datagram(ByteView datagram, const Endpoint& from, MonoTime now);
  void take_detour(const News& news, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  void note_sleep(MonoTime now);
  void pump(MonoTime now);
  void carry_out(const path::Event& event, MonoTime now);
  void send(const path::Transmit& transmit, MonoTime now);
  void take_signal(const signal::Group::Event& event, MonoTime now);
  void take_self(const netmap::Self& self);
  void take_map(const signal::Client::MapChangedEvent& change, MonoTime now);
  void take_relays();
  void move_home(MonoTime now);
  void send_outgoing(const Peers::Entry& peer, MonoTime now);
  void take_servers();
  void tell_reach(MonoTime now);
  path::Settings path_settings() const;

  aio::Runtime& runtime_;
  PacketPath& packets_;
  Inbox& inbox_;
  Log log_;
  Identity identity_;
  netmap::NodeKey public_key_;
  crypto::X25519PrivateKey disco_;
  relay::AdmissionKey admission_;
  Configuration configuration_;
  Settings settings_;
  netmap::Self self_;
  Milestones milestones_;
  aio::Event progress_;
  aio::Event changed_;
  bool is_dirty_ = false;
  os::TimerFd timer_;
  MonoTime timer_at_ = MonoTime::never();

  path::Agent paths_;
  signal::Group signal_;
  std::unique_ptr<Peers> peers_;
  EarlyPackets incoming_;
  EarlyPackets outgoing_;
  std::unique_ptr<RelayLinks> relays_;
  netmap::RelayId
      told_home_;  // where we have been connected: not told before anybody finds us there
  std::unique_ptr<NucleusLinks> nuclei_;
  std::unique_ptr<SideSockets> sockets_;
  std::unique_ptr<Reach> reach_;
  std::optional<aio::Readiness> inbox_ready_;
  std::optional<aio::Readiness> timer_ready_;
  bool has_left_ = false;
  // Since when the home relay has not been connected, while there are others.
  MonoTime homeless_since_ = MonoTime::never();
  aio::TaskGroup tasks_;
};

}  // namespace sinew::node
