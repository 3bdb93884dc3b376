#include "node/peers.h"

#include <algorithm>

namespace sinew::node {
namespace {

bool equal_without_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

void Peers::upsert(const netmap::Peer& record, MonoTime now) {
  const auto known = entries_.find(record.key);
  const bool is_new = known == entries_.end();
  if (!is_new && known->second.record == record) return;
  Entry& entry = entries_[record.key];
  const bool has_moved = is_new || addresses_of(entry.record) != addresses_of(record);
  entry.record = record;
  if (is_new) {
    entry.detour = DetourNumber(next_detour_++);
    keys_.emplace(entry.detour, record.key);
  }
  if (has_moved) {
    const auto set = packets_.set_peer(record.key, addresses_of(record), entry.detour);
    if (!set) {
      log_.warning("a peer cannot be reached",
                   {{"peer", record.name}, {"reason", set.error().message}});
    }
  }
  paths_.upsert_peer(record, now);
}

void Peers::remove(const netmap::NodeKey& key, MonoTime now) {
  const auto known = entries_.find(key);
  if (known == entries_.end()) return;
  packets_.remove_peer(key);
  paths_.remove_peer(key, now);
  keys_.erase(known->second.detour);
  beside_.erase(known->second.route.direct);
  entries_.erase(known);
}

void Peers::take_route(const path::RouteChanged& change, WallTime wall) {
  const auto known = entries_.find(change.peer);
  if (known == entries_.end()) return;
  Entry& entry = known->second;
  beside_.erase(entry.route.direct);
  entry.route = change.route;
  entry.route_since = wall;
  const bool is_plain = change.route.is_direct() && change.route.direct.socket == path::kMainSocket;
  if (change.route.is_direct() && !is_plain) beside_[change.route.direct] = change.peer;
  if (is_plain) {
    packets_.send_directly(change.peer, change.route.direct.endpoint);
  } else {
    packets_.send_over(change.peer, entry.detour);
  }
  log_.info("route", {{"peer", entry.record.name}, {"route", change.route.to_string()}});
}

const Peers::Entry* Peers::find(const netmap::NodeKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

const Peers::Entry* Peers::find(DetourNumber detour) const {
  const auto found = keys_.find(detour);
  return found == keys_.end() ? nullptr : find(found->second);
}

const Peers::Entry* Peers::find_beside(const path::Direct& way) const {
  const auto found = beside_.find(way);
  return found == beside_.end() ? nullptr : find(found->second);
}

const Peers::Entry* Peers::find_named(std::string_view word) const {
  const auto address = IpAddress::parse(word);
  const auto key = netmap::NodeKey::parse(word);
  if (key) return find(*key);
  const Entry* found = nullptr;
  for (const auto& [unused, entry] : entries_) {
    const bool matches = address ? entry.record.v4 == *address || entry.record.v6 == *address
                                 : equal_without_case(entry.record.name, word);
    if (!matches) continue;
    if (found != nullptr) return nullptr;
    found = &entry;
  }
  return found;
}

std::vector<IpPrefix> Peers::addresses_of(const netmap::Peer& record) const {
  std::vector<IpPrefix> addresses;
  if (record.v4) addresses.push_back(IpPrefix::of_host(*record.v4));
  if (record.v6) addresses.push_back(IpPrefix::of_host(*record.v6));
  return addresses;
}

}  // namespace sinew::node
