// The peers of a node: what the map says, under which number each has its detour, and how its
// packets travel. It applies changes of the map and of routes to the packet path and to the path
// engine, and nobody else does. A peer whose key is removed is gone from the packet path before the
// call returns. One thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "netmap/netmap.h"
#include "node/packet_path.h"
#include "path/agent.h"

namespace sinew::node {

class Peers {
 public:
  struct Entry {
    netmap::Peer record;
    DetourNumber detour;
    path::Route route;
    WallTime route_since;
  };

  Peers(PacketPath& packets, path::Agent& paths, const Log& log)
      : packets_(packets), paths_(paths), log_(log) {}

  // The record is new or has changed.
  void upsert(const netmap::Peer& record, MonoTime now);
  void remove(const netmap::NodeKey& key, MonoTime now);
  void take_route(const path::RouteChanged& change, WallTime wall);

  std::size_t size() const { return entries_.size(); }
  const std::map<netmap::NodeKey, Entry>& entries() const { return entries_; }
  const Entry* find(const netmap::NodeKey& key) const;
  const Entry* find(DetourNumber detour) const;
  // Whose route leads over this socket beside WireGuard's to there. Asked for each packet.
  const Entry* find_beside(const path::Direct& way) const;
  // By its inner address, its name, or its key. Names compare without regard to case; nothing when
  // several have it.
  const Entry* find_named(std::string_view word) const;

 private:
  std::vector<IpPrefix> addresses_of(const netmap::Peer& record) const;

  PacketPath& packets_;
  path::Agent& paths_;
  Log log_;
  std::map<netmap::NodeKey, Entry> entries_;
  std::unordered_map<DetourNumber, netmap::NodeKey> keys_;
  std::map<path::Direct, netmap::NodeKey> beside_;  // routes that leave by another socket
  std::uint32_t next_detour_ = 1;
};

}  // namespace sinew::node
