// A node's copy of the map, page by page. Pages may come in any order. One that is ahead waits, up
// to kMaxPullPages of them, until the copy has reached its beginning. One that begins behind but
// ends further on is applied whole: it was written after everything applied so far, because nothing
// in the copy is from behind its end. One that ends behind is dropped. A page from the beginning of
// the map, where another was asked for, starts it anew: what is not named again is gone.
//
// A nucleus that has just started does not know everybody yet. What is missing from its map stays
// in the copy until `settled`; a removal that it says counts at once. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "netmap/netmap.h"
#include "signal/bodies.h"

namespace sinew::signal {

class MapCopy {
 public:
  struct Changes {
    std::set<NodeKey> changed;
    std::set<NodeKey> removed;
    bool have_relays_changed = false;

    bool is_empty() const { return changed.empty() && removed.empty() && !have_relays_changed; }
  };

  // `own` never appears among the peers.
  explicit MapCopy(const NodeKey& own) : own_(own) {}

  // `may_restart`: the page answers the question that is open now, and that was not for the
  // beginning of this very map. False when it is dropped, or waits.
  bool take(Page page, bool may_restart);
  // Nobody is taken out for being unknown to a nucleus before that time.
  void set_settled(MonoTime settled) { settled_ = settled; }
  void expire(MonoTime now);
  MonoTime deadline() const;

  const Cursor& cursor() const { return cursor_; }
  // The last page there was when it was asked for has been applied.
  bool is_complete() const { return is_complete_; }
  const netmap::NetMap& map() const { return map_; }
  netmap::NetMap& map() { return map_; }
  // Since the last call.
  Changes take_changes();

 private:
  void restart(std::uint64_t epoch);
  void apply(const Page& page);
  void upsert(const netmap::Peer& peer);
  void remove(const NodeKey& key);
  void sweep_relays();

  NodeKey own_;
  netmap::NetMap map_;
  Cursor cursor_;
  bool is_complete_ = false;
  bool is_full_ = false;  // on the way from the beginning to the first end
  std::vector<Page> ahead_;
  std::set<NodeKey> unnamed_peers_;  // not named since the last beginning
  std::set<RelayId> unnamed_relays_;
  bool is_sweep_due_ = false;
  MonoTime settled_;
  Changes changes_;
};

}  // namespace sinew::signal
