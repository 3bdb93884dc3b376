#include "signal/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/verify.h"
#include "crypto/hash.h"

namespace sinew::signal {
namespace {

constexpr unsigned kV6Length = 64;
constexpr unsigned kMaxV4Length = 30;  // a smaller range has no two hosts
constexpr unsigned kV6Tries = 16;

// A number that a key always has in this cluster, and nobody else chooses.
std::uint64_t number_of(const ClusterTag& tag, const NodeKey& key, std::uint8_t attempt) {
  crypto::Sha256 hash;
  hash.update(as_bytes("sinew address"));
  hash.update(tag);
  hash.update(key.bytes());
  hash.update({&attempt, 1});
  crypto::Digest digest;
  hash.finish(digest);
  return load_be<std::uint64_t>(digest.data());
}

IpPrefix v6_range_of(const ClusterTag& tag) {
  std::array<std::uint8_t, 16> bytes{0xfd};
  std::copy_n(tag.begin(), 7, bytes.begin() + 1);
  return IpPrefix::around(IpAddress::v6(bytes), kV6Length);
}

std::uint32_t number_of(const IpAddress& v4) {
  return load_be<std::uint32_t>(v4.bytes().data());
}

IpAddress v4_of(std::uint32_t number) {
  std::array<std::uint8_t, 4> bytes;
  store_be(bytes.data(), number);
  return IpAddress::v4(bytes);
}

}  // namespace

Registry::Registry(const ClusterTag& tag, const IpPrefix& range, std::uint64_t epoch, Limits limits)
    : tag_(tag), v4_range_(range), v6_range_(v6_range_of(tag)), epoch_(epoch), limits_(limits) {
  VERIFY(is_usable_range(range));
}

bool Registry::is_usable_range(const IpPrefix& range) {
  return range.address().is_v4() && range.length() >= 8 && range.length() <= kMaxV4Length;
}

// --- Requests ---

Registry::Answer Registry::register_node(const NodeKey& key, const Register& request,
                                         const std::optional<Endpoint>& observed, MonoTime now,
                                         WallTime wall) {
  const auto found = nodes_.find(key);
  if (found == nodes_.end() && nodes_.size() >= limits_.max_pins && !make_room(wall)) {
    return Refused{.code = RefusalCode::kFull, .text = "the nucleus knows as many nodes as it may"};
  }
  Node fresh;
  Node& node = found == nodes_.end() ? fresh : found->second;
  if (auto refused = choose_addresses(key, request, wall, node)) return *std::move(refused);
  Node& kept = found == nodes_.end() ? nodes_.emplace(key, std::move(fresh)).first->second : node;

  const netmap::Peer before = kept.record;
  kept.record.key = key;
  kept.record.disco = request.disco;
  kept.record.name = request.name;
  kept.record.home = request.home;
  kept.record.connectivity = request.connectivity;
  kept.claimed = request.candidates;
  refresh_candidates(kept, observed);
  const bool was_in_map = kept.changed_at != 0;
  const bool was_online = was_in_map && before.is_online;
  touch(key, kept, now, wall);
  if (!was_online || kept.record != before) change(key, kept);
  if (!was_in_map) tell(Change::kJoined, kept);
  if (was_in_map && !was_online) tell(Change::kBack, kept);
  return netmap::Self{.v4 = kept.record.v4,
                      .v6 = kept.record.v6,
                      .v4_length = v4_range_.length(),
                      .v6_length = v6_range_.length(),
                      .name = kept.record.name};
}

bool Registry::heard(const NodeKey& key, const std::optional<Endpoint>& observed, MonoTime now,
                     WallTime wall) {
  const auto found = nodes_.find(key);
  if (found == nodes_.end() || found->second.changed_at == 0) return false;
  Node& node = found->second;
  const netmap::Peer before = node.record;
  if (node.observed != observed) refresh_candidates(node, observed);
  touch(key, node, now, wall);
  if (node.record == before) return true;
  change(key, node);
  tell(before.is_online ? Change::kMoved : Change::kBack, node);
  return true;
}

void Registry::leave(const NodeKey& key, MonoTime now) {
  const auto found = nodes_.find(key);
  if (found == nodes_.end() || found->second.changed_at == 0) return;
  found->second.heard = now;
  remove_from_map(key, found->second, Change::kLeft);
}

std::optional<NodeKey> Registry::forget(const IpAddress& address) {
  const auto holder = holders_.find(address);
  if (holder == holders_.end()) return std::nullopt;
  const NodeKey key = holder->second;
  give_back(key);
  return key;
}

void Registry::set_relays(const std::vector<netmap::Relay>& relays) {
  VERIFY(relays.size() <= kMaxRelays);
  std::map<RelayId, std::pair<netmap::Relay, std::uint64_t>> kept;
  for (const netmap::Relay& relay : relays) {
    const auto before = relays_.find(relay.id);
    if (before != relays_.end() && before->second.first == relay) {
      kept.insert(relays_.extract(before));
      continue;
    }
    std::uint64_t stood_at = 0;
    if (before != relays_.end()) stood_at = relays_.extract(before).mapped().second;
    kept.emplace(relay.id, std::pair(relay, next_version(relay.id, stood_at, false)));
  }
  for (const auto& [id, gone] : relays_)
    remember_removal(next_version(id, gone.second, true));
  relays_ = std::move(kept);
}

// --- Addresses ---

std::optional<Refused> Registry::choose_addresses(const NodeKey& key, const Register& request,
                                                  WallTime wall, Node& node) {
  auto v4 = node.record.v4;
  auto v6 = node.record.v6;
  if (auto refused = choose(key, request.wanted_v4, request, v4_range_, wall, v4)) return refused;
  node.record.v4 = v4;
  if (auto refused = choose(key, request.wanted_v6, request, v6_range_, wall, v6)) {
    // A key that is new keeps nothing of a request that failed.
    if (!nodes_.contains(key))
      std::erase_if(holders_, [&](const auto& entry) { return entry.second == key; });
    return refused;
  }
  node.record.v6 = v6;
  return std::nullopt;
}

std::optional<Refused> Registry::choose(const NodeKey& key, const std::optional<IpAddress>& wanted,
                                        const Register& request, const IpPrefix& range,
                                        WallTime wall, std::optional<IpAddress>& held) {
  const bool is_settled = held && (!wanted || *wanted == *held || !request.is_wanted_required);
  if (is_settled) return std::nullopt;
  if (wanted) {
    auto refused = take_wanted(key, *wanted, request, range, held);
    if (!refused || request.is_wanted_required) return refused;
  }
  const auto free = range.address().is_v4() ? free_v4(key, wall) : free_v6(key);
  if (!free) {
    return Refused{.code = RefusalCode::kFull,
                   .text = fmt::format("no address of {} is left", range.to_string())};
  }
  hold(key, *free, held);
  return std::nullopt;
}

std::optional<Refused> Registry::take_wanted(const NodeKey& key, const IpAddress& wanted,
                                             const Register& request, const IpPrefix& range,
                                             std::optional<IpAddress>& held) {
  if (!is_host_address(range, wanted)) {
    return Refused{.code = RefusalCode::kOutOfRange,
                   .text = fmt::format("{} is no address of this cluster, whose nodes live in {}",
                                       wanted.to_string(), range.to_string())};
  }
  const auto holder = holders_.find(wanted);
  if (holder != holders_.end() && holder->second != key) {
    const NodeKey other = holder->second;
    const netmap::Peer* record = find(other);
    const bool is_gone = record == nullptr || !record->is_online;
    if (!request.replaces || !is_gone) return conflict(wanted, other);
    give_back(other);
  }
  hold(key, wanted, held);
  return std::nullopt;
}

std::optional<IpAddress> Registry::free_v4(const NodeKey& key, WallTime wall) {
  const std::uint32_t size = std::uint32_t{1} << (32 - v4_range_.length());
  const std::uint32_t hosts = size - 2;  // without the network's own and the broadcast address
  if (pin_count() >= hosts && !make_room(wall)) return std::nullopt;
  const std::uint32_t base = number_of(v4_range_.address()) + 1;
  const auto start = static_cast<std::uint32_t>(number_of(tag_, key, 0) % hosts);
  for (std::uint32_t i = 0; i < hosts; ++i) {
    const IpAddress address =
        v4_of(base + static_cast<std::uint32_t>((std::uint64_t{start} + i) % hosts));
    if (!holders_.contains(address)) return address;
  }
  return std::nullopt;
}

std::optional<IpAddress> Registry::free_v6(const NodeKey& key) const {
  for (std::uint8_t attempt = 1; attempt <= kV6Tries; ++attempt) {
    std::array<std::uint8_t, 16> bytes{};
    std::ranges::copy(v6_range_.address().bytes(), bytes.begin());
    store_be(bytes.data() + 8, number_of(tag_, key, attempt));
    const IpAddress address = IpAddress::v6(bytes);
    if (is_host_address(v6_range_, address) && !holders_.contains(address)) return address;
  }
  return std::nullopt;
}

// The pin that was without its node for longest, if that is long enough.
bool Registry::make_room(WallTime wall) {
  const auto oldest = std::ranges::min_element(nodes_, {}, [](const auto& entry) {
    return std::pair(entry.second.changed_at != 0, entry.second.last_heard);
  });
  if (oldest == nodes_.end() || oldest->second.changed_at != 0) return false;
  if (wall - oldest->second.last_heard < limits_.pin_lifetime) return false;
  give_back(NodeKey(oldest->first));
  return true;
}

void Registry::hold(const NodeKey& key, const IpAddress& address, std::optional<IpAddress>& held) {
  if (held) holders_.erase(*held);
  holders_.insert_or_assign(address, key);
  held = address;
  ++address_changes_;
}

void Registry::give_back(const NodeKey& key) {
  const auto found = nodes_.find(key);
  VERIFY(found != nodes_.end());
  Node& node = found->second;
  if (node.changed_at != 0) remove_from_map(key, node, Change::kRemoved);
  for (const auto& address : {node.record.v4, node.record.v6})
    if (address) holders_.erase(*address);
  nodes_.erase(found);
  ++address_changes_;
}

bool Registry::is_host_address(const IpPrefix& range, const IpAddress& address) const {
  if (!range.contains(address) || address == range.address()) return false;
  if (address.is_v6()) return true;
  const std::uint32_t hosts = ~std::uint32_t{0} >> range.length();
  return (number_of(address) & hosts) != hosts;
}

Refused Registry::conflict(const IpAddress& address, const NodeKey& holder) const {
  const netmap::Peer* record = find(holder);
  const bool is_online = record != nullptr && record->is_online;
  const std::string text = address.to_string();
  return {.code = RefusalCode::kConflict,
          .text = fmt::format(
              "{} belongs to another node, which is {}: ask for another address, {}", text,
              is_online ? "online" : "away",
              is_online ? "or stop that node first and then ask to replace it"
                        : "or ask to replace that node, or forget the address at the nucleus")};
}

// --- Being there ---

void Registry::refresh_candidates(Node& node, const std::optional<Endpoint>& observed) {
  node.observed = observed;
  std::vector<netmap::Candidate> all = fit_candidates(node.claimed);
  if (observed && is_usable(*observed) &&
      std::ranges::find(all, *observed, &netmap::Candidate::endpoint) == all.end()) {
    if (all.size() == netmap::kMaxCandidates) all.pop_back();
    all.push_back({.endpoint = *observed, .kind = netmap::CandidateKind::kObserved});
  }
  node.record.candidates = std::move(all);
}

void Registry::touch(const NodeKey& key, Node& node, MonoTime now, WallTime wall) {
  node.heard = now;
  node.last_heard = wall;
  node.record.is_online = true;
  set_due(key, node, now + limits_.offline_after);
}

void Registry::set_due(const NodeKey& key, Node& node, MonoTime due) {
  if (node.due != MonoTime::never()) due_.erase({node.due, key});
  node.due = due;
  if (due != MonoTime::never()) due_.emplace(due, key);
}

void Registry::expire(MonoTime now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const NodeKey key = due_.begin()->second;
    Node& node = nodes_.at(key);
    if (!node.record.is_online) {
      remove_from_map(key, node, Change::kRemoved);
      continue;
    }
    node.record.is_online = false;
    change(key, node);
    set_due(key, node, now + limits_.removal);
    tell(Change::kOffline, node);
  }
}

