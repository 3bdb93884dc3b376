#include "dataplane/fair_share.h"

#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::dataplane;

namespace {

using Count = FairShare::Count;
constexpr FairShare::Queue kIdle{};
constexpr FairShare::Queue kOverflowing{.dropped = 1, .filled_percent = 100};
constexpr FairShare::Queue kFull{.dropped = 0, .filled_percent = 100};

struct Shared {
  // As many in one call.
  std::size_t admit(std::uint32_t peer, std::size_t packets) {
    return share.admit(wg::PeerId(peer), packets);
  }
  void next_window(const FairShare::Queue& queue, Duration step = FairShare::kWindow) {
    now += step;
    REQUIRE(share.is_window_over(now));
    share.begin_window(now, queue);
  }
  // Peer 1 floods, peer 2 does not; afterwards the limit is the one that follows from it.
  void flood(std::size_t many = 800, std::size_t few = 10) {
    next_window(kIdle);
    admit(1, many);
    admit(2, few);
    next_window(kOverflowing);
  }

  FairShare share;
  MonoTime now{1h};
};

Count sum_of_cut(const std::vector<Count>& arrived, Count limit) {
  Count sum = 0;
  for (const Count count : arrived)
    sum += std::min(count, limit);
  return sum;
}

std::uint32_t below(Rng& rng, std::uint32_t bound) {
  return static_cast<std::uint32_t>(rng.below(bound));
}

// By trying every limit there is.
Count naive_limit(const std::vector<Count>& arrived, Count budget) {
  if (sum_of_cut(arrived, FairShare::kUnlimited) <= budget) return FairShare::kUnlimited;
  Count limit = 1;
  while (sum_of_cut(arrived, limit + 1) <= budget)
    ++limit;
  return limit;
}

}  // namespace

