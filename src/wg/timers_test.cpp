#include "wg/timers.h"

#include <doctest/doctest.h>

using namespace sinew;
using namespace sinew::wg;

namespace {

using Due = PeerTimers::Due;
constexpr MonoTime kStart{1h};

PeerTimers started(Duration interval = Duration::zero()) {
  PeerTimers timers;
  timers.start(interval, kStart);
  return timers;
}

}  // namespace

TEST_CASE("timers: nothing is due while nothing has happened") {
  PeerTimers timers = started();
  CHECK(timers.deadline() == MonoTime::never());
  CHECK(timers.take_due(kStart + 1000h) == Due::kNothing);
}

TEST_CASE("timers: a keepalive 10 s after the first data that was not answered") {
  PeerTimers timers = started();
  timers.data_received(kStart);
  timers.data_received(kStart + 4s);
  CHECK(timers.deadline() == kStart + 10s);
  CHECK(timers.take_due(kStart + 10s - 1ns) == Due::kNothing);
  CHECK(timers.take_due(kStart + 10s) == Due::kKeepalive);
  CHECK(timers.take_due(kStart + 10s) == Due::kNothing);
}

TEST_CASE("timers: whatever is sent takes the place of the keepalive") {
  PeerTimers timers = started();
  timers.data_received(kStart);
  timers.packet_sent(kStart + 9s);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("L16 a keepalive that is received calls for nothing") {
  PeerTimers timers = started();
  timers.packet_received(kStart);
  CHECK(timers.deadline() == MonoTime::never());
  timers.packet_sent(kStart);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("timers: a handshake 15 s after the first data that nothing came back for") {
  PeerTimers timers = started();
  timers.data_sent(kStart);
  timers.data_sent(kStart + 8s);
  CHECK(timers.take_due(kStart + 15s - 1ns) == Due::kNothing);
  CHECK(timers.take_due(kStart + 15s) == Due::kSilence);
  CHECK(timers.take_due(kStart + 15s) == Due::kInitiation);
  CHECK(timers.take_due(kStart + 15s) == Due::kNothing);
}

TEST_CASE("timers: the silence has the jitter of the last handshake") {
  PeerTimers timers = started();
  timers.initiation_sent(kStart, 300ms);
  timers.handshake_complete(false, kStart);
  timers.data_sent(kStart);
  CHECK(timers.take_due(kStart + 15s + 300ms - 1ns) == Due::kNothing);
  CHECK(timers.take_due(kStart + 15s + 300ms) == Due::kSilence);
}

TEST_CASE("timers: anything authentic ends the silence") {
  PeerTimers timers = started();
  timers.data_sent(kStart);
  timers.packet_received(kStart + 14s);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("timers: a wanted handshake begins at once, and 5 s after the last one") {
  PeerTimers timers = started();
  timers.want_handshake(kStart);
  CHECK(timers.take_due(kStart) == Due::kInitiation);
  timers.initiation_sent(kStart, 0ms);
  timers.handshake_complete(true, kStart + 1s);
  CHECK(timers.take_due(kStart + 1s) == Due::kKeepalive);
  timers.want_handshake(kStart + 2s);
  timers.want_handshake(kStart + 3s);
  CHECK(timers.take_due(kStart + 5s - 1ns) == Due::kNothing);
  CHECK(timers.take_due(kStart + 5s) == Due::kInitiation);
}

TEST_CASE("timers: after a change of keys the next handshake waits for nothing") {
  for (const bool is_wanted_before : {true, false}) {
    PeerTimers timers = started();
    timers.initiation_sent(kStart, 0ms);
    timers.handshake_complete(false, kStart);
    if (is_wanted_before) timers.want_handshake(kStart + 1s);
    timers.keys_changed();
    CHECK((timers.take_due(kStart + 1s) == Due::kInitiation) == is_wanted_before);
    if (!is_wanted_before) timers.want_handshake(kStart + 1s);
    CHECK((timers.take_due(kStart + 1s) == Due::kInitiation) != is_wanted_before);
  }
}

TEST_CASE("timers: who has answered a handshake waits 5 s before beginning one") {
  PeerTimers timers = started();
  timers.response_sent(kStart);
  timers.want_handshake(kStart + 1s);
  CHECK(timers.deadline() == kStart + 5s);
  timers.handshake_complete(false, kStart + 2s);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("timers: 18 tries, each 5 s and a jitter after the one before, then no more") {
  PeerTimers timers = started();
  timers.want_handshake(kStart);
  REQUIRE(timers.take_due(kStart) == Due::kInitiation);
  MonoTime now = kStart;
  timers.initiation_sent(now, 100ms);
  for (int tries = 1; tries < 18; ++tries) {
    now += 5s + 100ms;
    REQUIRE(timers.take_due(now - 1ns) == Due::kNothing);
    REQUIRE(timers.take_due(now) == Due::kRetry);
    timers.initiation_sent(now, 100ms);
  }
  now += 5s + 100ms;
  CHECK(timers.take_due(now) == Due::kGiveUp);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("timers: the persistent keepalive is put off by whatever goes either way") {
  PeerTimers timers = started(25s);
  CHECK(timers.take_due(kStart) == Due::kKeepalive);
  CHECK(timers.deadline() == kStart + 25s);
  timers.packet_received(kStart + 10s);
  CHECK(timers.deadline() == kStart + 35s);
  timers.packet_sent(kStart + 20s);
  CHECK(timers.take_due(kStart + 45s - 1ns) == Due::kNothing);
  CHECK(timers.take_due(kStart + 45s) == Due::kKeepalive);
  timers.set_persistent_interval(Duration::zero(), kStart + 46s);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("timers: keys are forgotten 540 s after the last session was made") {
  PeerTimers timers = started();
  timers.session_derived(kStart);
  timers.session_derived(kStart + 120s);
  CHECK(timers.take_due(kStart + 660s - 1ns) == Due::kNothing);
  CHECK(timers.take_due(kStart + 660s) == Due::kForgetKeys);
  CHECK(timers.deadline() == MonoTime::never());
}

TEST_CASE("timers: never is never, also for a clock at the end of its range") {
  PeerTimers timers = started();
  const MonoTime late = MonoTime::never() - 1s;
  timers.want_handshake(late);
  CHECK(timers.take_due(late) == Due::kInitiation);
  timers.initiation_sent(late, 0ms);
  CHECK(timers.take_due(late) == Due::kNothing);
}