MonoTime Registry::deadline() const {
  return due_.empty() ? MonoTime::never() : due_.begin()->first;
}

// --- The map ---

std::uint64_t Registry::next_version(const Place& place, std::uint64_t before, bool is_removed) {
  if (before != 0) changes_.erase(before);
  changes_.emplace(++version_, Entry{.place = place, .is_removed = is_removed});
  return version_;
}

void Registry::change(const NodeKey& key, Node& node) {
  std::uint64_t before = node.changed_at;
  if (const auto removed = removed_nodes_.find(key); removed != removed_nodes_.end()) {
    before = removed->second;
    tombstones_.erase(before);
    removed_nodes_.erase(removed);
  }
  node.changed_at = next_version(key, before, false);
}

void Registry::remove_from_map(const NodeKey& key, Node& node, Change why) {
  node.record.is_online = false;
  set_due(key, node, MonoTime::never());
  const std::uint64_t version = next_version(key, node.changed_at, true);
  node.changed_at = 0;
  removed_nodes_.insert_or_assign(key, version);
  remember_removal(version);
  tell(why, node);
}

void Registry::remember_removal(std::uint64_t version) {
  tombstones_.insert(version);
  if (tombstones_.size() <= kMaxTombstones) return;
  horizon_ = *tombstones_.begin();
  const auto oldest = changes_.find(horizon_);
  VERIFY(oldest != changes_.end());
  if (const NodeKey* key = std::get_if<NodeKey>(&oldest->second.place)) removed_nodes_.erase(*key);
  changes_.erase(oldest);
  tombstones_.erase(tombstones_.begin());
}

