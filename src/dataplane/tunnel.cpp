#include "dataplane/tunnel.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "os/netif.h"
#include "os/thread.h"
#include "wg/uapi.h"

namespace sinew::dataplane {
namespace {

// A second worker pays when it has a core of its own beside the one of the program that the packets
// are for; on two cores it only adds hand-overs.
unsigned useful_workers() {
  constexpr unsigned kCoresPerWorker = 2;
  constexpr unsigned kMost = 4;
  return std::clamp(std::thread::hardware_concurrency() / kCoresPerWorker, 1U, kMost);
}

std::string format_counters(const udp::Counters& ports) {
  return fmt::format(
      "udp_received_overflow={}\nudp_received_truncated={}\nudp_receive_errors={}\n"
      "udp_asynchronous_errors={}\nudp_segmentation_refused={}\nudp_stale_sources={}\n"
      "udp_send_dropped={}\nudp_send_would_block={}\nudp_last_send_error={}\n",
      ports.received_overflow, ports.received_truncated, ports.receive_errors,
      ports.asynchronous_errors, ports.segmentation_refused, ports.stale_sources,
      ports.send_dropped, ports.send_would_block, ports.last_send_error);
}

std::string format_counters(const tun::Tun::Counters& queues) {
  return fmt::format("tun_refused_down={}\ntun_refused_invalid={}\ntun_refused_other={}\n",
                     queues.refused_down, queues.refused_invalid, queues.refused_other);
}

SecretText errno_answer(wg::uapi::Errno number) {
  return SecretText(wg::uapi::format_errno(number));
}

// A super-packet of so many segments is one train of datagrams when it is sealed, and so arrives in
// one piece at the other end.
netlink::LinkSettings fit_super_packets(std::uint32_t mtu) {
  constexpr std::uint32_t kMostBytes = udp::UdpPort::kMaxDatagramBytes;
  constexpr std::uint32_t kMostSegments = udp::UdpPort::kMaxSegments;
  const std::uint32_t segments = kMostBytes / (mtu + std::uint32_t{wg::kDataOverhead});
  return {.gso_max_segments = std::clamp(segments, 1U, kMostSegments)};
}

}  // namespace

Result<std::unique_ptr<Tunnel>> Tunnel::open(const TunnelOptions& options, Rng& rng,
                                             const Clock& clock, const Log& log) {
  const unsigned count = options.workers == 0 ? useful_workers() : options.workers;
  tun::Tun tun = TRY(tun::Tun::open(options.interface, {.queues = count}));
  TRY(tun.change({.mtu = options.mtu, .transmit_queue = kTransmitQueue}));
  // Kernels before 4.16 cannot be told; their super-packets make a train and a short one.
  static_cast<void>(tun.change(fit_super_packets(options.mtu)));
  netlink::LinkMonitor monitor = TRY(tun.monitor());
  std::unique_ptr<Tunnel> tunnel(
      new Tunnel(std::move(tun), std::move(monitor), options, rng, clock, log));
  TRY(tunnel->open_workers(count, options.companion));
  tunnel->order_all(Order::Kind::kMtu, options.mtu);
  if (options.handles_signals) TRY(tunnel->watch_signals());
  if (options.has_uapi) TRY(tunnel->serve_uapi(options.uapi_folder));
  return tunnel;
}

Tunnel::Tunnel(tun::Tun tun, netlink::LinkMonitor monitor, const TunnelOptions& options, Rng& rng,
               const Clock& clock, const Log& log)
    : rng_(rng),
      clock_(clock),
      log_(log),
      interface_(tun.name()),
      interface_index_(tun.index()),
      tun_(std::move(tun)),
      monitor_(std::move(monitor)),
      port_(options.port),
      fwmark_(options.fwmark),
      shared_(rng) {}

Tunnel::~Tunnel() {
  uapi_.reset();
  stop();
  for (std::thread& thread : threads_)
    thread.join();
}

Result<> Tunnel::open_workers(unsigned count, Companion* companion) {
  for (unsigned queue = 0; queue < count; ++queue) {
    workers_.push_back(TRY(Worker::open({.shared = &shared_,
                                         .tunnel = &tun_,
                                         .clock = &clock_,
                                         .log = log_,
                                         .companion = companion,
                                         .seed = rng_.number<std::uint64_t>()},
                                        queue)));
    colleagues_.push_back(workers_.back().get());
  }
  for (const auto& worker : workers_)
    worker->set_colleagues(colleagues_);
  Worker& first = *workers_[0];
  first.set_foreign_handler([this](const os::Poller::Event& event) { handle(event); });
  return first.poller().add(monitor_.fd(), os::Poller::Interest::kRead, kTokenLink);
}

Result<> Tunnel::watch_signals() {
  signals_ = TRY(os::SignalFd::open({SIGTERM, SIGINT, SIGUSR1}));
  return workers_[0]->poller().add(signals_->fd(), os::Poller::Interest::kRead, kTokenSignals);
}

Result<> Tunnel::serve_uapi(const std::string& folder) {
  uapi_ = std::make_unique<UapiServer>(
      TRY(UapiServer::open(folder, interface_, workers_[0]->poller(), kTokenUapi,
                           [this](std::string_view request) { return answer(request); })));
  return {};
}

Result<> Tunnel::run() {
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    auto thread = os::start_thread([this, worker = workers_[i].get()] {
      if (const auto result = worker->run(); !result)
        log_.error("a worker ended", {{"reason", result.error().message}});
      workers_[0]->order({.kind = Order::Kind::kStop});
    });
    if (!thread) {
      stop();
      return std::move(thread).error().while_doing("run " + std::to_string(workers_.size()) +
                                                   " workers");
    }
    threads_.push_back(*std::move(thread));
  }
  return workers_[0]->run();
}

