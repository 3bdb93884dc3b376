#include "sim/internet.h"

#include <utility>

#include "base/verify.h"

namespace sinew::sim {

Endpoint Nat::masked(const Endpoint& endpoint, Rule rule) const {
  switch (rule) {
    case Rule::kIndependent: return {};
    case Rule::kByAddress: return {.address = endpoint.address, .port = 0};
    case Rule::kByAddressAndPort: return endpoint;
  }
  VERIFY_NOT_REACHED();
}

bool Nat::is_over(const Mapping& mapping, MonoTime now) const {
  return !mapping.is_permanent && now > mapping.used + kind_.timeout;
}

std::uint16_t Nat::free_port(std::uint16_t wish) {
  if (kind_.ports == Ports::kPreserved && !by_port_.contains(wish)) return wish;
  for (;;) {
    const auto port = kind_.ports == Ports::kSequential
                          ? next_port_++
                          : static_cast<std::uint16_t>(1024 + rng_.below(0x10000 - 1024));
    if (port != 0 && !by_port_.contains(port)) return port;
  }
}

bool Nat::leave(Packet& packet, MonoTime now) {
  if (!packet.from.address.is_v4()) return leave_v6(packet, now);
  const Key fixed{.inside = packet.from, .towards = {}};
  const auto permanent = mappings_.find(fixed);
  const bool is_permanent = permanent != mappings_.end() && permanent->second.is_permanent;
  const Key key = is_permanent
                      ? fixed
                      : Key{.inside = packet.from, .towards = masked(packet.to, kind_.mapping)};
  auto found = mappings_.find(key);
  if (found != mappings_.end() && is_over(found->second, now)) {
    by_port_.erase(found->second.port);
    mappings_.erase(found);
    found = mappings_.end();
  }
  if (found == mappings_.end()) {
    const std::uint16_t port = free_port(packet.from.port);
    by_port_.emplace(port, key);
    found =
        mappings_
            .emplace(
                key,
                Mapping{
                    .key = key, .port = port, .used = now, .is_permanent = false, .written_to = {}})
            .first;
  }
  found->second.used = now;
  found->second.written_to[masked(packet.to, kind_.filtering)] = now;
  packet.from = {.address = outside_, .port = found->second.port};
  return true;
}

bool Nat::enter(Packet& packet, MonoTime now) {
  if (!packet.to.address.is_v4()) return enter_v6(packet, now);
  const auto port = by_port_.find(packet.to.port);
  if (port == by_port_.end()) return false;
  Mapping& mapping = mappings_.at(port->second);
  if (is_over(mapping, now)) return false;
  const auto written = mapping.written_to.find(masked(packet.from, kind_.filtering));
  const bool is_expected =
      written != mapping.written_to.end() && now <= written->second + kind_.timeout;
  if (!is_expected && !mapping.is_permanent) return false;
  if (is_expected) written->second = now;
  mapping.used = now;
  packet.to = mapping.key.inside;
  return true;
}

bool Nat::leave_v6(const Packet& packet, MonoTime now) {
  firewall_[{packet.from, packet.to}] = now;
  return true;
}

bool Nat::enter_v6(const Packet& packet, MonoTime now) {
  const auto found = firewall_.find({packet.to, packet.from});
  if (found == firewall_.end() || now > found->second + kind_.timeout) return false;
  found->second = now;
  return true;
}

Endpoint Nat::open_port(const Endpoint& inside) {
  const Key key{.inside = inside, .towards = {}};
  const std::uint16_t port = free_port(inside.port);
  by_port_[port] = key;
  mappings_[key] = {.key = key, .port = port, .used = {}, .is_permanent = true, .written_to = {}};
  return {.address = outside_, .port = port};
}

Internet::Internet(std::uint64_t seed) : rng_(seed) {
  realms_.push_back(std::make_unique<Realm>());
}

Realm& Internet::add_site(NatKind kind, Realm& outer) {
  const std::uint16_t number = next_host_++;
  const auto high = static_cast<std::uint8_t>(number >> 8);
  const auto low = static_cast<std::uint8_t>(number);
  // What a carrier hands out below its own NAT is not public either.
  const IpAddress outside = outer.gateway == nullptr ? IpAddress::v4(203, 1, high, low)
                                                     : IpAddress::v4(100, 64, high, low);
  auto& nat = nats_.emplace_back(std::make_unique<Nat>(kind, outside, &outer, rng_));
  auto& realm = realms_.emplace_back(std::make_unique<Realm>());
  outer.nats.emplace(outside, nat.get());
  nat->inner = realm.get();
  realm->gateway = nat.get();
  return *realm;
}

void Internet::plug(Machine& machine, Realm& realm, bool has_v6) {
  const std::uint16_t number = next_host_++;
  const auto high = static_cast<std::uint8_t>(number >> 8);
  const auto low = static_cast<std::uint8_t>(number);
  machine.realm = &realm;
  machine.v4 = realm.gateway == nullptr ? IpAddress::v4(198, 51, high, low)
                                        : IpAddress::v4(192, 168, high, low);
  realm.machines[*machine.v4] = &machine;
  if (!has_v6) return;
  machine.v6 = IpAddress::v6({0x2a, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low});
  v6_[*machine.v6] = &machine;
}

void Internet::unplug(Machine& machine) {
  if (machine.v4) machine.realm->machines.erase(*machine.v4);
  if (machine.v6) v6_.erase(*machine.v6);
  machine.v4.reset();
  machine.v6.reset();
}

void Internet::send(Machine& from, Packet packet) {
  ++counters.sent;
  if (from.is_udp_blocked || !from.is_running) return;
  if (is_lost && is_lost(packet)) return;
  route(*from.realm, std::move(packet), from);
}

void Internet::route(Realm& realm, Packet packet, Machine& from) {
  if (const auto host = realm.machines.find(packet.to.address); host != realm.machines.end()) {
    return deliver(from, *host->second, std::move(packet));
  }
  if (const auto nat = realm.nats.find(packet.to.address); nat != realm.nats.end()) {
    return enter(*nat->second, std::move(packet), from);
  }
  const auto v6 = v6_.find(packet.to.address);
  if (v6 != v6_.end() && v6->second->realm == &realm) {
    return deliver(from, *v6->second, std::move(packet));
  }
  if (Nat* gateway = realm.gateway) {
    if (gateway->leave(packet, now_)) route(*gateway->outer(), std::move(packet), from);
    return;
  }
  if (v6 == v6_.end()) return;  // nobody has this address
  // IPv6 goes down to the machine through the firewalls above it.
  for (Nat* nat = v6->second->realm->gateway; nat != nullptr; nat = nat->outer()->gateway) {
    if (!nat->enter(packet, now_)) {
      ++counters.filtered;
      return;
    }
  }
  deliver(from, *v6->second, std::move(packet));
}

void Internet::enter(Nat& nat, Packet packet, Machine& from) {
  if ((nat.is_own(packet) && !nat.kind().has_hairpin) || !nat.enter(packet, now_)) {
    ++counters.filtered;
    return;
  }
  route(*nat.inner, std::move(packet), from);
}

void Internet::deliver(Machine& from, Machine& to, Packet packet) {
  const bool is_local = from.realm == to.realm && from.realm->gateway != nullptr;
  if (!is_local && (chance(from.loss) || chance(to.loss))) return;
  in(is_local ? Duration(300us) : delay(from, to), [this, &to, packet = std::move(packet)] {
    if (to.is_udp_blocked || !to.is_running) return;
    // It may have moved while the packet was on its way.
    if (packet.to.address != to.v4 && packet.to.address != to.v6) return;
    ++counters.arrived;
    to.receive(packet, now_);
  });
}

Duration Internet::delay(const Machine& from, const Machine& to) {
  const Duration jitter = from.jitter + to.jitter;
  const Duration extra =
      jitter > 0ns ? Duration(rng_.below(static_cast<std::uint64_t>(jitter.count()))) : 0ns;
  return from.latency + to.latency + extra;
}

bool Internet::chance(double probability) {
  return probability > 0 && static_cast<double>(rng_.below(1'000'000)) < probability * 1'000'000;
}

std::optional<Endpoint> Internet::reflexive(Machine& machine, std::uint16_t port,
                                            const Endpoint& server) {
  if (machine.is_udp_blocked || !machine.is_running || !machine.v4) return {};
  Packet packet{.from = {.address = *machine.v4, .port = port}, .to = server, .bytes = {}};
  for (Nat* nat = machine.realm->gateway; nat != nullptr; nat = nat->outer()->gateway) {
    if (!nat->leave(packet, now_)) return {};
  }
  return packet.from;
}

void Internet::at(MonoTime when, std::function<void()> act) {
  events_.push({.at = when, .number = event_count_++, .act = std::move(act)});
}

void Internet::run_until(MonoTime end) {
  while (!events_.empty() && events_.top().at <= end) {
    Event event = events_.top();
    events_.pop();
    now_ = std::max(now_, event.at);
    event.act();
  }
  now_ = end;
}

}  // namespace sinew::sim
