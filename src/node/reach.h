// Where a node can be reached from, as far as it can find out by itself: the addresses of its
// interfaces, what STUN servers see of WireGuard's port, and the port that the router was asked to
// keep open. It watches the machine's network and begins anew when that changes. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aio/readiness.h"
#include "aio/runtime.h"
#include "aio/task_group.h"
#include "base/log.h"
#include "base/rng.h"
#include "netlink/host_monitor.h"
#include "netmap/netmap.h"
#include "node/packet_path.h"
#include "node/port_keeper.h"
#include "node/settings.h"
#include "stun/survey.h"

namespace sinew::node {

class Reach final : private PortKeeper::Listener {
 public:
  static constexpr Duration kSurveyInterval = 20min;
  // Interfaces come and go in flurries; what counts is how it is then.
  static constexpr Duration kSettleTime = 200ms;

  class Listener {
   public:
    virtual void reach_changed() = 0;    // candidates or connectivity are others
    virtual void network_changed() = 0;  // so are the machine's addresses or gateways

   protected:
    ~Listener() = default;
  };

  static Result<std::unique_ptr<Reach>> open(aio::Runtime& runtime, Rng& rng, PacketPath& packets,
                                             Listener& listener, const Log& log);
  ~Reach();

  void start();
  // Gives back what the router was asked for.
  void release();
  aio::Task<> stop();

  void set_settings(const Settings& settings);
  // Whom to ask; a survey begins when they are others than before.
  void set_servers(std::vector<stun::Server> servers);
  void survey(MonoTime now);

  bool feed(ByteView datagram, const Endpoint& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  // Sends what the above have to send, and takes what they have found.
  void pump();

  std::vector<netmap::Candidate> candidates() const;
  netmap::Connectivity connectivity() const;

  const std::optional<stun::Report>& report() const { return report_; }
  bool is_surveying() const { return survey_.is_running(); }
  const netlink::HostNetwork& host() const { return monitor_.network(); }
  const std::optional<Endpoint>& mapped() const { return port_.mapped(); }
  // How it is kept open, or why it is not.
  const std::string& mapping_note() const { return port_.note(); }

 private:
  Reach(aio::Runtime& runtime, Rng& rng, PacketPath& packets, Listener& listener, const Log& log,
        netlink::HostMonitor monitor);

  aio::Task<> watch_host();
  void port_changed() override;
  void ask_router();
  std::vector<Endpoint> own_endpoints() const;

  aio::Runtime& runtime_;
  PacketPath& packets_;
  Listener& listener_;
  Log log_;
  Settings settings_;
  netlink::HostMonitor monitor_;
  std::optional<aio::Readiness> monitor_ready_;
  stun::Survey survey_;
  std::vector<stun::Server> servers_;
  std::optional<stun::Report> report_;
  MonoTime next_survey_ = MonoTime::never();
  PortKeeper port_;
  aio::TaskGroup tasks_;
};

}  // namespace sinew::node