void Tunnel::stop() {
  order_all(Order::Kind::kStop);
}

// -------------------------------------------------------------------- what operates the interface

void Tunnel::handle(const os::Poller::Event& event) {
  if (event.token == kTokenLink) return handle_link();
  if (event.token == kTokenSignals) return handle_signals();
  if (uapi_ && uapi_->owns(event.token)) handle_uapi(event);
}

void Tunnel::handle_uapi(const os::Poller::Event& event) {
  uapi_->handle(event);
  if (!uapi_->is_removed()) return;
  log_.info("the configuration socket was removed", {{"interface", interface_}});
  stop();
}

void Tunnel::handle_link() {
  const auto news = monitor_.news();
  if (!news) return log_.error("lost sight of the interface", {{"reason", news.error().message}});
  if (news->is_gone && !tun_.exists()) {
    log_.info("the interface was deleted", {{"interface", interface_}});
    return stop();
  }
  const os::MutexLock lock(mutex_);
  take_news(*news);
  if (news->is_gone) follow_interface();
}

void Tunnel::take_news(const netlink::LinkNews& news) {
  if (news.mtu_changed) take_mtu(news.now.mtu);
  if (news.went_down) link_is_down();
  if (!news.went_up || !news.now.is_up) return;
  if (const auto up = link_is_up(); !up) {
    log_.error("the link is up, but no packets can be sent", {{"reason", up.error().message}});
  }
}

// The sockets stay in the namespace that they were opened in, and the configuration socket where it
// is: that is what one moves an interface for. The kernel took the link down for the move.
void Tunnel::follow_interface() {
  os::Poller& poller = workers_[0]->poller();
  static_cast<void>(poller.remove(monitor_.fd()));
  const auto follow = [&]() -> Result<> {
    TRY(tun_.follow());
    monitor_ = TRY(tun_.monitor());
    return poller.add(monitor_.fd(), os::Poller::Interest::kRead, kTokenLink);
  };
  netlink::LinkNews news;
  if (const auto followed = follow()) {
    log_.info("the interface was moved to another network namespace", {{"interface", interface_}});
    news.now = monitor_.link();
    news.mtu_changed = true;
  } else {
    log_.warning("the interface was moved out of sight; it counts as up from now on",
                 {{"interface", interface_}, {"reason", followed.error().message}});
    news.now.is_up = true;
  }
  news.went_up = news.now.is_up;
  take_news(news);
}

void Tunnel::take_mtu(std::uint32_t mtu) {
  order_all(Order::Kind::kMtu, mtu);
  static_cast<void>(tun_.change(fit_super_packets(mtu)));
}

// The sockets stay open while the link is down: going down and up again cannot lose the port, and
// the device answers nobody meanwhile.
Result<> Tunnel::link_is_up() {
  is_up_ = true;
  if (bound_port_ == 0) TRY(open_ports(port_, fwmark_));
  const os::MutexLock lock(shared_.mutex);
  shared_.device.start(clock_.now());
  return {};
}

void Tunnel::link_is_down() {
  is_up_ = false;
  {
    const os::MutexLock lock(shared_.mutex);
    shared_.device.stop();
  }
  order_all(Order::Kind::kDown);
}

void Tunnel::handle_signals() {
  while (const auto signal = signals_->read()) {
    if (signal->number == SIGUSR1) {
      log_counters();
    } else {
      stop();
    }
  }
}

void Tunnel::order_all(Order::Kind kind, std::uint32_t number) {
  for (const auto& worker : workers_)
    worker->order({.kind = kind, .number = number});
}