Registry::NextPage Registry::page(RequestId id, const Cursor& after) const {
  const bool is_known =
      after.epoch == epoch_ && after.version <= version_ && after.version >= horizon_;
  const std::uint64_t from = is_known ? after.version : 0;
  PageWriter writer(id, epoch_, from);
  std::uint64_t to = from;
  bool has_more = false;
  for (auto entry = changes_.upper_bound(from); entry != changes_.end(); ++entry) {
    const auto& [version, changed] = *entry;
    bool fits = false;
    if (const NodeKey* key = std::get_if<NodeKey>(&changed.place)) {
      fits = changed.is_removed ? writer.add_removed(*key) : writer.add(nodes_.at(*key).record);
    } else {
      const RelayId relay = std::get<RelayId>(changed.place);
      fits = changed.is_removed ? writer.add_removed(relay) : writer.add(relays_.at(relay).first);
    }
    if (!fits) {
      has_more = true;
      break;
    }
    to = version;
  }
  if (!has_more) to = version_;
  return {.bytes = writer.finish(to, has_more),
          .to = {.epoch = epoch_, .version = to},
          .has_more = has_more};
}

// --- Looking, keeping ---

void Registry::tell(Change change, const Node& node) {
  news_.push_back({.change = change,
                   .node = node.record.key,
                   .name = node.record.name,
                   .address = node.record.v4});
}

