// A WireGuard interface: the tunnel device, the protocol, the sockets, the workers, and what
// operates them. The link going up opens the sockets and starts the protocol, going down stops the
// protocol. Everything is undone when the Tunnel dies.
//
// There are two ways to operate one. `sinew wg` leaves it to others: wg(8) configures it over the
// UAPI socket, ip(8) brings the link up, and signals end it. A node does all of that itself, by the
// calls below, and joins the packet path by a Companion (detour.h).
//
// The thread in run() is the first worker, and serves the link, signals and the UAPI between
// packets. open() may be called on another thread before. All other calls belong to any thread, and
// hold the lock of the packet path for as long as they change something.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "base/rng.h"
#include "dataplane/counters.h"
#include "dataplane/detour.h"
#include "dataplane/shared_device.h"
#include "dataplane/uapi_server.h"
#include "dataplane/worker.h"
#include "netlink/link_monitor.h"
#include "os/mutex.h"
#include "os/signal_fd.h"
#include "tun/tun.h"
#include "udp/side_door.h"

namespace sinew::dataplane {

struct TunnelOptions {
  std::string interface;
  std::string uapi_folder = "/var/run/wireguard";
  unsigned workers = 0;      // 0: as many as this machine has use for
  std::uint32_t mtu = 1420;  // as wireguard-go and the kernel do it
  std::uint16_t port = 0;    // 0: the kernel chooses
  std::uint32_t fwmark = 0;
  bool handles_signals = true;  // SIGTERM and SIGINT end run(), SIGUSR1 logs the counters
  bool has_uapi = true;
  Companion* companion = nullptr;  // none: no detours
};

// A peer as it is to be; what is not named stays as it is. A peer that is new is made, and roams
// unless it is told not to.
struct PeerChange {
  wg::PublicKey key;
  bool is_removed = false;  // its sessions end at once; nothing else of the change counts
  std::optional<Endpoint> endpoint = {};
  std::optional<std::vector<IpPrefix>> allowed_ips = {};  // these and no others
  std::optional<Duration> persistent_keepalive = {};      // 0: off
  std::optional<bool> is_roaming = {};                    // false: only a change moves its endpoint
};

class Tunnel {
 public:
  // Of the tunnel's queue, in super-packets: bursts wait here until the worker's next turn.
  static constexpr std::uint32_t kTransmitQueue = 1000;

  // The interface exists, and is down. `rng` and `clock` outlive the Tunnel, and so does the
  // Companion. With handles_signals, SIGTERM, SIGINT and SIGUSR1 are the Tunnel's from now on.
  static Result<std::unique_ptr<Tunnel>> open(const TunnelOptions& options, Rng& rng,
                                              const Clock& clock, const Log& log);
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;
  // Nobody is in run() any more.
  ~Tunnel();

  const std::string& interface() const { return interface_; }
  std::uint32_t interface_index() const { return interface_index_; }
  unsigned worker_count() const { return static_cast<unsigned>(workers_.size()); }

  // Until the interface is deleted, a signal asks to stop, or stop() is called, also before.
  Result<> run();
  void stop();

  // Opens the sockets, starts the protocol and switches the interface on, and the other way round.
  // Nothing if it is so already. The sockets stay open when the link is down. They belong to the
  // network namespace of the thread that calls, or of that in run() when others bring the link up.
  Result<> start_link();
  Result<> stop_link();
  // The number the sockets are bound to; 0 before the link is up for the first time.
  std::uint16_t port() const;
  // The machine's addresses have changed: the sources that replies left from are forgotten, and
  // sockets that could not be opened before are tried again. The port stays. (Sockets that are
  // open survive every change, since they are bound to no address.)
  Result<> rebind();

  // Ends all sessions. A peer with this very key is removed.
  void set_private_key(const wg::PrivateKey& key);
  // In order, with the packet path going on in between, since a new peer costs a key exchange of
  // some 40 us. A change that is refused (kInvalid: the key is our own; kOverloaded: wg::kMaxPeers)
  // ends it.
  Result<> configure_peers(std::span<const PeerChange> changes);
  std::vector<wg::PeerInfo> peer_infos() const;
  std::optional<wg::PeerInfo> peer_info(const wg::PublicKey& key) const;
  // name=value lines, as the UAPI request `counters` answers them.
  std::string get_counters();

  // A train (detour.h) that came over a detour: it is taken as if it came from
  // detour_endpoint(number). False when too much waits to be taken (inlet.h); it is dropped.
  bool inject(std::uint32_t number, ByteView train, std::size_t segment_size);

  // One datagram from the socket that WireGuard sends from, at once, not by way of the worker.
  // `local` is the address of ours that it leaves from, if specified. kUnavailable when it cannot
  // be sent now; nothing is kept.
  Result<> send_aside(const Endpoint& to, const IpAddress& local, ByteView datagram);

 private:
  enum Token : std::uint64_t {
    kTokenLink = Worker::kFirstForeignToken,
    kTokenSignals,
    kTokenUapi,
  };

  Tunnel(tun::Tun tun, netlink::LinkMonitor monitor, const TunnelOptions& options, Rng& rng,
         const Clock& clock, const Log& log);

  // Thread in open(), before all others.
  Result<> open_workers(unsigned count, Companion* companion);
  Result<> watch_signals();
  Result<> serve_uapi(const std::string& folder);

  // Thread in run().
  void handle(const os::Poller::Event& event);
  void handle_link();
  void handle_uapi(const os::Poller::Event& event);
  void handle_signals();
  void take_news(const netlink::LinkNews& news) SINEW_REQUIRES(mutex_);
  void follow_interface() SINEW_REQUIRES(mutex_);
  SecretText answer(std::string_view request);
  Result<> set(std::string_view request);
  SecretText get();
  void log_counters();

  // Any.
  Result<> link_is_up() SINEW_REQUIRES(mutex_);
  void link_is_down() SINEW_REQUIRES(mutex_);
  void take_mtu(std::uint32_t mtu) SINEW_REQUIRES(mutex_);
  Result<> open_ports(std::uint16_t port, std::uint32_t fwmark) SINEW_REQUIRES(mutex_);
  void forget_sources() SINEW_REQUIRES(shared_.mutex);
  Result<> change_peer(const PeerChange& change, MonoTime now) SINEW_REQUIRES(shared_.mutex);
  void order_all(Order::Kind kind, std::uint32_t number = 0);

  Rng& rng_;
  const Clock& clock_;
  Log log_;
  // These two as of open(), whatever they are elsewhere by now.
  const std::string interface_;
  const std::uint32_t interface_index_;
  // Its queues belong to the workers, which are fewer than it; all else is guarded by mutex_.
  tun::Tun tun_;
  netlink::LinkMonitor monitor_;         // of the thread in run()
  std::optional<os::SignalFd> signals_;  // of the thread in run()
  // Taken before that of the device.
  mutable os::Mutex mutex_;
  std::uint16_t port_ SINEW_GUARDED_BY(mutex_);            // asked for; 0: the kernel chooses
  std::uint16_t bound_port_ SINEW_GUARDED_BY(mutex_) = 0;  // 0: the sockets are yet to be opened
  std::uint32_t fwmark_ SINEW_GUARDED_BY(mutex_);
  bool is_up_ SINEW_GUARDED_BY(mutex_) = false;
  udp::SideDoor side_door_ SINEW_GUARDED_BY(mutex_);
  mutable SharedDevice shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Worker*> colleagues_;
  std::vector<std::thread> threads_;
  std::unique_ptr<UapiServer> uapi_;
};

}  // namespace sinew::dataplane
