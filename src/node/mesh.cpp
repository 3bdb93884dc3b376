#include "node/mesh.h"

#include <algorithm>
#include <utility>

#include "aio/time.h"
#include "disco/messages.h"
#include "stun/message.h"

namespace sinew::node {
namespace {

constexpr std::uint8_t kSignalByte = 0xC1;
constexpr std::uint8_t kRelayedByte = 0xE1;
// Later than a timer was set for: the machine has slept.
constexpr Duration kSleptFor = 5s;
constexpr Duration kLongestWait = 1h;

signal::Client::Config signal_config(const Mesh::Identity& identity,
                                     const crypto::X25519PrivateKey& disco,
                                     const Configuration& configuration) {
  const auto& vip = configuration.vip;
  return {.key = identity.cluster.clone(),
          .node = identity.node.clone(),
          .disco = {disco.public_key()},
          .name = configuration.name,
          .wanted_v4 = vip && vip->is_v4() ? vip : std::nullopt,
          .wanted_v6 = vip && vip->is_v6() ? vip : std::nullopt,
          .is_wanted_required = vip.has_value(),
          .replaces = false,
          .is_sealed = configuration.settings.is_metadata_sealed,
          .nucleus_key = std::nullopt};
}

}  // namespace

Result<std::unique_ptr<Mesh>> Mesh::create(const Parts& parts, Identity identity,
                                           const Configuration& configuration) {
  std::unique_ptr<Mesh> mesh(
      new Mesh(parts, std::move(identity), configuration, TRY(os::TimerFd::create())));
  mesh->inbox_ready_ = TRY(aio::Readiness::watch(*parts.runtime, parts.inbox->fd()));
  mesh->timer_ready_ = TRY(aio::Readiness::watch(*parts.runtime, mesh->timer_.fd()));
  mesh->reach_ = TRY(Reach::open(*parts.runtime, *parts.rng, *parts.packets, *mesh, parts.log));
  return mesh;
}

Mesh::Mesh(const Parts& parts, Identity identity, const Configuration& configuration,
           os::TimerFd timer)
    : runtime_(*parts.runtime),
      packets_(*parts.packets),
      inbox_(*parts.inbox),
      log_(parts.log),
      identity_(std::move(identity)),
      public_key_(identity_.node.public_key()),
      disco_(crypto::X25519PrivateKey::generate(*parts.rng)),
      admission_(identity_.cluster.relay_admission_key()),
      configuration_(configuration),
      settings_(configuration.settings),
      progress_(runtime_),
      changed_(runtime_),
      timer_(std::move(timer)),
      paths_(*parts.rng, disco_, public_key_, path_settings()),
      signal_(*parts.rng, signal_config(identity_, disco_, configuration),
              configuration.nuclei.size()),
      peers_(std::make_unique<Peers>(packets_, paths_, log_)),
      relays_(std::make_unique<RelayLinks>(
          runtime_, *parts.rng,
          RelayLinks::Identity{.key = &identity_.node, .admission = &admission_}, packets_,
          static_cast<RelayListener&>(*this), log_)),
      nuclei_(std::make_unique<NucleusLinks>(runtime_, *parts.rng, configuration.nuclei, signal_,
                                             packets_, static_cast<NucleusLinks::Listener&>(*this),
                                             log_)),
      sockets_(std::make_unique<SideSockets>(runtime_, static_cast<SideSockets::Listener&>(*this))),
      tasks_(runtime_) {}

Mesh::~Mesh() = default;

void Mesh::start() {
  reach_->set_settings(settings_);
  reach_->start();
  nuclei_->start();
  tasks_.start("inbox", read_inbox());
  tasks_.start("timer", watch_timer());
  tasks_.start("mesh", drive());
}

aio::Task<> Mesh::leave() {
  constexpr Duration kPatience = 1500ms;
  signal_.leave(runtime_.clock().now());
  reach_->release();
  wake();
  const MonoTime end = runtime_.clock().now() + kPatience;
  while (!has_left_) {
    const Duration left = end - runtime_.clock().now();
    if (left <= Duration::zero()) co_return;
    const Result<> waited = co_await aio::with_timeout(progress_.wait(), left);
    if (!waited && waited.error().kind != ErrorKind::kTimeout) co_return;
  }
}

aio::Task<> Mesh::stop() {
  co_await reach_->stop();
  co_await nuclei_->stop();
  co_await relays_->stop();
  co_await sockets_->stop();
  co_await tasks_.stop();
}

void Mesh::set_settings(const Settings& settings) {
  settings_ = settings;
  paths_.set_settings(path_settings(), runtime_.clock().now());
  reach_->set_settings(settings);
  take_relays();
  tell_reach(runtime_.clock().now());
  wake();
}

void Mesh::check_network() {
  reach_->survey(runtime_.clock().now());
  wake();
}

path::Settings Mesh::path_settings() const {
  path::Settings settings;
  settings.is_relay_allowed = settings_.uses_relay;
  settings.is_probing = settings_.is_probing;
  settings.has_ipv6 = settings_.uses_ipv6;
  settings.prefers_ipv6 = settings_.prefers_ipv6;
  settings.ipv6_threshold = settings_.ipv6_threshold;
  settings.happy_eyeballs_delay = settings_.happy_eyeballs_delay;
  if (self_.v4) settings.inner_networks.push_back(IpPrefix::around(*self_.v4, self_.v4_length));
  if (self_.v6) settings.inner_networks.push_back(IpPrefix::around(*self_.v6, self_.v6_length));
  return settings;
}

// ----------------------------------------------------------------------------- what is being told

void Mesh::relay_is_up(netmap::RelayId relay) {
  paths_.set_relay_available(relay, settings_.uses_relay, runtime_.clock().now());
  if (relay == relays_->home()) {
    homeless_since_ = MonoTime::never();
    if (!std::exchange(milestones_.has_relay, true)) progress_.notify();
    told_home_ = relay;
    tell_reach(runtime_.clock().now());
  }
  wake();
}

void Mesh::relay_is_down(netmap::RelayId relay) {
  paths_.set_relay_available(relay, false, runtime_.clock().now());
  if (relay == relays_->home()) {
    milestones_.has_relay = false;
    homeless_since_ = runtime_.clock().now();
  }
  wake();
}

void Mesh::take_relayed(const netmap::NodeKey& from, ByteView packet) {
  const Peers::Entry* const peer = peers_->find(from);
  if (peer == nullptr) return incoming_.keep(from, packet, runtime_.clock().now());
  if (!disco::is_disco(packet)) return packets_.inject(peer->detour, packet);
  paths_.feed(packet, path::Relayed{from}, runtime_.clock().now());
  wake();
}

void Mesh::signal_changed() {
  take_servers();
  wake();
}

void Mesh::take_side_datagram(ByteView datagram, const path::Direct& from) {
  if (disco::is_disco(datagram)) {
    paths_.feed(datagram, from, runtime_.clock().now());
    return wake();
  }
  // WireGuard's, of whichever peer is reached through that socket.
  if (const Peers::Entry* const peer = peers_->find_beside(from))
    packets_.inject(peer->detour, datagram);
}

void Mesh::reach_changed() {
  tell_reach(runtime_.clock().now());
  wake();
}

void Mesh::network_changed() {
  const MonoTime now = runtime_.clock().now();
  log_.info("the network of this machine has changed");
  packets_.network_changed();
  nuclei_->network_changed();
  signal_.network_changed(now);
  relays_->network_changed(now);
  paths_.network_changed(now);
  tell_reach(now);
  wake();
}

void Mesh::tell_reach(MonoTime now) {
  std::vector<netmap::Candidate> candidates = reach_->candidates();
  if (const auto observed = signal_.observed()) {
    const bool is_known =
        std::ranges::find(candidates, *observed, &netmap::Candidate::endpoint) != candidates.end();
    if (!is_known && !observed->address.is_loopback())
      candidates.push_back({*observed, netmap::CandidateKind::kObserved});
  }
  if (!settings_.uses_ipv6)
    std::erase_if(candidates, [](const auto& each) { return each.endpoint.address.is_v6(); });
  std::erase_if(candidates, [&](const auto& each) {
    return each.endpoint.address == self_.v4 || each.endpoint.address == self_.v6;
  });
  if (candidates.size() > netmap::kMaxCandidates) candidates.resize(netmap::kMaxCandidates);
  const netmap::Connectivity connectivity = reach_->connectivity();
  paths_.set_local(candidates, connectivity, now);
  signal_.set_local(
      {.candidates = std::move(candidates), .connectivity = connectivity, .home = told_home_}, now);
}

// ------------------------------------------------------------------------------ from the packet
// path

aio::Task<> Mesh::read_inbox() {
  while (true) {
    const Result<> ready = co_await inbox_ready_->readable();
    if (!ready) co_return;
    const MonoTime now = runtime_.clock().now();
    for (const News& news : inbox_.drain())
      take_news(news, now);
    wake();
    // What never stops coming must not keep the others waiting.
    co_await aio::yield();
  }
}

void Mesh::take_news(const News& news, MonoTime now) {
  switch (news.kind) {
    case News::Kind::kDatagram:
      for_each_datagram(news, [&](ByteView each) { take_datagram(each, news.from, now); });
      break;
    case News::Kind::kDetour: take_detour(news, now); break;
    case News::Kind::kWanted: paths_.note_wanted(news.peer, now); break;
    case News::Kind::kHeard:
      if (news.detour.value() == 0)
        paths_.note_received(news.peer, path::Direct{news.from, path::kMainSocket}, now);
      break;
    case News::Kind::kStopped:
      milestones_.has_stopped = true;
      progress_.notify();
      break;
  }
}

void Mesh::take_datagram(ByteView datagram, const Endpoint& from, MonoTime now) {
  if (datagram.empty()) return;
  if (disco::is_disco(datagram)) {
    paths_.feed(datagram, path::Direct{from, path::kMainSocket}, now);
  } else if (datagram[0] == kSignalByte) {
    signal_.feed(datagram, {.endpoint = from}, now);
  } else if (datagram[0] == kRelayedByte) {
    relays_->feed_datagram(datagram, from, now);
  } else if (stun::is_stun(datagram)) {
    reach_->feed(datagram, from, now);
  }
}

void Mesh::take_detour(const News& news, MonoTime now) {
  const Peers::Entry* const peer = peers_->find(news.detour);
  if (peer == nullptr) return;
  if (peer->route.is_direct()) {
    const path::Direct to = peer->route.direct;
    // Packets that were on their way here when the peer's route became direct.
    for_each_datagram(news, [&](ByteView each) {
      if (to.socket == path::kMainSocket) {
        static_cast<void>(packets_.send(to.endpoint, each));
      } else {
        sockets_->send(to, each);
      }
    });
    return;
  }
  if (!settings_.uses_relay) return;
  const bool is_found = relays_->knows(peer->record.home);
  for_each_datagram(news, [&](ByteView each) {
    if (is_found) {
      relays_->send(peer->record.home, peer->record.key, each, now);
    } else {
      outgoing_.keep(peer->record.key, each, now);
    }
  });
}

void Mesh::send_outgoing(const Peers::Entry& peer, MonoTime now) {
  if (!settings_.uses_relay || !relays_->knows(peer.record.home)) return;
  for (const Bytes& packet : outgoing_.take(peer.record.key, now))
    relays_->send(peer.record.home, peer.record.key, packet, now);
}

// ------------------------------------------------------------------------------------------
// driving

void Mesh::wake() {
  is_dirty_ = true;
  changed_.notify();
}

aio::Task<> Mesh::watch_timer() {
  while (true) {
    const Result<> ready = co_await timer_ready_->readable();
    if (!ready) co_return;
    static_cast<void>(timer_.take_expiry());
    wake();
    co_await aio::yield();
  }
}

aio::Task<> Mesh::drive() {
  while (true) {
    is_dirty_ = false;
    const MonoTime now = runtime_.clock().now();
    note_sleep(now);
    expire(now);
    pump(now);
    timer_at_ = std::min(deadline(), now + kLongestWait);
    timer_.set(timer_at_);
    if (is_dirty_) {
      co_await aio::yield();
      const bool is_over = co_await aio::is_cancelled();
      if (is_over) co_return;
      continue;
    }
    const Result<> waited = co_await changed_.wait();
    if (!waited) co_return;
  }
}

// A machine that slept wakes up elsewhere, and is forgotten everywhere.
void Mesh::note_sleep(MonoTime now) {
  if (timer_at_ == MonoTime::never() || now < timer_at_ + kSleptFor) return;
  log_.info("time has passed unnoticed", {{"by", now - timer_at_}});
  timer_at_ = MonoTime::never();
  network_changed();
}

void Mesh::expire(MonoTime now) {
  if (paths_.deadline() <= now) paths_.expire(now);
  if (signal_.deadline() <= now) signal_.expire(now);
  if (relays_->deadline() <= now) relays_->expire(now);
  if (reach_->deadline() <= now) reach_->expire(now);
  if (homeless_since_ + kHomePatience <= now) move_home(now);
}

MonoTime Mesh::deadline() const {
  return std::min({paths_.deadline(), signal_.deadline(), relays_->deadline(), reach_->deadline(),
                   homeless_since_ + kHomePatience});
}

void Mesh::pump(MonoTime now) {
  bool has_more = true;
  while (has_more) {
    has_more = false;
    while (const auto event = signal_.next_event()) {
      take_signal(*event, now);
      has_more = true;
    }
    while (const auto event = paths_.next_event()) {
      carry_out(*event, now);
      has_more = true;
    }
    while (const auto transmit = paths_.next_transmit())
      send(*transmit, now);
    while (const auto sending = signal_.next_transmit())
      nuclei_->send(*sending);
  }
  reach_->pump();
}

void Mesh::carry_out(const path::Event& event, MonoTime now) {
  if (const auto* route = std::get_if<path::RouteChanged>(&event)) {
    peers_->take_route(*route, runtime_.clock().wall_now());
  } else if (const auto* punch = std::get_if<path::PunchWanted>(&event)) {
    signal_.punch(punch->peer, punch->candidates, now);
  } else if (const auto* wanted = std::get_if<path::SocketsWanted>(&event)) {
    sockets_->open(*wanted);
  } else if (const auto* released = std::get_if<path::SocketsReleased>(&event)) {
    sockets_->close(*released);
  }
}

void Mesh::send(const path::Transmit& transmit, MonoTime now) {
  if (const auto* direct = std::get_if<path::Direct>(&transmit.to)) {
    if (direct->socket != path::kMainSocket) return sockets_->send(*direct, transmit.bytes);
    static_cast<void>(packets_.send(direct->endpoint, transmit.bytes));
    return;
  }
  const auto& relayed = std::get<path::Relayed>(transmit.to);
  const Peers::Entry* const peer = peers_->find(relayed.peer);
  if (peer != nullptr) relays_->send(peer->record.home, relayed.peer, transmit.bytes, now);
}

// ----------------------------------------------------------------------------------- from the
// nuclei

void Mesh::take_signal(const signal::Group::Event& event, MonoTime now) {
  using signal::Client;
  if (const auto* registered = std::get_if<Client::RegisteredEvent>(&event.event)) {
    take_self(registered->self);
    tell_reach(now);
  } else if (const auto* change = std::get_if<Client::MapChangedEvent>(&event.event)) {
    take_map(*change, now);
  } else if (const auto* punch = std::get_if<Client::PunchEvent>(&event.event)) {
    paths_.punch(punch->peer, punch->candidates, now);
  } else if (const auto* refused = std::get_if<Client::RefusedEvent>(&event.event)) {
    milestones_.refusal = refused->refused.text;
    log_.warning("the nucleus refuses us", {{"reason", refused->refused.text}});
    progress_.notify();
  } else if (std::holds_alternative<Client::ObservedEvent>(event.event)) {
    tell_reach(now);
  } else if (std::holds_alternative<Client::WantStreamEvent>(event.event)) {
    nuclei_->want_stream(event.nucleus);
  } else if (std::holds_alternative<Client::LostEvent>(event.event)) {
    log_.warning("no nucleus answers; what is connected stays so");
  } else if (std::holds_alternative<Client::BackEvent>(event.event)) {
    log_.info("a nucleus answers again");
  } else if (std::holds_alternative<Client::LeftEvent>(event.event)) {
    has_left_ = true;
    progress_.notify();
  }
}

void Mesh::take_self(const netmap::Self& self) {
  milestones_.refusal.clear();
  if (self != self_) {
    self_ = self;
    const auto set = packets_.set_addresses(self);
    if (!set) log_.error("the address cannot be used", {{"reason", set.error().message}});
    paths_.set_settings(path_settings(), runtime_.clock().now());
    log_.info("registered",
              {{"address", self.v4 ? self.v4->to_string() : "-"}, {"name", self.name}});
  }
  milestones_.is_registered = true;
  progress_.notify();
}

void Mesh::take_map(const signal::Client::MapChangedEvent& change, MonoTime now) {
  const netmap::NetMap& map = signal_.map();
  for (const netmap::NodeKey& key : change.removed)
    peers_->remove(key, now);
  for (const netmap::NodeKey& key : change.changed) {
    const auto found = map.peers.find(key);
    if (found == map.peers.end()) continue;
    peers_->upsert(found->second, now);
    for (const Bytes& packet : incoming_.take(key, now))
      take_relayed(key, packet);
    send_outgoing(*peers_->find(key), now);
  }
  if (change.have_relays_changed) take_relays();
  if (change.is_complete && !std::exchange(milestones_.has_map, true)) progress_.notify();
}

// The relays that may be used, each under a host where it is found: a nucleus that relays knows no
// name of its own, and is where we reach it.
void Mesh::take_relays() {
  std::map<netmap::RelayId, netmap::Relay> relays;
  if (settings_.uses_relay && settings_.relay) {
    const netmap::Relay chosen = record_of(*settings_.relay);
    relays[chosen.id] = chosen;
  }
  for (std::size_t nucleus = 0; nucleus < signal_.size(); ++nucleus) {
    for (const auto& [id, relay] : signal_.client(nucleus).map().relays) {
      if (!settings_.uses_relay || settings_.relay || relays.contains(id)) continue;
      netmap::Relay& usable = relays[id] = relay;
      if (usable.host.empty()) usable.host = nuclei_->name_of(nucleus).host;
    }
  }
  relays_->set_relays(relays);
  for (const auto& [id, unused] : relays)
    paths_.set_relay_available(id, relays_->can_carry(id), runtime_.clock().now());
  take_servers();
  const bool has_home = relays.contains(relays_->home());
  if (!has_home) {
    told_home_ = netmap::RelayId();
    relays_->set_home(relays.empty() ? netmap::RelayId() : relays.begin()->first);
    milestones_.has_relay = false;
    homeless_since_ = relays.empty() ? MonoTime::never() : runtime_.clock().now();
    tell_reach(runtime_.clock().now());
  }
  for (const auto& [unused, peer] : peers_->entries())
    send_outgoing(peer, runtime_.clock().now());
}

// One after the other, until one is connected: peers are told where to send to.
void Mesh::move_home(MonoTime now) {
  const std::vector<RelayLinks::Status> known = relays_->status();
  homeless_since_ = known.empty() ? MonoTime::never() : now;
  if (known.size() < 2) return;
  const auto connected = std::ranges::find(known, true, &RelayLinks::Status::is_up);
  auto next = connected;
  if (connected == known.end()) {
    const auto home = std::ranges::find(known, relays_->home(), &RelayLinks::Status::id);
    next = home == known.end() || home + 1 == known.end() ? known.begin() : home + 1;
  }
  log_.info("another relay becomes home", {{"relay", next->name}});
  relays_->set_home(next->id);
  if (next->is_up) {
    homeless_since_ = MonoTime::never();
    milestones_.has_relay = true;
    told_home_ = next->id;
  }
  tell_reach(now);
}

// Every nucleus answers STUN where it answers us; of relays, those whose host is an address.
void Mesh::take_servers() {
  std::vector<stun::Server> servers;
  const auto add = [&](const Endpoint& endpoint) {
    const bool is_known = std::ranges::any_of(servers, [&](const stun::Server& server) {
      return server.v4 == endpoint || server.v6 == endpoint;
    });
    if (is_known) return;
    stun::Server& server = servers.emplace_back();
    server.id = static_cast<std::uint16_t>(servers.size());
    (endpoint.address.is_v4() ? server.v4 : server.v6) = endpoint;
  };
  for (std::size_t nucleus = 0; nucleus < signal_.size(); ++nucleus) {
    for (const Endpoint& endpoint : nuclei_->endpoints_of(nucleus))
      add(endpoint);
  }
  for (const auto& [unused, relay] : signal_.map().relays) {
    const auto address = IpAddress::parse(relay.host);
    if (address && relay.udp_port) add({*address, *relay.udp_port});
  }
  reach_->set_servers(std::move(servers));
}

}  // namespace sinew::node
