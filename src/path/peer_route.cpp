// Which route is used, and why.
#include <algorithm>

#include "path/candidates.h"
#include "path/peer.h"

namespace sinew::path {
namespace {

constexpr Duration kFreshProof = 2s;       // of another path, when one in use is left for it
constexpr Duration kPrivateBonus = 2ms;    // what a local path may be slower than a public one
constexpr Duration kOwnSocketMalus = 1ms;  // packets through it leave the fast way
constexpr Duration kLossMalus = 1ms;       // for each lost ping in a thousand
constexpr Duration kChangeEchoes = 3s;     // what happens so long after a change of network is its

bool is_private(const PathState& path) {
  const IpAddress& address = path.direct().endpoint.address;
  return address.is_private() || address.is_link_local();
}

bool is_v4(const PathState& path) {
  return path.direct().endpoint.address.is_v4();
}

}  // namespace

const PathState* Peer::current() const {
  if (!route_.is_direct()) return nullptr;
  const auto found = std::ranges::find(paths_, route_.direct, &PathState::direct);
  return found == paths_.end() ? nullptr : &*found;
}

PathState* Peer::current() {
  return route_.is_direct() ? find(route_.direct) : nullptr;
}

// The path in use has died: others have to answer again before they are trusted, as what cut it
// may have cut them too.
void Peer::check_current(MonoTime now) {
  const PathState* used = current();
  if (used == nullptr || used->is_usable()) return;
  if (used->is_dead() && !is_busy(now)) keepalive_.forgotten(silence_);
  for (PathState& path : paths_) {
    if (!path.answered_at() || now > *path.answered_at() + kFreshProof) path.doubt();
  }
  start_search(true, now);
}

void Peer::choose_route(MonoTime now) {
  const Route next = next_route(now);
  if (next != route_) set_route(next, change_to(next, now), now);
  has_restarted_ = false;
}

Route Peer::next_route(MonoTime now) {
  held_until_ = MonoTime::never();
  const Route fallback = station_.has_relay(record_.home) ? Route::relay() : Route::none();
  const PathState* used = current();
  const PathState* found = best();
  if (found == nullptr) return fallback;
  if (used == nullptr || !used->is_usable()) {
    const MonoTime held = held_until(*found, now);
    if (held <= now || fallback.kind == RouteKind::kNone) return Route::to(found->direct());
    held_until_ = held;
    return fallback;
  }
  // Right after the search began, better ones are still coming in and nothing has settled.
  const bool may_leave =
      now >= route_since_ + kDwell || (search_.is_running && now < *search_.started + kRounds[4]);
  // An old answer is no reason to leave: the path may be long gone.
  const bool is_fresh = found->answered_at() && now <= *found->answered_at() + kFreshProof;
  return Route::to(may_leave && is_fresh && is_clearly_better(*found, *used) ? found->direct()
                                                                             : used->direct());
}

PathState* Peer::best() {
  PathState* best = nullptr;
  for (PathState& path : paths_) {
    if (!(&path == current() ? path.is_usable() : path.is_ready())) continue;
    if (best == nullptr || is_better(path, *best)) best = &path;
  }
  return best;
}

Duration Peer::cost(const PathState& path) const {
  Duration cost = path.rtt() + kLossMalus * path.loss_permille();
  if (station_.settings.prefers_ipv6 && is_v4(path)) cost += station_.settings.ipv6_threshold;
  if (is_private(path)) cost -= kPrivateBonus;
  if (path.direct().socket != kMainSocket) cost += kOwnSocketMalus;
  return cost;
}

bool Peer::is_better(const PathState& path, const PathState& than) const {
  return cost(path) < cost(than);
}

// Two paths that are about equal never take turns: what is preferred for what it is wins from as
// fast on, and loses only by a margin on top of its preference.
bool Peer::is_clearly_better(const PathState& path, const PathState& than) const {
  const bool is_preferred_family = station_.settings.prefers_ipv6 && !is_v4(path) && is_v4(than);
  if (is_preferred_family || (is_private(path) && !is_private(than))) {
    return cost(path) < cost(than);
  }
  return cost(path) + std::max(kMargin, than.rtt() / kMarginPart) < cost(than);
}

// RFC 8305: a path of IPv4 waits a moment for one of IPv6 that is still being tried. The relay
// carries until then.
MonoTime Peer::held_until(const PathState& found, MonoTime now) const {
  if (!station_.settings.prefers_ipv6 || !search_.is_running) return now;
  if (!is_v4(found) || is_private(found)) return now;
  const bool is_hoping = std::ranges::any_of(paths_, [](const PathState& path) {
    return !is_v4(path) && path.is_listed && !path.is_usable() && !path.is_too_small();
  });
  return is_hoping ? *search_.started + station_.settings.happy_eyeballs_delay : now;
}

void Peer::set_route(const Route& next, Change change, MonoTime now) {
  if (next == route_) return;
  route_ = next;
  route_since_ = now;
  history_.push_back({.at = now, .route = next, .change = change});
  if (history_.size() > kHistoryLength) history_.pop_front();
  station_.emit(RouteChanged{.peer = record_.key, .route = next});
}

Change Peer::change_to(const Route& next, MonoTime now) const {
  if (next.is_direct()) {
    if (!route_.is_direct()) return Change::kDirectFound;
    const PathState* used = current();
    return used == nullptr || used->is_usable() ? Change::kBetterFound : Change::kDirectSilent;
  }
  if (has_restarted_) return Change::kPeerRestarted;
  if (route_.is_direct()) {
    const bool is_echo = network_changed_at_ && now < *network_changed_at_ + kChangeEchoes;
    return is_echo ? Change::kNetworkChanged : Change::kDirectSilent;
  }
  if (next.kind == RouteKind::kNone) return Change::kRelayLost;
  return history_.empty() || history_.back().change == Change::kFellAsleep ? Change::kStarted
                                                                           : Change::kRelayFound;
}

WhyNotDirect Peer::why(MonoTime) const {
  if (!is_awake_) return WhyNotDirect::kAsleep;
  if (!station_.settings.is_probing) return WhyNotDirect::kProbesOff;
  if (!box_) return WhyNotDirect::kNoDiscoKey;
  if (std::ranges::any_of(paths_, &PathState::is_too_small)) return WhyNotDirect::kTooSmall;
  if (!station_.connectivity.has_udp) return WhyNotDirect::kUdpBlockedHere;
  if (!there_.has_udp) return WhyNotDirect::kUdpBlockedThere;
  const Need need = need_of(station_.connectivity, there_);
  const bool is_foretold = need == Need::kPrediction && hole_target().has_value();
  if (need == Need::kPrediction && !is_foretold) return WhyNotDirect::kBothHard;
  const bool is_punching = holes_.is_open() || guesses_.is_running();
  if (is_punching || (search_.is_running && search_.is_first)) return WhyNotDirect::kProbing;
  if (is_foretold) return WhyNotDirect::kBothHard;
  if (!record_.is_online) return WhyNotDirect::kPeerOffline;
  if (paths_.empty()) return WhyNotDirect::kNoCandidates;
  return need == Need::kNothing ? WhyNotDirect::kNoAnswer : WhyNotDirect::kPortsNotHit;
}

Description Peer::describe(MonoTime now) const {
  Description description{.route = route_,
                          .why = {},
                          .rtt = {},
                          .loss_permille = 0,
                          .keepalive = keepalive_.interval(),
                          .paths = paths_.size(),
                          .answering = 0,
                          .history = {history_.begin(), history_.end()}};
  for (const PathState& path : paths_)
    description.answering += path.is_ready() ? 1 : 0;
  if (const PathState* used = current()) {
    description.rtt = used->rtt();
    description.loss_permille = used->loss_permille();
  } else {
    description.why = why(now);
  }
  return description;
}

}  // namespace sinew::path
