#include "wg/index_table.h"

#include <utility>

#include "base/verify.h"

namespace sinew::wg {

SessionIndex IndexTable::add(PeerId peer, Rng& rng) {
  if (2 * (size_ + 1) > places_.size()) grow();
  SessionIndex index(rng.number<std::uint32_t>());
  while (find(index) != nullptr)
    index = SessionIndex(rng.number<std::uint32_t>());
  place({.index = index, .peer = peer, .session = nullptr, .is_used = true});
  ++size_;
  return index;
}

void IndexTable::set_session(SessionIndex index, Session& session) {
  Entry* entry = find_mutable(index);
  VERIFY(entry != nullptr);
  entry->session = &session;
}

void IndexTable::remove(SessionIndex index) {
  Entry* entry = find_mutable(index);
  if (entry == nullptr) return;
  --size_;
  // What was pushed past this place moves up, so that no search ends at the hole.
  std::size_t hole = static_cast<std::size_t>(entry - places_.data());
  places_[hole] = {};
  for (std::size_t at = next(hole); places_[at].is_used; at = next(at)) {
    const std::size_t from_home = (at - home_of(places_[at].index)) & mask();
    const std::size_t from_hole = (at - hole) & mask();
    if (from_home < from_hole) continue;
    places_[hole] = std::exchange(places_[at], Entry{});
    hole = at;
  }
}

IndexTable::Entry* IndexTable::find_mutable(SessionIndex index) {
  const Entry* entry = find(index);
  return entry == nullptr ? nullptr : &places_[static_cast<std::size_t>(entry - places_.data())];
}

void IndexTable::place(const Entry& entry) {
  std::size_t at = home_of(entry.index);
  while (places_[at].is_used)
    at = next(at);
  places_[at] = entry;
}

void IndexTable::grow() {
  const std::vector<Entry> old = std::exchange(places_, std::vector<Entry>(2 * places_.size()));
  for (const Entry& entry : old) {
    if (entry.is_used) place(entry);
  }
}

}  // namespace sinew::wg