// New sockets for every worker; the old ones close when the workers have taken them.
Result<> Tunnel::open_ports(std::uint16_t port, std::uint32_t fwmark) {
  std::vector<std::unique_ptr<udp::UdpPair>> pairs;
  pairs.push_back(std::make_unique<udp::UdpPair>(TRY(udp::open_pair(port, {.fwmark = fwmark}))));
  while (pairs.size() < workers_.size()) {
    auto sibling = std::make_unique<udp::UdpPair>();
    if (pairs[0]->v4) sibling->v4 = TRY(pairs[0]->v4->open_sibling());
    if (pairs[0]->v6) sibling->v6 = TRY(pairs[0]->v6->open_sibling());
    pairs.push_back(std::move(sibling));
  }
  side_door_ = TRY(udp::SideDoor::open(*pairs[0]));
  bound_port_ = pairs[0]->port();
  for (std::size_t i = 0; i < workers_.size(); ++i)
    workers_[i]->order({.kind = Order::Kind::kPorts, .ports = std::move(pairs[i])});
  return {};
}

// --------------------------------------------------------------------------- calls of any thread

Result<> Tunnel::start_link() {
  const os::MutexLock lock(mutex_);
  TRY(link_is_up());
  TRY(tun_.set_up());
  workers_[0]->order({.kind = Order::Kind::kLook});
  return {};
}

Result<> Tunnel::stop_link() {
  const os::MutexLock lock(mutex_);
  link_is_down();
  return tun_.set_up(false);
}

std::uint16_t Tunnel::port() const {
  const os::MutexLock lock(mutex_);
  return bound_port_;
}

Result<> Tunnel::rebind() {
  const os::MutexLock lock(mutex_);
  if (is_up_ && bound_port_ == 0) TRY(link_is_up());
  const os::MutexLock device_lock(shared_.mutex);
  forget_sources();
  return {};
}

void Tunnel::forget_sources() {
  std::vector<wg::PeerId> peers;
  shared_.device.for_each_peer([&peers](wg::PeerId peer) { peers.push_back(peer); });
  for (const wg::PeerId peer : peers)
    shared_.device.forget_source(peer);
}

void Tunnel::set_private_key(const wg::PrivateKey& key) {
  {
    const os::MutexLock lock(shared_.mutex);
    shared_.device.set_private_key(key.clone(), clock_.now());
  }
  workers_[0]->order({.kind = Order::Kind::kLook});
}

Result<> Tunnel::configure_peers(std::span<const PeerChange> changes) {
  const MonoTime now = clock_.now();
  Result<> outcome;
  for (const PeerChange& change : changes) {
    const os::MutexLock lock(shared_.mutex);
    outcome = change_peer(change, now);
    if (!outcome) break;
  }
  workers_[0]->order({.kind = Order::Kind::kLook});
  return outcome;
}

// Roaming first: an endpoint that is set is not to be moved by what comes in between.
Result<> Tunnel::change_peer(const PeerChange& change, MonoTime now) {
  wg::Device& device = shared_.device;
  if (change.is_removed) {
    if (const auto id = device.find_peer(change.key)) device.remove_peer(*id);
    return {};
  }
  const auto id = device.add_peer(change.key, now);
  if (!id) {
    if (change.key == device.public_key())
      return Error{ErrorKind::kInvalid, "add a peer: its key is our own"};
    return Error{ErrorKind::kOverloaded, "add a peer: there are too many"};
  }
  if (change.is_roaming) device.set_roaming(*id, *change.is_roaming);
  if (change.endpoint) device.set_endpoint(*id, *change.endpoint, now);
  if (change.allowed_ips) {
    device.allowed_ips().remove_peer(*id);
    for (const IpPrefix& prefix : *change.allowed_ips)
      device.allowed_ips().insert(prefix, *id);
  }
  if (change.persistent_keepalive)
    device.set_persistent_keepalive(*id, *change.persistent_keepalive, now);
  return {};
}

std::vector<wg::PeerInfo> Tunnel::peer_infos() const {
  std::vector<wg::PeerId> peers;
  std::vector<wg::PeerInfo> infos;
  const os::MutexLock lock(shared_.mutex);
  shared_.device.for_each_peer([&peers](wg::PeerId peer) { peers.push_back(peer); });
  infos.reserve(peers.size());
  for (const wg::PeerId peer : peers)
    infos.push_back(shared_.device.info(peer));
  return infos;
}

std::optional<wg::PeerInfo> Tunnel::peer_info(const wg::PublicKey& key) const {
  const os::MutexLock lock(shared_.mutex);
  const auto id = shared_.device.find_peer(key);
  if (!id) return std::nullopt;
  return shared_.device.info(*id);
}

// What belongs together stays with one worker, and in order.
bool Tunnel::inject(std::uint32_t number, ByteView train, std::size_t segment_size) {
  return workers_[number % workers_.size()]->inject(number, train, segment_size);
}