std::optional<Registry::News> Registry::next_news() {
  if (news_.empty()) return std::nullopt;
  News news = std::move(news_.front());
  news_.erase(news_.begin());
  return news;
}

const netmap::Peer* Registry::find(const NodeKey& key) const {
  const auto found = nodes_.find(key);
  return found == nodes_.end() || found->second.changed_at == 0 ? nullptr : &found->second.record;
}

std::optional<MonoTime> Registry::last_heard(const NodeKey& key) const {
  const auto found = nodes_.find(key);
  return found == nodes_.end() ? std::nullopt : found->second.heard;
}

std::vector<const netmap::Peer*> Registry::records() const {
  std::vector<const netmap::Peer*> records;
  for (const auto& [key, node] : nodes_)
    if (node.changed_at != 0) records.push_back(&node.record);
  return records;
}

std::size_t Registry::map_count() const {
  return records().size();
}

std::size_t Registry::online_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(records(), [](const netmap::Peer* peer) { return peer->is_online; }));
}

Snapshot::Cluster Registry::snapshot() const {
  Snapshot::Cluster cluster;
  cluster.pins.reserve(nodes_.size());
  for (const auto& [key, node] : nodes_) {
    cluster.pins.push_back(
        {.record = node.record, .last_heard = node.last_heard, .is_in_map = node.changed_at != 0});
  }
  return cluster;
}

void Registry::restore(const Snapshot::Cluster& cluster, MonoTime now) {
  for (const Snapshot::Pin& pin : cluster.pins) {
    const NodeKey key = pin.record.key;
    if (nodes_.contains(key) || nodes_.size() >= limits_.max_pins) continue;
    Node node;
    node.record = pin.record;
    node.last_heard = pin.last_heard;
    node.claimed = pin.record.candidates;
    for (auto* address : {&node.record.v4, &node.record.v6}) {
      const IpPrefix& range = address == &node.record.v4 ? v4_range_ : v6_range_;
      if (!*address || !is_host_address(range, **address) || holders_.contains(**address))
        address->reset();
      if (*address) holders_.emplace(**address, key);
    }
    const bool has_addresses = node.record.v4.has_value();
    if (!has_addresses && node.record.v6) holders_.erase(*node.record.v6);
    if (!has_addresses) continue;
    Node& kept = nodes_.emplace(key, std::move(node)).first->second;
    if (!pin.is_in_map) continue;
    change(key, kept);
    // As if just heard: whoever was there has the time to come back.
    set_due(key, kept, now + (kept.record.is_online ? limits_.offline_after : limits_.removal));
  }
}

}  // namespace sinew::signal
