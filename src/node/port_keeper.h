// Keeps WireGuard's port open on the router: by PCP or NAT-PMP, and where the router speaks neither
// by UPnP. A router that cannot, will not, or is itself behind another NAT leaves its reason in
// note(). One thread; UPnP has one of its own, which is started when it is needed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aio/datagram.h"
#include "aio/readiness.h"
#include "aio/runtime.h"
#include "aio/task_group.h"
#include "base/log.h"
#include "base/rng.h"
#include "igd/igd.h"
#include "portmap/mapper.h"

namespace sinew::node {

class PortKeeper {
 public:
  class Listener {
   public:
    virtual void port_changed() = 0;  // mapped() is another

   protected:
    ~Listener() = default;
  };

  PortKeeper(aio::Runtime& runtime, Rng& rng, Listener& listener, const Log& log);
  ~PortKeeper();

  // Nothing changes when the target is the one from before.
  void aim(const portmap::Target& target);
  // There is no router to ask, or it is not to be asked: `why` becomes the note.
  void rest(std::string_view why);
  // Gives the port back.
  void release();
  aio::Task<> stop();

  void expire(MonoTime now);
  MonoTime deadline() const;

  const std::optional<Endpoint>& mapped() const { return mapped_; }
  // "pcp", "nat-pmp", "upnp"; or why nothing is mapped.
  const std::string& note() const { return note_; }

 private:
  // The socket that talks to one router.
  struct Line {
    Line(aio::Runtime& runtime, aio::Datagram datagram)
        : socket(std::move(datagram)), tasks(runtime) {}
    aio::Datagram socket;
    aio::TaskGroup tasks;
  };

  aio::Task<> read(Line& line);
  aio::Task<> send(Line& line, portmap::Transmit transmit);
  aio::Task<> read_igd();
  void hang_up();
  void pump();
  void take(const portmap::Event& event);
  void take(const igd::News& news);
  void try_igd();
  void set_mapped(const std::optional<Endpoint>& mapped, std::string_view note);

  aio::Runtime& runtime_;
  Listener& listener_;
  Log log_;
  portmap::Mapper mapper_;
  std::optional<portmap::Target> target_;
  std::unique_ptr<Line> line_;
  std::vector<std::unique_ptr<Line>> old_lines_;  // their tasks are ending
  std::unique_ptr<igd::Igd> igd_;
  std::optional<aio::Readiness> igd_ready_;
  std::optional<Endpoint> mapped_;
  std::string note_ = "not asked for";
  aio::TaskGroup tasks_;
};

}  // namespace sinew::node
