// Who is pinged and called when.
#include <algorithm>

#include "path/candidates.h"
#include "path/peer.h"

namespace sinew::path {
namespace {

constexpr Duration kPingSpacing = 50ms;  // between two pings of one unproven path
constexpr Duration kProvingFor = 5s;     // after its last answer a path is proven no further
constexpr Duration kHolesOutlive = 3s;   // the route they led to, so that both sides have chosen
constexpr Duration kSocketsBusyPause = 2s;
constexpr std::size_t kRoundsBeforeHoles = 3;

}  // namespace

void Peer::start_search(bool is_calling, MonoTime now) {
  if (!can_probe()) return;
  if (search_.started && now < *search_.started + kSearchSpacing) {
    if (is_calling && search_.is_running) search_.is_calling = true;
    if (!search_.is_running) search_.again_at = *search_.started + kSearchSpacing;
    return;
  }
  search_.is_running = true;
  search_.is_calling = is_calling;
  search_.started = now;
  search_.round = 0;
  search_.again_at = MonoTime::never();
  for (PathState& path : paths_) {
    if (path.is_too_small()) path.forget_size();
  }
}

void Peer::continue_search(MonoTime now) {
  if (!search_.is_running && now >= search_.again_at) start_search(true, now);
  if (!search_.is_running) return;
  const auto is_due = [&](std::size_t round) {
    return round < kRounds.size() && now >= *search_.started + kRounds.at(round);
  };
  if (is_due(search_.round)) {
    while (is_due(search_.round + 1))
      ++search_.round;  // after a long pause, once
    run_round(now);
    ++search_.round;
  }
  if (now >= *search_.started + kSearchEnd) end_search(now);
}

void Peer::run_round(MonoTime now) {
  const bool is_direct = current() != nullptr;
  const bool is_first = search_.round == 0;
  if (search_.is_calling && (is_first || (!is_direct && search_.round % 2 == 0))) {
    call(false, false, !is_first, now);
  }
  // What is better than a path in use has had two rounds to say so.
  if (!is_direct || search_.round <= 2) ping_all(now);
}

void Peer::end_search(MonoTime now) {
  search_.is_running = false;
  search_.is_first = false;
  if (current() != nullptr) {
    search_.pause = kFirstPause;
  } else if (is_busy(now)) {
    search_.again_at = now + search_.pause;
    search_.pause = std::min(search_.pause * 2, kLongestPause);
  }
}

void Peer::call(bool is_answer, bool has_open_sockets, bool by_nucleus, MonoTime now) {
  if (!calls_.take(now)) {
    ++station_.counters.held_back;
    return;
  }
  const bool has_relay = station_.has_relay(record_.home);
  if (has_relay) station_.call(correspondent(), is_answer, has_open_sockets);
  if (!is_answer && (by_nucleus || !has_relay)) {
    station_.emit(PunchWanted{.peer = record_.key, .candidates = station_.local});
  }
}

void Peer::ping_all(MonoTime now) {
  for (PathState& path : paths_) {
    if (&path != current() && !path.is_ready()) ping_unproven(path, now);
  }
}

void Peer::look_around(MonoTime now) {
  if (!is_busy(now) || now < look_at_) return;
  look_at_ = now + kLook;
  if (current() == nullptr) return;  // the search does more
  for (PathState& path : paths_) {
    if (&path == current()) continue;
    if (path.is_too_small()) path.forget_size();
    ping_unproven(path, now);
  }
}

// The peer was heard there, so the way is open now. What has answered us already needs no answer to
// its ping but the pong: else both sides' pings would call for each other without end.
void Peer::ping_back(PathState& path, MonoTime now) {
  if (&path == current() || path.is_ready()) return;
  if (path.is_being_proven() && !path.is_doubted()) return;
  ping_unproven(path, now);
}

void Peer::ping_unproven(PathState& path, MonoTime now) {
  if (path.sent_at() && now < *path.sent_at() + kPingSpacing) return;
  if (!pings_.take(now) || !station_.caps.take(path.direct().endpoint.address, now)) {
    ++station_.counters.held_back;
    return;
  }
  ping(path, false, now);
}

void Peer::ping(PathState& path, bool is_full, MonoTime now) {
  if (&path == current() && path.misses() == 0) {
    silence_ = path.alive_at() ? now - *path.alive_at() : Duration::zero();
    const auto tenth = static_cast<std::uint64_t>((keepalive_.interval() / 10).count());
    keepalive_jitter_ = Duration(station_.rng().below(tenth));
  }
  station_.ping(correspondent(), path.direct(), is_full, now);
  path.sent(is_full, now);
}

void Peer::tend_paths(MonoTime now) {
  look_around(now);
  for (PathState& path : paths_) {
    if (next_ping_at(path, now) > now) continue;
    const bool is_proving = path.is_being_proven() && path.misses() == 0;
    ping(path, is_proving || is_full_ping_due(path, now), now);
  }
}

MonoTime Peer::next_ping_at(const PathState& path, MonoTime now) const {
  if (path.is_waiting()) return MonoTime::never();
  if (path.is_being_proven() && now < *path.answered_at() + kProvingFor) return now;
  if (&path != current()) return MonoTime::never();
  if (path.misses() > 0 || !path.sent_at()) return now;
  if (is_busy(now)) return *path.sent_at() + kBusyPing;
  return path.alive_at().value_or(now) + keepalive_.interval() + keepalive_jitter_;
}

bool Peer::is_full_ping_due(const PathState& path, MonoTime now) const {
  if (!is_busy(now) || path.misses() > 0) return false;
  return path.full_misses() > 0 || !path.full_at() || now >= *path.full_at() + kFullPing;
}

// Before a route is chosen, because the one in use may have led through a socket that goes.
void Peer::close_spent_holes(MonoTime now) {
  drop_dead_socket();
  if (current() == nullptr || !holes_.is_open()) return;
  if (now >= route_since_ + kHolesOutlive) close_holes();
}

void Peer::continue_punch(MonoTime now) {
  if (!can_probe()) return;
  if (current() != nullptr) {
    guesses_.stop(station_);
    punch_pause_ = kFirstPunchPause;
    punch_again_at_ = now;
    return;
  }
  if (holes_.is_over(now)) {
    close_holes();
    punch_again_at_ = now + punch_pause_;
    punch_pause_ = std::min(punch_pause_ * 2, kLongestPunchPause);
  }
  open_holes(now);
  if (holes_.go_on(station_, correspondent(), now)) call(false, true, false, now);
  guesses_.go_on(station_, correspondent(), now);
}

void Peer::open_holes(MonoTime now) {
  if (holes_.is_open() || guesses_.is_running() || now < punch_again_at_) return;
  if (!search_.is_running || search_.round < kRoundsBeforeHoles || !is_called_lately(now)) return;
  const auto target = hole_target();
  if (!target || !is_probeable(*target, station_.settings)) return;
  if (!holes_.open(station_, *target, now)) punch_again_at_ = now + kSocketsBusyPause;
}

std::optional<Endpoint> Peer::hole_target() const {
  const auto& theirs = called_candidates_.empty() ? record_.candidates : called_candidates_;
  switch (need_of(station_.connectivity, there_)) {
    case Need::kNothing:
    case Need::kHolesThere: return {};
    case Need::kHolesHere: return public_endpoint(theirs);
    case Need::kPrediction: break;
  }
  const auto seen = predictable_endpoint(theirs);
  if (!seen || !predictable_endpoint(station_.local)) return {};
  const std::size_t port = seen->port + kPunchSockets / 2;
  if (port > 0xffff) return {};
  return Endpoint{.address = seen->address, .port = static_cast<std::uint16_t>(port)};
}

void Peer::close_holes() {
  // Several holes may have been hit, and the peer may use another one than we do: by now it writes
  // to no other, so the one that was heard last is the one to keep.
  const PathState* used = nullptr;
  for (const PathState& path : paths_) {
    if (!holes_.owns(path.direct().socket) || !path.is_usable()) continue;
    if (used == nullptr || path.heard_at() > used->heard_at()) used = &path;
  }
  const std::optional<SocketNumber> kept =
      used != nullptr ? std::optional(used->direct().socket) : std::nullopt;
  std::erase_if(paths_, [&](const PathState& path) {
    return holes_.owns(path.direct().socket) && path.direct().socket != kept;
  });
  holes_.close(station_, kept);
  if (!kept) return;
  drop_kept_socket();
  kept_socket_ = kept;
}

void Peer::drop_dead_socket() {
  const bool is_alive = std::ranges::any_of(paths_, [&](const PathState& path) {
    return path.direct().socket == kept_socket_ && path.is_usable();
  });
  if (!is_alive) drop_kept_socket();
}

void Peer::drop_kept_socket() {
  if (!kept_socket_) return;
  std::erase_if(paths_,
                [&](const PathState& path) { return path.direct().socket == kept_socket_; });
  station_.release_sockets(*kept_socket_, 1);
  kept_socket_.reset();
}

void Peer::start_guessing(MonoTime now) {
  if (current() != nullptr || now < punch_again_at_) return;
  if (need_of(station_.connectivity, there_) != Need::kHolesThere) return;
  std::vector<Endpoint> seen;
  for (const netmap::Candidate& candidate : called_candidates_) {
    if (candidate.kind == netmap::CandidateKind::kLocal || !candidate.endpoint.address.is_v4()) {
      continue;
    }
    if (is_probeable(candidate.endpoint, station_.settings)) seen.push_back(candidate.endpoint);
  }
  if (guesses_.start(station_, seen, now)) punch_again_at_ = now + kFirstPunchPause / 2;
}

MonoTime Peer::compute_deadline(MonoTime now) const {
  MonoTime next = std::min({awake_until_, search_.again_at, held_until_});
  if (current() == nullptr) {
    next = std::min({next, holes_.deadline(), guesses_.deadline()});
  } else if (holes_.is_open()) {
    next = std::min(next, route_since_ + kHolesOutlive);
  }
  if (search_.is_running) {
    const Duration after = search_.round < kRounds.size() ? kRounds.at(search_.round) : kSearchEnd;
    next = std::min(next, *search_.started + after);
  }
  if (is_busy(now)) next = std::min(next, look_at_);
  for (const PathState& path : paths_) {
    next = std::min({next, path.timeout_at(), next_ping_at(path, now)});
  }
  return next;
}

}  // namespace sinew::path
