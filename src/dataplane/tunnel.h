// A WireGuard interface: the tunnel device, the protocol, the sockets, the workers, and what
// operates them. The link going up opens the sockets and starts the protocol, going down stops the
// protocol. Everything is undone when the Tunnel dies.
//
// open() and run() belong to one thread: it is the first worker, and serves the configuration
// between packets.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/rng.h"
#include "dataplane/counters.h"
#include "dataplane/shared_device.h"
#include "dataplane/uapi_server.h"
#include "dataplane/worker.h"
#include "os/signal_fd.h"
#include "tun/tun.h"

namespace sinew::dataplane {

struct TunnelOptions {
  std::string interface;
  std::string uapi_folder = "/var/run/wireguard";
  unsigned workers = 0;  // 0: as many as this machine has use for
};

class Tunnel {
 public:
  // As wireguard-go and the kernel do it.
  static constexpr std::uint32_t kDefaultMtu = 1420;
  // Of the tunnel's queue, in super-packets: bursts wait here until the worker's next turn.
  static constexpr std::uint32_t kTransmitQueue = 1000;

  // `rng` and `clock` outlive the Tunnel. SIGTERM, SIGINT and SIGUSR1 are the Tunnel's from now on.
  static Result<std::unique_ptr<Tunnel>> open(const TunnelOptions& options, Rng& rng,
                                              const Clock& clock, const Log& log);
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  ~Tunnel();

  const std::string& interface() const { return tun_.name(); }
  unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }

  // Until the interface is deleted or a signal asks to stop.
  Result<> run();

 private:
  enum Token : std::uint64_t {
    kTokenLink = Worker::kFirstForeignToken,
    kTokenSignals,
    kTokenUapi,
  };

  Tunnel(tun::Tun tun, tun::LinkMonitor monitor, os::SignalFd signals, Rng& rng, const Clock& clock,
         const Log& log);

  Result<> open_workers(unsigned count);
  void handle(const os::Poller::Event& event);
  void handle_link();
  void handle_signals();
  SecretText answer(std::string_view request);
  Result<> set(std::string_view request);
  SecretText get();
  std::string get_counters();
  Result<> open_ports(std::uint16_t port, std::uint32_t fwmark);
  void take_mtu(std::uint32_t mtu);
  void start_link();
  void stop_link();
  void order_all(Order::Kind kind, std::uint32_t number = 0);
  void log_counters();

  tun::Tun tun_;
  tun::LinkMonitor monitor_;
  os::SignalFd signals_;
  Rng& rng_;
  const Clock& clock_;
  Log log_;
  SharedDevice shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> colleagues_;
  std::vector<std::thread> threads_;
  std::unique_ptr<UapiServer> uapi_;
  std::uint16_t port_ = 0;        // asked for; 0: the kernel chooses
  std::uint16_t bound_port_ = 0;  // 0: the sockets are yet to be opened
  std::uint32_t fwmark_ = 0;
  bool is_up_ = false;
};

}  // namespace sinew::dataplane