Result<> Tunnel::send_aside(const Endpoint& to, const IpAddress& local, ByteView datagram) {
  if (detour_number(to)) return Error{ErrorKind::kInvalid, "send: a detour has no address"};
  const os::MutexLock lock(mutex_);
  return side_door_.send(to, local, datagram);
}

// --------------------------------------------------------------------------------------- requests

SecretText Tunnel::answer(std::string_view request) {
  if (request == "counters=1\n\n") return SecretText(get_counters() + "errno=0\n\n");
  const auto operation = wg::uapi::operation_of(request);
  if (!operation) return errno_answer(wg::uapi::errno_of(operation.error().kind));
  if (*operation == wg::uapi::Operation::kGet) return get();
  const auto changed = set(request);
  if (changed) return errno_answer(wg::uapi::Errno::kNone);
  log_.warning("a configuration was refused", {{"reason", changed.error().message}});
  return errno_answer(wg::uapi::errno_of(changed.error().kind));
}

SecretText Tunnel::get() {
  SecretText text;
  const os::MutexLock lock(mutex_);
  const os::MutexLock device_lock(shared_.mutex);
  wg::uapi::format_get(shared_.device, bound_port_ != 0 ? bound_port_ : port_, fwmark_,
                       [&text](std::string_view piece) { text.append(piece); });
  return text;
}

// The port first, because it may be taken: then nothing has changed.
Result<> Tunnel::set(std::string_view request) {
  const auto edit = TRY(wg::uapi::parse_set(request, os::interface_number));
  const os::MutexLock lock(mutex_);
  const std::uint16_t port = edit.listen_port.value_or(port_);
  const std::uint32_t fwmark = edit.fwmark.value_or(fwmark_);
  // A port that the kernel chose for us may be asked for by its number.
  const bool is_bound = bound_port_ != 0 && (port == port_ || port == bound_port_);
  const bool has_new_ports = is_up_ ? !is_bound : port != port_;
  if (has_new_ports) {
    if (is_up_) {
      TRY(open_ports(port, fwmark));
    } else {
      bound_port_ = 0;
    }
  }
  if (fwmark != fwmark_) order_all(Order::Kind::kFwmark, fwmark);
  const bool takes_other_ways = has_new_ports || fwmark != fwmark_;
  port_ = port;
  fwmark_ = fwmark;
  const os::MutexLock device_lock(shared_.mutex);
  if (takes_other_ways) forget_sources();
  if (is_up_) shared_.device.start(clock_.now());
  return wg::uapi::apply(edit, shared_.device, clock_.now());
}

std::string Tunnel::get_counters() {
  Counters sum;
  udp::Counters ports;
  tun::Tun::Counters queues;
  for (const auto& worker : workers_) {
    const Worker::Published published = worker->published_counters();
    sum += published.own;
    ports += published.ports;
    queues += published.queue;
  }
  std::string text = fmt::format(
      "workers={}\nturns={}\ntunnel_reads={}\npackets_sealed={}\ntrains_sent={}\n"
      "trains_received={}\npackets_opened={}\ntunnel_writes={}\n",
      workers_.size(), sum.turns, sum.tunnel_reads, sum.packets_sealed, sum.trains_sent,
      sum.trains_received, sum.packets_opened, sum.tunnel_writes);
  text += fmt::format("congestion_marks={}\ntrains_detoured={}\ntrains_injected={}\nstrays={}\n",
                      sum.congestion_marks, sum.trains_detoured, sum.trains_injected, sum.strays);
  for (std::size_t i = 0; i < sum.lost.size(); ++i)
    text += fmt::format("lost_{}={}\n", name_of(static_cast<Loss>(i)), sum.lost[i]);
  text += format_counters(ports) + format_counters(queues);
  const os::MutexLock lock(shared_.mutex);
  const wg::Counters& protocol = shared_.device.counters();
  text += fmt::format(
      "initiations_sent={}\ninitiations_accepted={}\nresponses_sent={}\nresponses_accepted={}\n"
      "cookies_sent={}\ncookies_accepted={}\nkeepalives_sent={}\n",
      protocol.initiations_sent, protocol.initiations_accepted, protocol.responses_sent,
      protocol.responses_accepted, protocol.cookies_sent, protocol.cookies_accepted,
      protocol.keepalives_sent);
  for (std::size_t i = 0; i < wg::kDropCount; ++i) {
    const auto drop = static_cast<wg::Drop>(i);
    text += fmt::format("dropped_{}={}\n", name_of(drop), protocol.dropped(drop));
  }
  return text;
}

// No warning, but who asks for it sees it whatever the level of the log.
void Tunnel::log_counters() {
  log_.error("counters", {{"counters", get_counters()}});
}

}  // namespace sinew::dataplane
