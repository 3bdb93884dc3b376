// Who the receiver index of a packet means: a session, or a handshake that waits for its response.
// Indices are random (predictable ones tell an observer who talks to whom, and a forger what to
// try) and unique among all of a device.
//
// An open hash table whose hash is the index itself: all keys in it were drawn here, so a stranger
// chooses what to ask for but not what lies where, and a search ends after two places on average.
// At most half full; it grows and never shrinks, so its memory is that of the most sessions there
// ever were. find() is O(1) and allocates nothing. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "wg/ids.h"

namespace sinew::wg {

class Session;

class IndexTable {
 public:
  struct Entry {
    SessionIndex index;
    PeerId peer;
    Session* session = nullptr;  // null: a handshake
    bool is_used = false;
  };

  IndexTable() : places_(kSmallest) {}

  std::size_t size() const { return size_; }

  // Null if nobody has this index. Valid until the next change.
  const Entry* find(SessionIndex index) const {
    for (std::size_t at = home_of(index);; at = next(at)) {
      const Entry& entry = places_[at];
      if (!entry.is_used) return nullptr;
      if (entry.index == index) return &entry;
    }
  }

  // Gives a new index to a handshake of `peer`.
  SessionIndex add(PeerId peer, Rng& rng);
  // The index, which is in the table, means `session` from now on.
  void set_session(SessionIndex index, Session& session);
  // Nothing happens if it is not there.
  void remove(SessionIndex index);

 private:
  static constexpr std::size_t kSmallest = 16;  // places; a power of two

  std::size_t mask() const { return places_.size() - 1; }
  std::size_t home_of(SessionIndex index) const { return index.value() & mask(); }
  std::size_t next(std::size_t at) const { return (at + 1) & mask(); }
  Entry* find_mutable(SessionIndex index);
  void place(const Entry& entry);
  void grow();

  std::vector<Entry> places_;
  std::size_t size_ = 0;
};

}  // namespace sinew::wg