TEST_CASE("the fair limit is the largest that the budget has room for") {
  SeededRng rng(1);
  for (int round = 0; round < 2'000; ++round) {
    std::vector<Count> arrived(below(rng, 20));
    const std::uint32_t most = 1 + below(rng, 200);
    for (Count& count : arrived)
      count = 1 + below(rng, most);
    std::ranges::sort(arrived);
    const Count budget = below(rng, 1'000);
    CAPTURE(arrived.size());
    CAPTURE(budget);
    CHECK(FairShare::fair_limit(arrived, budget) == naive_limit(arrived, budget));
  }
}

TEST_CASE("the fair limit of a few cases that can be seen") {
  const auto limit = [](std::vector<Count> arrived, Count budget) {
    return FairShare::fair_limit(arrived, budget);
  };
  CHECK(limit({}, 0) == FairShare::kUnlimited);
  CHECK(limit({10, 100}, 110) == FairShare::kUnlimited);
  CHECK(limit({10, 100}, 109) == 99);
  CHECK(limit({10, 100, 100}, 110) == 50);
  CHECK(limit({100, 100, 100}, 2) == 1);  // never none at all
}

TEST_CASE("nobody is limited as long as the kernel drops nothing, however full the socket is") {
  Shared shared;
  for (int window = 0; window < 200; ++window) {
    shared.next_window(kFull);
    CHECK(shared.admit(1, 1'000) == 1'000);
    CHECK(shared.admit(2, 1) == 1);
  }
}

TEST_CASE("nobody is limited as long as there is room in the socket") {
  Shared shared;
  shared.flood();
  shared.next_window({.dropped = 5, .filled_percent = FairShare::kFilledLow});
  CHECK(shared.share.limit() == FairShare::kUnlimited);
  shared.flood();
  shared.admit(1, 800);
  shared.next_window({.dropped = 5, .filled_percent = FairShare::kFilledLow + 1});
  CHECK(shared.share.limit() < 800);
}

TEST_CASE("a lone peer is never limited") {
  Shared shared;
  for (int window = 0; window < 200; ++window) {
    shared.next_window(kOverflowing);
    CHECK(shared.admit(1, 600) == 600);
    CHECK(shared.admit(1, 600) == 600);
  }
}

TEST_CASE("peers that flood alike are not limited, because nobody would gain by it") {
  Shared shared;
  for (int window = 0; window < 200; ++window) {
    shared.next_window(kOverflowing);
    for (std::uint32_t peer = 0; peer < 3; ++peer)
      CHECK(shared.admit(peer, 400 + 10 * peer) == 400 + 10 * peer);
  }
}

TEST_CASE("who floods is cut to the limit, packet by packet or in runs, and the other is not") {
  Shared shared;
  shared.flood(800, 10);
  // At the full socket an eighth of the 810 that were opened.
  CHECK(shared.share.limit() == 92);
  CHECK(shared.admit(2, 4) == 4);
  CHECK(shared.admit(1, 50) == 50);
  CHECK(shared.admit(1, 41) == 41);
  CHECK(shared.admit(1, 3) == 1);
  CHECK(shared.admit(1, 1'000) == 0);
  CHECK(shared.admit(2, 6) == 6);
  CHECK(shared.admit(3, 92) == 92);  // who was not there before has the same limit
  CHECK(shared.admit(3, 1) == 0);
}

TEST_CASE("the budget falls as the socket fills") {
  Count before = FairShare::kUnlimited;
  for (unsigned filled = FairShare::kFilledLow + 1; filled <= 130; ++filled) {
    Shared shared;
    shared.next_window(kIdle);
    shared.admit(1, 100'000);
    shared.admit(2, 100);
    shared.next_window({.dropped = 1, .filled_percent = filled});
    const Count limit = shared.share.limit();
    CHECK(limit >= 100'100 / FairShare::kLeastPart - 100);
    CHECK((filled <= FairShare::kFilledHigh ? limit < before : limit == before));
    before = limit;
  }
}

TEST_CASE("the limit ends a second after the last drop, its own included") {
  for (const bool is_late : {false, true}) {
    Shared shared;
    shared.flood(800, 10);
    shared.admit(1, 92);  // nothing to cut
    shared.admit(2, 10);
    const Duration step = FairShare::kMemory - (is_late ? 0ns : 1ns);
    shared.next_window(kFull, step);
    CHECK((shared.share.limit() == FairShare::kUnlimited) == is_late);
  }
  Shared cut;
  cut.flood(800, 10);
  for (int window = 0; window < 200; ++window) {
    CHECK(cut.admit(1, 800) < 800);
    CHECK(cut.admit(2, 1) == 1);
    cut.next_window(kFull);
  }
}

TEST_CASE("one who sends now and then is protected for a second") {
  for (const bool is_late : {false, true}) {
    Shared shared;
    shared.flood(800, 10);
    const Duration step = FairShare::kMemory - (is_late ? 0ns : 1ns);
    shared.admit(1, 800);
    shared.next_window(kOverflowing, step);
    CHECK((shared.share.limit() == FairShare::kUnlimited) == is_late);
  }
}

TEST_CASE("a flood from strangers is not answered by taking from the peers") {
  for (const std::size_t strangers : {800U, 801U}) {
    Shared shared;
    shared.next_window(kIdle);
    shared.admit(1, 800);
    shared.share.count_others(strangers - 10);
    shared.admit(2, 10);
    shared.next_window(kOverflowing);
    CHECK((shared.share.limit() == FairShare::kUnlimited) == (strangers == 801));
  }
}

TEST_CASE("while the clock stands a window goes on, and its limit holds") {
  Shared shared;
  shared.flood(800, 10);
  std::size_t admitted = 0;
  for (int i = 0; i < 100'000; ++i) {
    CHECK_FALSE(shared.share.is_window_over(shared.now));
    admitted += shared.admit(1, 64);
    REQUIRE(shared.admit(2, 1) == (i < 92 ? 1 : 0));
  }
  CHECK(admitted == 92);
}

TEST_CASE("a window is over after its time, and when the clock went back") {
  Shared shared;
  shared.share.begin_window(shared.now, kIdle);
  CHECK_FALSE(shared.share.is_window_over(shared.now));
  CHECK_FALSE(shared.share.is_window_over(shared.now + FairShare::kWindow - 1ns));
  CHECK(shared.share.is_window_over(shared.now + FairShare::kWindow));
  CHECK(shared.share.is_window_over(shared.now - 1ns));
}

TEST_CASE("when the clock goes back what was dropped before is forgotten") {
  Shared shared;
  shared.flood(800, 10);
  shared.admit(1, 50);
  shared.admit(2, 10);
  shared.next_window(kFull, -10min);
  CHECK(shared.share.limit() == FairShare::kUnlimited);
  // And it goes on from there.
  shared.flood(800, 10);
  CHECK(shared.share.limit() < 800);
}

TEST_CASE("a hundred peers are told apart; of a thousand some share, and others each time") {
  for (const std::uint32_t peers : {100U, 1'000U}) {
    constexpr int kWindows = 300;
    Shared shared;
    std::vector<int> refused(peers + 1);
    for (int window = 0; window < kWindows; ++window) {
      shared.next_window(kOverflowing);
      shared.admit(0, 100'000);
      for (std::uint32_t peer = 1; peer <= peers; ++peer)
        refused[peer] += shared.admit(peer, 1) == 0 ? 1 : 0;
    }
    CHECK(shared.share.limit() < 100'000);
    CHECK(std::ranges::max(refused) <= (peers == 100 ? kWindows / 50 : kWindows * 3 / 4));
  }
}

TEST_CASE("any peers come and go: no more is admitted than came, and none is cut below the limit") {
  SeededRng rng(7);
  Shared shared;
  int limited = 0;
  for (int window = 0; window < 3'000; ++window) {
    shared.next_window({.dropped = below(rng, 2), .filled_percent = below(rng, 110)},
                       FairShare::kWindow + Duration(below(rng, 1 << 24)));
    const Count limit = shared.share.limit();
    limited += limit == FairShare::kUnlimited ? 0 : 1;
    std::map<std::uint32_t, Count> arrived;
    std::map<std::uint32_t, Count> admitted;
    const std::uint32_t first = below(rng, 10'000);
    for (int run = 0; run < 60; ++run) {
      const std::uint32_t peer = first + below(rng, 1 + below(rng, 8));
      const std::size_t packets = 1 + below(rng, peer == first ? 200 : 20);
      const std::size_t now_admitted = shared.admit(peer, packets);
      REQUIRE(now_admitted <= packets);
      arrived[peer] += packets;
      admitted[peer] += now_admitted;
    }
    int short_of = 0;
    for (const auto& [peer, count] : arrived) {
      CHECK(admitted[peer] <= std::min(count, limit));
      short_of += admitted[peer] < std::min(count, limit) ? 1 : 0;
    }
    CHECK(short_of == 0);
  }
  CHECK(limited > 300);
}

// --------------------------------------------------------------------------- the whole, simulated

namespace {

// A socket with room for so many packets, and a server that looks at a packet in `look` and opens
// it in `open`. Each peer sends one packet per its interval.
struct Server {
  static constexpr std::size_t kRoom = 65'536;  // of small datagrams in trains
  static constexpr std::size_t kBatch = 64;
  static constexpr Duration kLook = 400ns;
  static constexpr Duration kOpen = 1600ns;

  struct Peer {
    Duration interval;
    MonoTime next = MonoTime(1h);
    std::uint64_t sent = 0;
    std::uint64_t opened = 0;

    double lost() const { return 1 - static_cast<double>(opened) / static_cast<double>(sent); }
  };

  // Counts what happens after the first quarter of a second, in which the limit is found.
  void run(Duration span, bool is_fair) {
    proceed(250ms, is_fair);
    for (Peer& peer : peers)
      peer.sent = peer.opened = 0;
    proceed(span, is_fair);
  }
  void proceed(Duration span, bool is_fair) {
    for (const MonoTime end = now + span; now < end;) {
      arrive();
      if (share.is_window_over(now)) {
        share.begin_window(now,
                           {.dropped = std::exchange(dropped, 0),
                            .filled_percent = static_cast<unsigned>(100 * queue.size() / kRoom)});
      }
      const std::size_t count = std::min(kBatch, queue.size());
      if (count == 0) now += 10us;
      for (std::size_t i = 0; i < count; ++i) {
        const std::uint32_t from = queue.front();
        queue.pop_front();
        now += kLook;
        if (share.admit(wg::PeerId(from), 1) == 0 && is_fair) continue;
        now += kOpen;
        ++peers[from].opened;
      }
    }
  }
  // Until now, in the order of time.
  void arrive() {
    while (true) {
      const auto first = std::ranges::min_element(peers, {}, &Peer::next);
      if (first->next > now) return;
      first->next += first->interval;
      ++first->sent;
      if (queue.size() < kRoom) {
        queue.push_back(static_cast<std::uint32_t>(first - peers.begin()));
      } else {
        ++dropped;
      }
    }
  }

  explicit Server(std::vector<Peer> sending) : peers(std::move(sending)) {}

  std::vector<Peer> peers;
  std::deque<std::uint32_t> queue;
  std::uint64_t dropped = 0;
  FairShare share;
  MonoTime now{1h};
};

}  // namespace

TEST_CASE(
    "a server that opens 500 packets a ms loses nothing of a modest peer in a flood of 1,000") {
  for (const bool is_fair : {false, true}) {
    Server server({{.interval = 1us}, {.interval = 2ms}, {.interval = 40us}});
    server.run(3s, is_fair);
    CAPTURE(is_fair);
    // Two thirds of the time are looking, then; a third opens. Nobody can do better than that.
    CHECK(server.peers[0].opened > (is_fair ? 900'000U : 1'400'000U) * 3 / 4);
    for (const std::size_t modest : {1U, 2U}) {
      if (is_fair) CHECK(server.peers[modest].lost() < 0.02);
      if (!is_fair) CHECK(server.peers[modest].lost() > 0.4);
    }
  }
}

TEST_CASE("two peers that flood, one twice as much, are cut to the same, and a third to nothing") {
  Server server({{.interval = 2us}, {.interval = 1us}, {.interval = 1ms}});
  server.run(3s, true);
  const auto opened = [&](std::size_t peer) {
    return static_cast<double>(server.peers[peer].opened);
  };
  CHECK(opened(1) / opened(0) < 1.15);
  CHECK(opened(1) / opened(0) > 0.95);
  CHECK(server.peers[2].lost() < 0.02);
}
