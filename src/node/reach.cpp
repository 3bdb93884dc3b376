#include "node/reach.h"

#include <algorithm>
#include <utility>

#include "aio/time.h"

namespace sinew::node {
namespace {

netmap::NatBehaviour to_map(stun::Behaviour behaviour) {
  return static_cast<netmap::NatBehaviour>(behaviour);
}
static_assert(static_cast<int>(stun::Behaviour::kAddressAndPortDependent) ==
              static_cast<int>(netmap::NatBehaviour::kAddressAndPortDependent));

bool is_symmetric(const netmap::Connectivity& connectivity) {
  return connectivity.mapping == netmap::NatBehaviour::kAddressDependent ||
         connectivity.mapping == netmap::NatBehaviour::kAddressAndPortDependent;
}

// The IPv4 address of ours on the way to the gateway.
std::optional<IpAddress> own_towards(const netlink::HostNetwork& host,
                                     const netlink::Gateway& gateway) {
  for (const netlink::HostAddress& each : host.addresses) {
    const bool is_near =
        each.interface == gateway.interface && each.address.is_v4() &&
        IpPrefix::around(each.address, each.prefix_length).contains(gateway.address);
    if (is_near) return each.address;
  }
  return std::nullopt;
}

}  // namespace

Result<std::unique_ptr<Reach>> Reach::open(aio::Runtime& runtime, Rng& rng, PacketPath& packets,
                                           Listener& listener, const Log& log) {
  netlink::HostMonitor monitor = TRY(netlink::HostMonitor::open({packets.interface_number()}));
  std::unique_ptr<Reach> reach(new Reach(runtime, rng, packets, listener, log, std::move(monitor)));
  reach->monitor_ready_ = TRY(aio::Readiness::watch(runtime, reach->monitor_.fd()));
  return reach;
}

Reach::Reach(aio::Runtime& runtime, Rng& rng, PacketPath& packets, Listener& listener,
             const Log& log, netlink::HostMonitor monitor)
    : runtime_(runtime),
      packets_(packets),
      listener_(listener),
      log_(log.named("reach")),
      monitor_(std::move(monitor)),
      survey_(rng),
      port_(runtime, rng, *this, log_),
      tasks_(runtime) {}

Reach::~Reach() = default;

void Reach::start() {
  tasks_.start("host network", watch_host());
  ask_router();
}

void Reach::release() {
  port_.release();
}

aio::Task<> Reach::stop() {
  co_await port_.stop();
  co_await tasks_.stop();
}

void Reach::set_settings(const Settings& settings) {
  settings_ = settings;
  ask_router();
}

void Reach::set_servers(std::vector<stun::Server> servers) {
  const auto same = [](const stun::Server& a, const stun::Server& b) {
    return a.id == b.id && a.v4 == b.v4 && a.v6 == b.v6;
  };
  if (std::ranges::equal(servers, servers_, same)) return;
  servers_ = servers;
  survey_.set_servers(std::move(servers));
  survey(runtime_.clock().now());
}

void Reach::survey(MonoTime now) {
  next_survey_ = now + kSurveyInterval;
  if (servers_.empty()) return;
  survey_.begin(stun::Survey::Mode::kFull, own_endpoints(), now);
  pump();
}

bool Reach::feed(ByteView datagram, const Endpoint& from, MonoTime now) {
  return survey_.feed(datagram, from, now);
}

void Reach::expire(MonoTime now) {
  if (next_survey_ <= now) survey(now);
  if (survey_.deadline() <= now) survey_.expire(now);
  if (port_.deadline() <= now) port_.expire(now);
}

MonoTime Reach::deadline() const {
  return std::min({next_survey_, survey_.deadline(), port_.deadline()});
}

void Reach::pump() {
  while (const auto transmit = survey_.next_transmit())
    static_cast<void>(packets_.send(transmit->to, transmit->bytes));
  while (auto report = survey_.next_event()) {
    const bool is_news = report_ != *report;
    report_ = std::move(report);
    if (is_news) listener_.reach_changed();
  }
}

// ------------------------------------------------------------------------------ this machine

aio::Task<> Reach::watch_host() {
  while (true) {
    const Result<> ready = co_await monitor_ready_->readable();
    if (!ready) co_return;
    const Result<> settled = co_await aio::sleep_for(kSettleTime);
    if (!settled) co_return;
    const Result<bool> has_changed = monitor_.news();
    if (!has_changed) {
      log_.warning("the machine's addresses cannot be read",
                   {{"reason", has_changed.error().message}});
      continue;
    }
    if (!*has_changed) continue;
    ask_router();
    survey(runtime_.clock().now());
    listener_.network_changed();
  }
}

std::vector<Endpoint> Reach::own_endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const netlink::HostAddress& each : monitor_.network().addresses) {
    if (!each.address.is_link_local()) endpoints.push_back({each.address, packets_.port()});
  }
  return endpoints;
}

// -------------------------------------------------------------------------------- the router

void Reach::ask_router() {
  if (!settings_.uses_port_mapping) return port_.rest("switched off");
  const netlink::HostNetwork& host = monitor_.network();
  const auto own = host.gateway_v4 ? own_towards(host, *host.gateway_v4) : std::nullopt;
  if (!own || host.gateway_v4->address.is_unspecified()) return port_.rest("no router");
  port_.aim({.gateway = host.gateway_v4->address, .own = *own, .port = packets_.port()});
}

void Reach::port_changed() {
  listener_.reach_changed();
}

// ------------------------------------------------------------------------------- conclusions

std::vector<netmap::Candidate> Reach::candidates() const {
  std::vector<netmap::Candidate> all;
  const auto add = [&](const Endpoint& endpoint, netmap::CandidateKind kind) {
    if (endpoint.port == 0) return;
    if (std::ranges::find(all, endpoint, &netmap::Candidate::endpoint) == all.end())
      all.push_back({endpoint, kind});
  };
  if (port_.mapped()) add(*port_.mapped(), netmap::CandidateKind::kMapped);
  if (report_ && report_->v4) add(*report_->v4, netmap::CandidateKind::kReflexive);
  if (report_ && report_->v6) add(*report_->v6, netmap::CandidateKind::kReflexive);
  // Of a NAT that chooses another port for each destination, all that were seen, in their order:
  // where they count up, the peer foretells the next ones.
  if (is_symmetric(connectivity())) {
    for (const stun::Observation& each : report_->observations)
      add(each.mapped, netmap::CandidateKind::kReflexive);
  }
  for (const Endpoint& endpoint : own_endpoints())
    add(endpoint, netmap::CandidateKind::kLocal);
  return all;
}

netmap::Connectivity Reach::connectivity() const {
  netmap::Connectivity connectivity;
  connectivity.has_port_mapping = port_.mapped().has_value();
  if (!report_) return connectivity;
  connectivity.has_udp = report_->has_udp;
  connectivity.mapping = to_map(report_->mapping);
  connectivity.filtering = to_map(report_->filtering);
  return connectivity;
}

}  // namespace sinew::node
