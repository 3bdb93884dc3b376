// One peer, as the agent sees it: its addresses, the direct paths among them, the search for
// better ones, and the route in use. agent.h says what all this promises.
//
//   asleep  nobody talks to it: no path, no ping, no timer
//   idle    somebody did within kKeepIdle: the direct path in use is kept open
//   busy    packets went out within kTrafficFor: the path is pinged every kBusyPing, others are
//           looked at every kLook, and where nothing is direct the search is repeated
//
// A search is a series of rounds (kRounds). Each pings all paths that are not usable, and some call
// the peer to do the same. Every input ends in settle(), the one place where timers act and the
// route is chosen. Pure; one thread.
#pragma once

#include <array>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "crypto/box.h"
#include "disco/messages.h"
#include "netmap/netmap.h"
#include "path/agent.h"
#include "path/keepalive.h"
#include "path/path_state.h"
#include "path/punch.h"
#include "path/station.h"

namespace sinew::path {

inline constexpr Duration kTrafficFor = 10s;
inline constexpr Duration kBusyPing = 1s;
inline constexpr Duration kFullPing = 10s;   // while busy: does the path still carry full size?
inline constexpr Duration kLook = 60s;       // for a better path, while busy
inline constexpr Duration kCalledFor = 60s;  // that a call keeps a peer awake
inline constexpr std::array<Duration, 6> kRounds{0ms, 100ms, 300ms, 700ms, 1500ms, 3000ms};
inline constexpr Duration kSearchEnd = 5s;  // after its start: the answers to the last round are in
inline constexpr Duration kFirstPause = 2s;  // between searches without success; doubles
inline constexpr Duration kLongestPause = 5min;
inline constexpr Duration kSearchSpacing = 1s;  // at least, between two starts
inline constexpr Duration kDwell = 5s;          // no path is left for a better one sooner
inline constexpr Duration kMargin = 3ms;        // by which another path has to be faster, or
inline constexpr int kMarginPart = 7;           // by this part of the round trip, if that is more

class Peer {
 public:
  Peer(Station& station, const netmap::Peer& record, MonoTime now);

  const netmap::Peer& record() const { return record_; }
  // The key of messages to and from it, computed when first needed. Null when it has none.
  const crypto::BoxKey* box();

  void update(const netmap::Peer& record, MonoTime now);
  void note_wanted(MonoTime now);
  void note_received(const Way& from, MonoTime now);
  void punch(std::span<const netmap::Candidate> candidates, MonoTime now);
  void take_ping(const disco::Ping& ping, const Direct& from, MonoTime now);
  void take_pong(const SentPing& sent, MonoTime now);
  void take_call(const disco::CallMe& call, bool is_relayed, MonoTime now);
  void local_changed(MonoTime now);
  void network_changed(MonoTime now);

  // Does what is due. Cheap when nothing is.
  void settle(MonoTime now);
  MonoTime deadline() const { return deadline_; }
  // Gives back the sockets; the last call.
  void close();

  const Route& route() const { return route_; }
  Description describe(MonoTime now) const;

 private:
  struct Search {
    bool is_running = false;
    bool is_calling = false;          // false: the peer called us; both calling would never end
    bool is_first = true;             // since the peer woke up
    std::optional<MonoTime> started;  // the last one
    std::size_t round = 0;
    MonoTime again_at = MonoTime::never();
    Duration pause = kFirstPause;
  };

  // peer.cpp: addresses and inputs
  Correspondent correspondent() { return {.key = record_.key, .box = box()}; }
  void list_candidates();
  void forget_learned(MonoTime now);
  PathState* find(const Direct& direct);
  PathState* find_or_add(const Direct& direct);
  void wake(Duration for_how_long, MonoTime now);
  void fall_asleep(MonoTime now);
  void give_up_probing();
  bool is_busy(MonoTime now) const { return wanted_at_ && now < *wanted_at_ + kTrafficFor; }
  bool can_probe() { return station_.settings.is_probing && box() != nullptr; }
  bool is_called_lately(MonoTime now) const {
    return called_at_ && now < *called_at_ + kCalledLately;
  }

  // peer_search.cpp: pings, calls, holes
  void start_search(bool is_calling, MonoTime now);
  void continue_search(MonoTime now);
  void run_round(MonoTime now);
  void end_search(MonoTime now);
  void call(bool is_answer, bool has_open_sockets, bool by_nucleus, MonoTime now);
  void ping_all(MonoTime now);
  void look_around(MonoTime now);
  void ping_back(PathState& path, MonoTime now);
  void ping_unproven(PathState& path, MonoTime now);
  void ping(PathState& path, bool is_full, MonoTime now);
  void tend_paths(MonoTime now);
  MonoTime next_ping_at(const PathState& path, MonoTime now) const;
  bool is_full_ping_due(const PathState& path, MonoTime now) const;
  void continue_punch(MonoTime now);
  std::optional<Endpoint> hole_target() const;
  void open_holes(MonoTime now);
  void close_spent_holes(MonoTime now);
  void close_holes();
  void drop_dead_socket();
  void drop_kept_socket();
  void start_guessing(MonoTime now);
  MonoTime compute_deadline(MonoTime now) const;

  // peer_route.cpp: the decision
  PathState* current();
  const PathState* current() const;
  void check_current(MonoTime now);
  void choose_route(MonoTime now);
  PathState* best();
  bool is_better(const PathState& path, const PathState& than) const;
  bool is_clearly_better(const PathState& path, const PathState& than) const;
  Duration cost(const PathState& path) const;
  MonoTime held_until(const PathState& found, MonoTime now) const;
  Route next_route(MonoTime now);
  void set_route(const Route& next, Change change, MonoTime now);
  Change change_to(const Route& next, MonoTime now) const;
  WhyNotDirect why(MonoTime now) const;

  Station& station_;
  netmap::Peer record_;
  std::optional<crypto::BoxKey> box_;
  bool is_box_tried_ = false;

  std::vector<PathState> paths_;                      // at most kMaxPaths
  std::vector<netmap::Candidate> called_candidates_;  // of its last call
  netmap::Connectivity there_;
  TokenBucket pings_;
  TokenBucket pongs_;
  TokenBucket calls_;

  bool is_awake_ = false;
  MonoTime awake_until_;
  std::optional<MonoTime> wanted_at_;
  std::optional<MonoTime> called_at_;
  Search search_;
  MonoTime look_at_ = MonoTime::never();
  Keepalive keepalive_;
  Duration silence_{};  // before the last ping of the path in use
  Duration keepalive_jitter_{};
  MonoTime held_until_ = MonoTime::never();

  Holes holes_;
  Guesses guesses_;
  std::optional<SocketNumber> kept_socket_;
  MonoTime punch_again_at_;
  Duration punch_pause_ = kFirstPunchPause;

  Route route_;
  MonoTime route_since_;
  std::deque<HistoryEntry> history_;  // at most kHistoryLength
  std::optional<MonoTime> network_changed_at_;
  bool has_restarted_ = false;  // and no route was chosen since
  MonoTime deadline_ = MonoTime::never();
};

}  // namespace sinew::path
