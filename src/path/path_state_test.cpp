#include "path/path_state.h"

#include <doctest/doctest.h>

#include "path/keepalive.h"

using namespace sinew;
using namespace sinew::path;

namespace {

struct Probe {
  MonoTime now{1h};
  PathState path{{.endpoint = {IpAddress::v4(192, 0, 2, 1), 1}, .socket = kMainSocket}};

  void answer(bool is_full, Duration rtt = 50ms) {
    const MonoTime sent = now;
    path.sent(is_full, now);
    now += rtt;
    path.answered(is_full, sent, now);
  }
  void lose(bool is_full = false) {
    path.sent(is_full, now);
    now = path.timeout_at();
    CHECK(path.take_timeout(now));
  }
  void prove() {
    answer(false);
    answer(true);
  }
};

}  // namespace

TEST_CASE("path state: a path is usable once a ping of full size was answered") {
  Probe probe;
  CHECK_FALSE(probe.path.is_usable());
  CHECK_FALSE(probe.path.is_being_proven());
  probe.answer(false);
  CHECK_FALSE(probe.path.is_usable());
  CHECK(probe.path.is_being_proven());
  probe.answer(true);
  CHECK(probe.path.is_usable());
  CHECK_FALSE(probe.path.is_being_proven());
}

TEST_CASE("path state: it is dead after three misses in a row, five if the peer is still heard") {
  Probe probe;
  probe.prove();
  probe.lose();
  probe.lose();
  CHECK(probe.path.is_usable());
  CHECK_FALSE(probe.path.is_ready());
  probe.answer(false);
  CHECK(probe.path.is_ready());
  for (int i = 0; i < 3; ++i)
    probe.lose();
  CHECK(probe.path.is_dead());
  probe.path.heard(probe.now);
  CHECK_FALSE(probe.path.is_dead());
  probe.lose();
  CHECK_FALSE(probe.path.is_dead());
  probe.lose();
  CHECK(probe.path.is_dead());
}

TEST_CASE("path state: what was heard before the first miss forgives nothing") {
  Probe probe;
  probe.prove();
  probe.path.heard(probe.now);
  for (int i = 0; i < 3; ++i)
    probe.lose();
  CHECK(probe.path.is_dead());
}

TEST_CASE("path state: a suspected path has one miss less to spend") {
  Probe probe;
  probe.prove();
  probe.path.suspect(probe.now);
  probe.lose();
  CHECK_FALSE(probe.path.is_dead());
  probe.lose();
  CHECK(probe.path.is_dead());
}

TEST_CASE("path state: full size is given up after three misses, with small ones in between") {
  Probe probe;
  probe.prove();
  for (int i = 0; i < 3; ++i) {
    CHECK(probe.path.is_usable());
    probe.lose(true);
    probe.answer(false);
  }
  CHECK_FALSE(probe.path.is_usable());
  CHECK(probe.path.is_too_small());
  CHECK_FALSE(probe.path.is_being_proven());
  probe.path.forget_size();
  CHECK(probe.path.is_being_proven());
}

TEST_CASE("path state: the time-out follows the round trip within its bounds") {
  Probe probe;
  const auto timeout = [&] {
    probe.path.sent(false, probe.now);
    return probe.path.timeout_at() - probe.now;
  };
  CHECK(timeout() == kUnknownTimeout);
  for (int i = 0; i < 20; ++i)
    probe.answer(false, 2ms);
  CHECK(timeout() == kShortestTimeout);
  for (int i = 0; i < 40; ++i)
    probe.answer(false, 300ms);
  CHECK(timeout() > 300ms);
  CHECK(timeout() < 500ms);
  for (int i = 0; i < 40; ++i)
    probe.answer(false, 3s);
  CHECK(timeout() == kLongestTimeout);
}

TEST_CASE("path state: a ping is lost at its time-out, not a nanosecond before") {
  Probe probe;
  probe.path.sent(false, probe.now);
  CHECK_FALSE(probe.path.take_timeout(probe.path.timeout_at() - 1ns));
  CHECK(probe.path.take_timeout(probe.path.timeout_at()));
  CHECK(probe.path.timeout_at() == MonoTime::never());
  CHECK_FALSE(probe.path.take_timeout(probe.now + 1h));
}

TEST_CASE("path state: an answer that comes late still counts") {
  Probe probe;
  probe.prove();
  const MonoTime sent = probe.now;
  probe.lose();
  probe.path.answered(false, sent, probe.now + 1s);
  CHECK(probe.path.is_ready());
}

TEST_CASE("keepalive: the interval grows while the path survives it, up to its ceiling") {
  Keepalive keepalive;
  CHECK(keepalive.interval() == kShortestKeepalive);
  keepalive.survived(kShortestKeepalive - 1ns);
  CHECK(keepalive.interval() == kShortestKeepalive);
  keepalive.survived(kShortestKeepalive);
  CHECK(keepalive.interval() == kShortestKeepalive * 5 / 4);
  for (int i = 0; i < 20; ++i)
    keepalive.survived(keepalive.interval());
  CHECK(keepalive.interval() == kLongestKeepalive);
}

TEST_CASE("keepalive: what the path did not survive is not tried again") {
  Keepalive keepalive;
  for (int i = 0; i < 20; ++i)
    keepalive.survived(keepalive.interval());
  keepalive.forgotten(100s);
  CHECK(keepalive.interval() == 80s);
  for (int i = 0; i < 20; ++i)
    keepalive.survived(keepalive.interval());
  CHECK(keepalive.interval() == 80s);
  keepalive.forgotten(1s);  // too short a silence for a NAT to forget
  CHECK(keepalive.interval() == 80s);
  keepalive.forgotten(kShortestKeepalive);
  CHECK(keepalive.interval() == kShortestKeepalive);
}
