#include "sim/world.h"

#include <algorithm>
#include <cstdlib>

#include "base/verify.h"

namespace sinew::sim {
namespace {

constexpr Duration kInRelay = 2ms;
constexpr Duration kInNucleus = 5ms;
constexpr Duration kNoticesAfter = 1s;
constexpr std::uint8_t kDataByte = 4;

netmap::NatBehaviour behaviour_of(Rule rule) {
  switch (rule) {
    case Rule::kIndependent: return netmap::NatBehaviour::kEndpointIndependent;
    case Rule::kByAddress: return netmap::NatBehaviour::kAddressDependent;
    case Rule::kByAddressAndPort: return netmap::NatBehaviour::kAddressAndPortDependent;
  }
  VERIFY_NOT_REACHED();
}

std::size_t from_environment(const char* name, std::size_t usual) {
  const char* text = std::getenv(name);
  if (text == nullptr) return usual;
  return parse_decimal(text, 100'000'000).value_or(static_cast<std::uint32_t>(usual));
}

}  // namespace

std::string name_of(Access access) {
  switch (access) {
    case Access::kPublic: return "public";
    case Access::kFullCone: return "full cone";
    case Access::kAddressRestricted: return "address-restricted";
    case Access::kPortRestricted: return "port-restricted";
    case Access::kSymmetric: return "symmetric";
    case Access::kSymmetricCgnat: return "symmetric behind CGNAT";
    case Access::kUdpBlocked: return "UDP blocked";
    case Access::kPortMapped: return "port-mapped";
    case Access::kCounting: return "symmetric, counting";
  }
  VERIFY_NOT_REACHED();
}

NatKind nat_of(Access access) {
  NatKind kind;
  switch (access) {
    case Access::kFullCone: kind.filtering = Rule::kIndependent; break;
    case Access::kAddressRestricted: kind.filtering = Rule::kByAddress; break;
    case Access::kSymmetric:
    case Access::kSymmetricCgnat:
      kind.mapping = Rule::kByAddressAndPort;
      kind.ports = Ports::kRandom;
      break;
    case Access::kCounting:
      kind.mapping = Rule::kByAddressAndPort;
      kind.ports = Ports::kSequential;
      break;
    case Access::kPortMapped:
      kind.mapping = Rule::kByAddressAndPort;
      kind.ports = Ports::kRandom;
      kind.opens_ports = true;
      break;
    default: break;
  }
  return kind;
}

bool is_symmetric(Access access) {
  return access == Access::kSymmetric || access == Access::kSymmetricCgnat ||
         access == Access::kCounting;
}

bool can_be_direct(Access a, Access b) {
  if (a == Access::kUdpBlocked || b == Access::kUdpBlocked) return false;
  if (a == Access::kCounting && b == Access::kCounting) return true;
  return !is_symmetric(a) || !is_symmetric(b);
}

bool takes_guessing(Access a, Access b) {
  if (is_symmetric(a) && is_symmetric(b)) return true;
  return (is_symmetric(a) && b == Access::kPortRestricted) ||
         (is_symmetric(b) && a == Access::kPortRestricted);
}

std::size_t seed_count(std::size_t usual) {
  return from_environment("SINEW_SIM_SEEDS", usual);
}
std::uint64_t first_seed() {
  return from_environment("SINEW_SIM_SEED", 1);
}

Node::Node(World& world, std::uint16_t number, path::Settings settings)
    : world_(world), number_(number), settings_(std::move(settings)) {
  std::array<std::uint8_t, 32> bytes{};
  world_.net.rng().fill(bytes);
  key_ = netmap::NodeKey(bytes);
  latency = Duration(1ms) + Duration(world_.net.rng().below(40'000'000));
}

std::string Node::why_not_direct(const Node& peer) const {
  const auto description = agent_->describe(peer.key_, world_.now());
  if (!description || !description->why) return "";
  return std::string(path::text_of(*description->why));
}

netmap::Peer Node::record() const {
  return {.key = key_,
          .disco = {disco_->public_key()},
          .name = {},
          .v4 = {},
          .v6 = {},
          .candidates = candidates_,
          .home = kRelay,
          .connectivity = connectivity_};
}

void Node::restart() {
  rng_ = std::make_unique<SeededRng>(world_.net.rng().number<std::uint64_t>());
  disco_ = crypto::X25519PrivateKey::generate(*rng_);
  agent_ = std::make_unique<path::Agent>(*rng_, *disco_, key_, settings_);
  agent_->set_relay_available(kRelay, world_.is_relay_up, world_.now());
  sockets_ = {{0, kTunnelPort}};
  ports_ = {{kTunnelPort, 0}};
  wanted_noted_.clear();
  direct_since_.clear();
  wakes_at_ = MonoTime::never();
  for (const auto& peer : world_.nodes) {
    if (peer.get() != this && peer->agent_) agent_->upsert_peer(peer->record(), world_.now());
  }
  survey();
}

void Node::move_to(Realm& target, bool has_v6) {
  world_.net.unplug(*this);
  world_.net.plug(*this, target, has_v6);
  mapped_.reset();
  agent_->network_changed(world_.now());
  flush();
  world_.net.in(300ms, [this] { survey(); });
}

void Node::survey() {
  candidates_.clear();
  connectivity_ = {.has_udp = !is_udp_blocked,
                   .mapping = netmap::NatBehaviour::kNone,
                   .filtering = netmap::NatBehaviour::kNone};
  for (Nat* nat = realm->gateway; nat != nullptr; nat = nat->outer()->gateway) {
    connectivity_.mapping = std::max(connectivity_.mapping, behaviour_of(nat->kind().mapping));
    connectivity_.filtering =
        std::max(connectivity_.filtering, behaviour_of(nat->kind().filtering));
    if (nat->kind().opens_ports) {
      if (!mapped_) mapped_ = nat->open_port({.address = *v4, .port = kTunnelPort});
      connectivity_.has_port_mapping = true;
      candidates_.push_back({.endpoint = *mapped_, .kind = netmap::CandidateKind::kMapped});
    }
  }
  const auto add = [&](const std::optional<Endpoint>& endpoint, netmap::CandidateKind kind) {
    if (!endpoint) return;
    const bool is_known = std::ranges::any_of(
        candidates_, [&](const auto& candidate) { return candidate.endpoint == *endpoint; });
    if (!is_known) candidates_.push_back({.endpoint = *endpoint, .kind = kind});
  };
  if (v4) add(Endpoint{*v4, kTunnelPort}, netmap::CandidateKind::kLocal);
  if (v6) add(Endpoint{*v6, kTunnelPort}, netmap::CandidateKind::kLocal);
  for (std::uint16_t port = 3478; port < 3481; ++port) {
    add(world_.net.reflexive(*this, kTunnelPort, {IpAddress::v4(198, 50, 0, 1), port}),
        netmap::CandidateKind::kReflexive);
  }
  agent_->set_local(candidates_, connectivity_, world_.now());
  flush();
  world_.publish(*this);
}

void Node::send_data(Node& to) {
  if (!is_running) return;
  const auto noted = wanted_noted_.find(to.number_);
  if (noted == wanted_noted_.end() || world_.now() >= noted->second + 2s) {
    wanted_noted_[to.number_] = world_.now();
    agent_->note_wanted(to.key_, world_.now());
    flush();
  }
  const path::Route route = route_to(to);
  if (route.kind == path::RouteKind::kNone) return;
  Bytes bytes(kFullPacket);
  bytes[0] = kDataByte;
  store_be(&bytes[4], number_);
  if (route.kind == path::RouteKind::kRelay) return world_.relay(*this, to.key_, std::move(bytes));
  const auto socket = sockets_.find(route.direct.socket.value());
  if (socket == sockets_.end()) return;
  const auto from = source_for(route.direct.endpoint.address, socket->second);
  if (!from) return;
  world_.net.send(*this, {.from = *from, .to = route.direct.endpoint, .bytes = std::move(bytes)});
}

void Node::receive(const Packet& packet, MonoTime now) {
  const auto number = ports_.find(packet.to.port);
  if (number == ports_.end()) return;
  const path::Direct from{.endpoint = packet.from, .socket = path::SocketNumber(number->second)};
  if (packet.bytes.at(0) == kDataByte) {
    return take_data(*world_.nodes.at(load_be<std::uint16_t>(&packet.bytes[4])), from);
  }
  bytes_received += packet.bytes.size() + 28;
  agent_->feed(packet.bytes, from, now);
  flush();
}

void Node::receive_relayed(Node& from, const Bytes& bytes) {
  if (!is_running) return;
  if (bytes.at(0) == kDataByte) return take_data(from, path::Relayed{from.key_});
  bytes_received += bytes.size() + 28;
  agent_->feed(bytes, path::Relayed{from.key_}, world_.now());
  flush();
}

void Node::take_data(Node& from, const path::Way& way) {
  Heard& heard = heard_[from.number_];
  const MonoTime now = world_.now();
  if (heard.packets == 0) heard.first = heard.last = now;
  heard.longest_gap = std::max(heard.longest_gap, now - heard.last);
  heard.last = now;
  ++heard.packets;
  heard.by_relay += std::holds_alternative<path::Relayed>(way) ? 1 : 0;
  if (heard.noted_at && now < *heard.noted_at + 500ms) return;
  heard.noted_at = now;
  agent_->note_received(from.key_, way, now);
  flush();
}

void Node::flush() {
  while (const auto event = agent_->next_event())
    handle(*event);
  while (const auto out = agent_->next_transmit())
    transmit(*out);
  schedule();
}

void Node::handle(const path::Event& event) {
  if (const auto* changed = std::get_if<path::RouteChanged>(&event)) {
    if (changed->route.is_direct()) {
      direct_since_.try_emplace(changed->peer, world_.now());
    } else {
      direct_since_.erase(changed->peer);
    }
  } else if (const auto* wanted = std::get_if<path::PunchWanted>(&event)) {
    world_.punch(*this, wanted->peer, wanted->candidates);
  } else if (const auto* open = std::get_if<path::SocketsWanted>(&event)) {
    for (std::size_t i = 0; i < open->count; ++i) {
      const auto socket = static_cast<std::uint16_t>(open->first.value() + i);
      VERIFY(sockets_.emplace(socket, next_port_).second);
      ports_.emplace(next_port_++, socket);
    }
  } else if (const auto* shut = std::get_if<path::SocketsReleased>(&event)) {
    for (std::size_t i = 0; i < shut->count; ++i) {
      const auto found = sockets_.find(static_cast<std::uint16_t>(shut->first.value() + i));
      VERIFY(found != sockets_.end());
      ports_.erase(found->second);
      sockets_.erase(found);
    }
  }
}

void Node::transmit(const path::Transmit& transmit) {
  ++datagrams_sent;
  bytes_sent += transmit.bytes.size() + 28;
  if (const auto* relayed = std::get_if<path::Relayed>(&transmit.to)) {
    return world_.relay(*this, relayed->peer, transmit.bytes);
  }
  const path::Direct& direct = std::get<path::Direct>(transmit.to);
  const auto socket = sockets_.find(direct.socket.value());
  VERIFY(socket != sockets_.end());
  const auto from = source_for(direct.endpoint.address, socket->second);
  if (from) world_.net.send(*this, {.from = *from, .to = direct.endpoint, .bytes = transmit.bytes});
}

void Node::schedule() {
  const MonoTime due = agent_->deadline();
  if (due == MonoTime::never() || wakes_at_ <= due) return;
  wakes_at_ = due;
  path::Agent* const self = agent_.get();
  world_.net.at(due, [this, self, due] {
    if (agent_.get() != self || wakes_at_ != due) return;
    wakes_at_ = MonoTime::never();
    if (!is_running) return;
    agent_->expire(world_.now());
    VERIFY(agent_->deadline() > world_.now());
    flush();
  });
}

std::optional<Endpoint> Node::source_for(const IpAddress& to, std::uint16_t port) const {
  const auto& own = to.is_v4() ? v4 : v6;
  if (!own) return {};
  return Endpoint{.address = *own, .port = port};
}

std::optional<MonoTime> Node::direct_since(const Node& peer) const {
  const auto found = direct_since_.find(peer.key_);
  return found == direct_since_.end() ? std::nullopt : std::optional(found->second);
}

World::World(std::uint64_t seed) : net(seed) {}

Realm& World::add_site(Access access) {
  if (access == Access::kPublic) return net.world();
  if (access != Access::kSymmetricCgnat) return net.add_site(nat_of(access), net.world());
  Realm& carrier = net.add_site(nat_of(access), net.world());
  return net.add_site(nat_of(Access::kPortRestricted), carrier);
}

Node& World::add(Access access, bool has_v6) {
  Node& node = add_to(add_site(access), has_v6);
  node.is_udp_blocked = access == Access::kUdpBlocked;
  return node;
}

Node& World::add_to(Realm& realm, bool has_v6) {
  const auto number = static_cast<std::uint16_t>(nodes.size());
  Node& node = *nodes.emplace_back(std::make_unique<Node>(*this, number, settings));
  net.plug(node, realm, has_v6);
  return node;
}

void World::start() {
  for (const auto& node : nodes)
    node->restart();
  for (const auto& node : nodes)
    survey_again(*node);
  run_for(1s);
}

void World::survey_again(Node& node) {
  const auto spread = static_cast<std::uint64_t>(survey_interval.count() / 10);
  net.in(survey_interval + Duration(net.rng().below(spread)), [this, &node] {
    if (node.is_running) node.survey();
    survey_again(node);
  });
}

void World::talk(Node& a, Node& b, Duration span, Duration every) {
  const MonoTime end = now() + span;
  while (now() < end) {
    a.send_data(b);
    b.send_data(a);
    run_for(every);
  }
}

void World::set_relay(bool is_up) {
  is_relay_up = is_up;
  net.in(kNoticesAfter, [this, is_up] {
    for (const auto& node : nodes) {
      node->agent().set_relay_available(kRelay, is_up, now());
      node->flush();
    }
  });
}

void World::publish(Node& node) {
  for (const auto& peer : nodes) {
    if (peer.get() == &node) continue;
    net.in(node.latency + kInNucleus + peer->latency, [this, &node, to = peer.get()] {
      to->agent().upsert_peer(node.record(), now());
      to->flush();
    });
  }
}

void World::punch(Node& from, const netmap::NodeKey& to,
                  std::vector<netmap::Candidate> candidates) {
  Node* target = find(to);
  if (target == nullptr) return;
  net.in(from.latency + kInNucleus + target->latency,
         [this, &from, target, candidates = std::move(candidates)] {
           target->agent().punch(from.key(), candidates, now());
           target->flush();
         });
}

void World::relay(Node& from, const netmap::NodeKey& to, Bytes bytes) {
  Node* target = find(to);
  if (target == nullptr || !is_relay_up) return;
  net.in(from.latency + kInRelay + target->latency,
         [this, &from, target, bytes = std::move(bytes)] {
           if (is_relay_up) target->receive_relayed(from, bytes);
         });
}

Node* World::find(const netmap::NodeKey& key) {
  const auto found = std::ranges::find(nodes, key, [](const auto& node) { return node->key(); });
  return found == nodes.end() ? nullptr : found->get();
}

}  // namespace sinew::sim
