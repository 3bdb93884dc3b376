#include "path/peer.h"

#include <algorithm>

#include "base/verify.h"
#include "path/candidates.h"

namespace sinew::path {
namespace {

constexpr Duration kTrustUnheard = 5s;   // a path that was silent for longer proves itself first
constexpr Duration kLearnedLives = 10s;  // without a sign, and not in use

// Which of two paths makes room: what never answered before what did, what was learned before what
// was told, what was pinged longest ago.
bool makes_room_before(const PathState& a, const PathState& b) {
  if (a.has_answered() != b.has_answered()) return !a.has_answered();
  if (a.is_listed != b.is_listed) return !a.is_listed;
  return a.sent_at() < b.sent_at();
}

bool names(const std::vector<netmap::Candidate>& candidates, const Endpoint& endpoint) {
  return std::ranges::find(candidates, endpoint, &netmap::Candidate::endpoint) != candidates.end();
}

}  // namespace

Peer::Peer(Station& station, const netmap::Peer& record, MonoTime now)
    : station_(station),
      record_(record),
      there_(record.connectivity),
      pings_(kPingsPerPeer, now),
      pongs_(kPongsPerPeer, now),
      calls_(kCallsPerPeer, now) {}

const crypto::BoxKey* Peer::box() {
  if (!is_box_tried_) {
    is_box_tried_ = true;
    if (record_.disco != netmap::DiscoKey{}) {
      box_ = crypto::BoxKey::between(station_.disco_key(), record_.disco.key);
    }
  }
  return box_ ? &*box_ : nullptr;
}

void Peer::update(const netmap::Peer& record, MonoTime now) {
  const bool has_restarted = record.disco != record_.disco;
  const bool is_elsewhere =
      record.candidates != record_.candidates || record.connectivity != record_.connectivity;
  record_ = record;
  if (has_restarted) {
    is_box_tried_ = false;
    box_.reset();
    called_candidates_.clear();
    called_at_.reset();
    has_restarted_ = true;
    for (PathState& path : paths_) {
      path.doubt();
      path.forget_size();
    }
  }
  if (has_restarted || is_elsewhere) {
    there_ = record.connectivity;
    if (is_awake_) {
      list_candidates();
      if (PathState* path = current()) path->suspect(now);
      start_search(true, now);
    }
  }
  settle(now);
}

void Peer::note_wanted(MonoTime now) {
  const bool was_busy = is_busy(now);
  wake(kKeepIdle, now);
  wanted_at_ = now;
  if (!was_busy) {
    look_at_ = now + kLook;
    PathState* path = current();
    if (path == nullptr) {
      start_search(true, now);
    } else if (path->alive_at().value_or(MonoTime()) + kTrustUnheard < now) {
      path->suspect(now);
    }
  }
  settle(now);
}

void Peer::note_received(const Way& from, MonoTime now) {
  wake(kKeepIdle, now);
  const Direct* direct = std::get_if<Direct>(&from);
  if (direct != nullptr && can_probe() && is_probeable(direct->endpoint, station_.settings)) {
    PathState* path = find(*direct);
    if (path == nullptr) path = find_or_add(*direct);
    if (path != nullptr) {
      path->heard(now);
      ping_back(*path, now);
    }
  }
  settle(now);
}

void Peer::punch(std::span<const netmap::Candidate> candidates, MonoTime now) {
  if (!can_probe()) return;
  wake(kCalledFor, now);
  called_candidates_.assign(candidates.begin(), candidates.end());
  if (called_candidates_.size() > netmap::kMaxCandidates) {
    called_candidates_.resize(netmap::kMaxCandidates);
  }
  called_at_ = now;
  list_candidates();
  start_search(false, now);
  settle(now);
}

void Peer::take_ping(const disco::Ping& ping, const Direct& from, MonoTime now) {
  if (!can_probe() || !is_probeable(from.endpoint, station_.settings)) return;
  if (pongs_.take(now)) {
    station_.answer(correspondent(), ping, from);
  } else {
    ++station_.counters.held_back;
  }
  if (!is_awake_) return;
  PathState* path = find(from);
  if (path == nullptr) {
    // It may have moved here.
    if (PathState* used = current()) used->suspect(now);
    path = find_or_add(from);
  }
  if (path != nullptr) {
    path->heard(now);
    ping_back(*path, now);
  }
  settle(now);
}

void Peer::take_pong(const SentPing& sent, MonoTime now) {
  if (!is_awake_ || !can_probe()) return;
  PathState* path = find_or_add(sent.to);
  if (path == nullptr) return;
  if (path == current() && path->misses() == 0 && !is_busy(now)) keepalive_.survived(silence_);
  path->answered(sent.is_full, sent.at, now);
  settle(now);
}

void Peer::take_call(const disco::CallMe& call, bool is_relayed, MonoTime now) {
  if (!can_probe()) return;
  wake(kCalledFor, now);
  called_at_ = now;
  there_ = call.connectivity;
  called_candidates_ = call.candidates;
  list_candidates();
  if (!call.is_answer && is_relayed) this->call(true, false, false, now);
  if (call.has_open_sockets) start_guessing(now);
  if (search_.is_running) {
    ping_all(now);
  } else if (!call.is_answer) {
    if (PathState* path = current()) path->suspect(now);
    start_search(false, now);
  }
  settle(now);
}

void Peer::local_changed(MonoTime now) {
  if (!is_awake_) return;
  search_.pause = kFirstPause;
  punch_again_at_ = now;
  punch_pause_ = kFirstPunchPause;
  list_candidates();
  start_search(true, now);
  settle(now);
}

void Peer::network_changed(MonoTime now) {
  if (!is_awake_) return;
  network_changed_at_ = now;
  for (PathState& path : paths_) {
    if (&path != current()) path.doubt();
  }
  if (PathState* path = current()) path->suspect(now);
  local_changed(now);
}

void Peer::settle(MonoTime now) {
  if (!is_awake_) return;
  if (now >= awake_until_) return fall_asleep(now);
  if (!can_probe()) give_up_probing();
  for (PathState& path : paths_)
    static_cast<void>(path.take_timeout(now));
  check_current(now);
  forget_learned(now);
  continue_search(now);
  close_spent_holes(now);
  choose_route(now);
  tend_paths(now);
  continue_punch(now);
  deadline_ = compute_deadline(now);
}

void Peer::close() {
  guesses_.stop(station_);
  holes_.close(station_, {});
  drop_kept_socket();
}

void Peer::give_up_probing() {
  close();
  paths_.clear();
  search_ = {};
  look_at_ = MonoTime::never();
}

void Peer::wake(Duration for_how_long, MonoTime now) {
  awake_until_ = std::max(awake_until_, now + for_how_long);
  if (is_awake_) return;
  awake_until_ = now + for_how_long;
  is_awake_ = true;
  search_ = {};
  list_candidates();
}

void Peer::fall_asleep(MonoTime now) {
  give_up_probing();
  is_awake_ = false;
  held_until_ = deadline_ = MonoTime::never();
  set_route(station_.has_relay(record_.home) ? Route::relay() : Route::none(), Change::kFellAsleep,
            now);
}

// The map's and the call's addresses as paths; those that neither names any more go, unless they
// have answered.
void Peer::list_candidates() {
  if (!is_awake_ || !can_probe()) return;
  const auto is_named = [&](const PathState& path) {
    return path.direct().socket == kMainSocket &&
           (names(record_.candidates, path.direct().endpoint) ||
            names(called_candidates_, path.direct().endpoint));
  };
  std::erase_if(paths_, [&](const PathState& path) {
    return path.is_listed && !path.has_answered() && !is_named(path);
  });
  for (PathState& path : paths_)
    path.is_listed = is_named(path);
  for (const auto* candidates : {&record_.candidates, &called_candidates_}) {
    for (const netmap::Candidate& candidate : *candidates) {
      if (!is_probeable(candidate.endpoint, station_.settings)) continue;
      if (names(station_.local, candidate.endpoint)) continue;  // we would ask ourselves
      PathState* path = find_or_add({.endpoint = candidate.endpoint, .socket = kMainSocket});
      if (path != nullptr) path->is_listed = true;
    }
  }
}

// The many holes that guessing found, and where the peer once was, would take the place and the
// pings of what the peer says now.
void Peer::forget_learned(MonoTime now) {
  std::erase_if(paths_, [&](const PathState& path) {
    return !path.is_listed && path.direct() != route_.direct &&
           now > path.alive_at().value_or(now) + kLearnedLives;
  });
}

PathState* Peer::find(const Direct& direct) {
  const auto found = std::ranges::find(paths_, direct, &PathState::direct);
  return found == paths_.end() ? nullptr : &*found;
}

PathState* Peer::find_or_add(const Direct& direct) {
  if (PathState* known = find(direct)) return known;
  if (paths_.size() < kMaxPaths) return &paths_.emplace_back(direct);
  PathState* victim = nullptr;
  for (PathState& path : paths_) {
    if (&path == current() || path.is_usable()) continue;
    if (victim == nullptr || makes_room_before(path, *victim)) victim = &path;
  }
  if (victim == nullptr) return nullptr;
  *victim = PathState(direct);
  return victim;
}

}  // namespace sinew::path
