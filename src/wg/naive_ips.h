// AllowedIps in the plainest way: all prefixes, and a look at each of them. The twin that tests and
// fuzz targets hold the real one against. Pure; one thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "base/ip.h"
#include "wg/ids.h"

namespace sinew::wg {

class NaiveIps {
 public:
  void insert(const IpPrefix& at, PeerId peer) { owners_.insert_or_assign(at, peer); }
  bool remove(const IpPrefix& at, PeerId peer) {
    const auto found = owners_.find(at);
    if (found == owners_.end() || found->second != peer) return false;
    owners_.erase(found);
    return true;
  }
  void remove_peer(PeerId peer) {
    std::erase_if(owners_, [peer](const auto& entry) { return entry.second == peer; });
  }
  std::optional<PeerId> find(const IpAddress& host) const {
    std::optional<PeerId> owner;
    int longest = -1;
    for (const auto& [at, peer] : owners_) {
      if (!at.contains(host) || static_cast<int>(at.length()) <= longest) continue;
      longest = static_cast<int>(at.length());
      owner = peer;
    }
    return owner;
  }
  std::vector<IpPrefix> prefixes_of(PeerId peer) const {
    std::vector<IpPrefix> prefixes;
    for (const auto& [at, owner] : owners_)
      if (owner == peer) prefixes.push_back(at);
    return prefixes;
  }
  std::size_t size() const { return owners_.size(); }

 private:
  std::map<IpPrefix, PeerId> owners_;
};

}  // namespace sinew::wg
