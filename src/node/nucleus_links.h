// How a node's signal datagrams reach its nuclei: over UDP from WireGuard's port, and in a TLS
// connection to the same port number where UDP gets no answer. Names are resolved here, again after
// every change of the network and every failure. One thread.
#pragma once

#include <cstdint>
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
#include "node/packet_path.h"
#include "node/settings.h"
#include "signal/group.h"

namespace sinew::node {

class NucleusLinks {
 public:
  static constexpr Duration kConnectTime = 10s;
  static constexpr std::size_t kMaxQueuedBytes = 256 << 10;  // of one stream; then it is cut
  static constexpr Duration kResolveInterval = 5min;

  // Called when the group has been given something.
  class Listener {
   public:
    virtual void signal_changed() = 0;

   protected:
    ~Listener() = default;
  };

  NucleusLinks(aio::Runtime& runtime, Rng& rng, std::vector<HostPort> nuclei, signal::Group& group,
               PacketPath& packets, Listener& listener, const Log& log);
  ~NucleusLinks();

  void start();
  aio::Task<> stop();

  void send(const signal::Group::Sending& sending);
  // UDP gets no answer from that nucleus.
  void want_stream(std::size_t nucleus);
  void network_changed();

  const HostPort& name_of(std::size_t nucleus) const;
  // Where it was found last, for who needs an address of it.
  std::vector<Endpoint> endpoints_of(std::size_t nucleus) const;
  bool has_stream(std::size_t nucleus) const;
  const std::string& last_error(std::size_t nucleus) const;

 private:
  struct Link;

  aio::Task<> keep_resolved(Link& link);
  aio::Task<> keep_stream(Link& link);
  aio::Task<Result<>> serve_stream(Link& link);
  aio::Task<Result<std::unique_ptr<aio::Stream>>> connect(Link& link);
  aio::Task<Result<>> upgrade(aio::Stream& stream, const HostPort& name);
  aio::Task<> read_all(Link& link, aio::Stream& stream);
  aio::Task<> write_all(Link& link, aio::Stream& stream);

  aio::Runtime& runtime_;
  Rng& rng_;
  signal::Group& group_;
  PacketPath& packets_;
  Listener& listener_;
  Log log_;
  std::vector<std::unique_ptr<Link>> links_;
  aio::TaskGroup tasks_;
};

}  // namespace sinew::node
