// Packets that wait until their peer has a session. Bounded for one peer as the kernel's WireGuard
// bounds it, and over all peers, so that talking to many absent peers cannot hold the memory that
// the present ones need: whatever bound is reached, the oldest makes room. Off the fast path, hence
// plain: costs grow with the number that wait. One thread.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "dataplane/parcel_pool.h"
#include "wg/ids.h"

namespace sinew::dataplane {

class Staging {
 public:
  using Handle = ParcelPool::Handle;

  static constexpr std::size_t kMaxOfPeer = 128;
  static constexpr std::size_t kMaxLarge = 16;
  static constexpr std::size_t kMaxAll = 512;

  Staging() { entries_.reserve(kMaxAll); }

  // Keeps `handle`; returns the one that had to make room, which is the caller's to release.
  std::optional<Handle> add(wg::PeerId peer, Handle handle) {
    std::optional<Handle> victim;
    const auto of_peer = [peer](const Entry& entry) { return entry.peer == peer; };
    const auto large = [](const Entry& entry) { return ParcelPool::is_large(entry.handle); };
    // Large ones first: what makes room for one has to be large as well.
    if (ParcelPool::is_large(handle) && count(large) == kMaxLarge) {
      victim = remove_first(large);
    } else if (count(of_peer) >= kMaxOfPeer) {
      victim = remove_first(of_peer);
    } else if (entries_.size() >= kMaxAll) {
      victim = remove_first([](const Entry&) { return true; });
    }
    entries_.push_back({peer, handle});
    return victim;
  }

  // f(handle) for all that wait for `peer`, oldest first; they wait no longer.
  template <typename F>
  void take(wg::PeerId peer, F&& f) {
    take_if([peer](wg::PeerId of) { return of == peer; }, std::forward<F>(f));
  }
  // The same for all peers that condition(peer) holds for.
  template <typename Condition, typename F>
  void take_if(Condition&& condition, F&& f) {
    std::erase_if(entries_, [&](const Entry& entry) {
      if (!condition(entry.peer)) return false;
      f(entry.handle);
      return true;
    });
  }

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    wg::PeerId peer;
    Handle handle;
  };

  template <typename Condition>
  std::size_t count(Condition condition) const {
    return static_cast<std::size_t>(std::ranges::count_if(entries_, condition));
  }
  template <typename Condition>
  Handle remove_first(Condition condition) {
    const auto found = std::ranges::find_if(entries_, condition);
    const Handle handle = found->handle;
    entries_.erase(found);
    return handle;
  }

  std::vector<Entry> entries_;  // in the order of arrival
};

}  // namespace sinew::dataplane
