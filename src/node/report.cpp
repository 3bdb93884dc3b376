#include "node/report.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "stun/survey.h"

namespace sinew::node {
namespace {

json::Value in_ms(const std::optional<Duration>& duration) {
  if (!duration) return {};
  const auto tenths = duration_cast<std::chrono::microseconds>(*duration).count() / 100;
  return static_cast<double>(tenths) / 10;
}

json::Value in_seconds(Duration duration) {
  return duration_cast<std::chrono::seconds>(duration).count();
}

template <typename T>
json::Value text_or_null(const std::optional<T>& value) {
  return value ? json::Value(value->to_string()) : json::Value();
}

json::Value yes_no_unknown(const std::optional<bool>& value) {
  return value ? json::Value(*value) : json::Value();
}

std::string_view name_of(netmap::NatBehaviour behaviour) {
  switch (behaviour) {
    case netmap::NatBehaviour::kUnknown: return "unknown";
    case netmap::NatBehaviour::kNone: return "none";
    case netmap::NatBehaviour::kEndpointIndependent: return "endpoint-independent";
    case netmap::NatBehaviour::kAddressDependent: return "address-dependent";
    case netmap::NatBehaviour::kAddressAndPortDependent: return "address-and-port-dependent";
  }
  return "unknown";
}

// What people call it.
std::string_view nat_kind(const netmap::Connectivity& connectivity) {
  using enum netmap::NatBehaviour;
  if (!connectivity.has_udp) return "UDP blocked";
  switch (connectivity.mapping) {
    case kUnknown: return "unknown";
    case kNone:
      return connectivity.filtering == kAddressAndPortDependent ? "no NAT, firewall" : "no NAT";
    case kAddressDependent:
    case kAddressAndPortDependent: return "symmetric";
    case kEndpointIndependent: break;
  }
  switch (connectivity.filtering) {
    case kEndpointIndependent: return "full cone";
    // A server with one address cannot tell these two apart.
    case kAddressDependent: return "full or address-restricted cone";
    case kAddressAndPortDependent: return "port-restricted cone";
    default: return "cone";
  }
}

json::Value report_nuclei(const Mesh& mesh) {
  json::Value::Array all;
  for (std::size_t i = 0; i < mesh.signal().size(); ++i) {
    const signal::Client& client = mesh.signal().client(i);
    const auto route = client.route();
    all.push_back(json::Value::object({
        {"name", mesh.nuclei().name_of(i).to_string()},
        {"state", signal::name_of(client.state())},
        {"transport", !route ? json::Value() : json::Value(route->is_udp() ? "udp" : "tcp")},
        {"observed", text_or_null(client.observed())},
        {"round_trip_ms", in_ms(client.round_trip())},
        {"problem", mesh.nuclei().last_error(i)},
    }));
  }
  return all;
}

json::Value report_relays(const Mesh& mesh) {
  json::Value::Array all;
  for (const RelayLinks::Status& relay : mesh.relays().status()) {
    all.push_back(json::Value::object({
        {"name", relay.name},
        {"address", relay.address},
        {"is_home", relay.is_home},
        {"is_connected", relay.is_up},
        {"transport", relay.is_over_udp ? "udp" : "tcp"},
        {"round_trip_ms", in_ms(relay.round_trip)},
        {"problem", relay.last_error},
    }));
  }
  return all;
}

json::Value report_history(const path::Description& description, MonoTime now) {
  json::Value::Array all;
  for (const path::HistoryEntry& entry : description.history) {
    all.push_back(json::Value::object({
        {"seconds_ago", in_seconds(now - entry.at)},
        {"route", entry.route.to_string()},
        {"because", path::text_of(entry.change)},
    }));
  }
  return all;
}

json::Value report_peer(const Mesh& mesh, const Peers::Entry& peer, const PeerTraffic& traffic,
                        MonoTime now, WallTime wall) {
  const auto description = mesh.paths().describe(peer.record.key, now);
  json::Value value = json::Value::object({
      {"name", peer.record.name},
      {"address", text_or_null(peer.record.v4)},
      {"address_v6", text_or_null(peer.record.v6)},
      {"state", peer.record.is_online ? "online" : "offline"},
      {"route", route_text(mesh, peer)},
      {"round_trip_ms", in_ms(description ? description->rtt : std::nullopt)},
      {"loss_permille", description ? description->loss_permille : 0},
      {"rx_bytes", traffic.rx_bytes},
      {"tx_bytes", traffic.tx_bytes},
      {"last_handshake_seconds_ago",
       traffic.last_handshake ? in_seconds(wall - *traffic.last_handshake) : json::Value()},
      {"nat", nat_kind(peer.record.connectivity)},
      {"public_key", peer.record.key.to_string()},
  });
  json::Value::Object& fields = *value.as_object();
  fields.push_back({"why_not_direct", description && description->why
                                          ? json::Value(path::text_of(*description->why))
                                          : json::Value()});
  fields.push_back(
      {"history", description ? report_history(*description, now) : json::Value::Array()});
  return value;
}

}  // namespace

std::string route_text(const Mesh& mesh, const Peers::Entry& peer) {
  if (peer.route.is_direct()) return "direct " + peer.route.direct.endpoint.to_string();
  if (peer.route.kind == path::RouteKind::kNone) return "-";
  for (const RelayLinks::Status& relay : mesh.relays().status()) {
    if (relay.id == peer.record.home) return "relay " + relay.name;
  }
  return "relay";
}

json::Value report_status(const Mesh& mesh, const Configuration& configuration) {
  const auto& peers = mesh.peers().entries();
  const auto count = [&](auto&& predicate) {
    return static_cast<std::int64_t>(
        std::ranges::count_if(peers, [&](const auto& each) { return predicate(each.second); }));
  };
  const netmap::Self& self = mesh.map().self;
  const auto connectivity = mesh.reach().connectivity();
  const bool is_registered = mesh.signal().state() == signal::Client::State::kRegistered;
  return json::Value::object({
      {"state", is_registered ? "connected" : "connecting"},
      {"name", self.name.empty() ? configuration.name : self.name},
      {"cluster", configuration.cluster},
      {"mode", node::name_of(configuration.mode)},
      {"address", text_or_null(self.v4)},
      {"address_v6", text_or_null(self.v6)},
      {"interface", configuration.interface},
      {"port", mesh.packets().port()},
      {"public_key", mesh.public_key().to_string()},
      {"nat", nat_kind(connectivity)},
      {"nuclei", report_nuclei(mesh)},
      {"relays", report_relays(mesh)},
      {"peers", json::Value::object({
                    {"known", peers.size()},
                    {"online", count([](const auto& p) { return p.record.is_online; })},
                    {"direct", count([](const auto& p) { return p.route.is_direct(); })},
                    {"relayed",
                     count([](const auto& p) { return p.route.kind == path::RouteKind::kRelay; })},
                })},
      {"refusal", mesh.milestones().refusal},
      {"dropped", mesh.dropped()},
  });
}

json::Value report_peers(const Mesh& mesh, MonoTime now, WallTime wall) {
  std::map<netmap::NodeKey, PeerTraffic> traffic;
  for (const PeerTraffic& each : mesh.packets().traffic())
    traffic[each.key] = each;
  json::Value::Array all;
  std::vector<const Peers::Entry*> by_name;
  for (const auto& [unused, peer] : mesh.peers().entries())
    by_name.push_back(&peer);
  std::ranges::sort(by_name, {}, [](const Peers::Entry* peer) {
    return std::pair(std::string_view(peer->record.name), peer->record.key);
  });
  for (const Peers::Entry* peer : by_name)
    all.push_back(report_peer(mesh, *peer, traffic[peer->record.key], now, wall));
  return all;
}

json::Value report_netcheck(Mesh& mesh) {
  const Reach& reach = mesh.reach();
  const netmap::Connectivity connectivity = reach.connectivity();
  const std::optional<stun::Report>& report = reach.report();
  json::Value::Array candidates;
  for (const netmap::Candidate& each : reach.candidates())
    candidates.emplace_back(each.endpoint.to_string());
  json::Value::Array latencies;
  for (const stun::Latency& each : report ? report->latencies : std::vector<stun::Latency>()) {
    latencies.push_back(json::Value::object({
        {"server", each.server},
        {"over", each.over_v6 ? "ipv6" : "ipv4"},
        {"round_trip_ms", in_ms(each.round_trip)},
    }));
  }
  const auto gateway = reach.host().gateway_v4;
  return json::Value::object({
      {"udp", report ? json::Value(report->has_udp) : json::Value()},
      {"ipv4", report && report->v4 ? json::Value(report->v4->to_string()) : json::Value()},
      {"ipv6", report && report->v6 ? json::Value(report->v6->to_string()) : json::Value()},
      {"nat", nat_kind(connectivity)},
      {"mapping", name_of(connectivity.mapping)},
      {"filtering", name_of(connectivity.filtering)},
      {"hairpin", yes_no_unknown(report ? report->hairpins : std::nullopt)},
      {"gateway", gateway ? json::Value(gateway->address.to_string()) : json::Value()},
      {"port_mapping", reach.mapping_note()},
      {"mapped", text_or_null(reach.mapped())},
      {"candidates", std::move(candidates)},
      {"latencies", std::move(latencies)},
      {"relays", report_relays(mesh)},
  });
}

}  // namespace sinew::node
