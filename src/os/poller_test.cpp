#include "os/poller.h"

#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <array>
#include <csignal>
#include <optional>
#include <vector>

#include "os/clock.h"
#include "os/timer_fd.h"
#include "support/refused_call.h"

namespace sinew::os {
namespace {

constexpr std::uint8_t kByte[1] = {1};

struct Fixture {
  Poller poller = *Poller::create();
  Pipe pipe = *open_pipe();
  std::array<Poller::Event, 8> room;
  SystemClock clock;
};

TEST_CASE_FIXTURE(Fixture, "a poller reports the token of what is ready and nothing else") {
  Pipe quiet = *open_pipe();
  REQUIRE(poller.add(pipe.read_end, Poller::Interest::kRead, 7));
  REQUIRE(poller.add(quiet.read_end, Poller::Interest::kRead, 8));
  CHECK(poller.wait(room, clock.now()).value().empty());
  REQUIRE(write_all(pipe.write_end, kByte));
  const auto events = poller.wait(room, MonoTime::never()).value();
  REQUIRE(events.size() == 1);
  CHECK(events[0].token == 7);
  CHECK(events[0].readable);
  CHECK(!events[0].writable);
  CHECK(!events[0].closed);
}

TEST_CASE_FIXTURE(Fixture, "interest can be changed and taken back") {
  REQUIRE(poller.add(pipe.write_end, Poller::Interest::kRead, 1));
  CHECK(poller.wait(room, clock.now()).value().empty());
  REQUIRE(poller.modify(pipe.write_end, Poller::Interest::kReadAndWrite, 2));
  const auto events = poller.wait(room, MonoTime::never()).value();
  REQUIRE(events.size() == 1);
  CHECK(events[0].token == 2);
  CHECK(events[0].writable);
  REQUIRE(poller.remove(pipe.write_end));
  CHECK(poller.wait(room, clock.now()).value().empty());
}

TEST_CASE_FIXTURE(Fixture, "a closed other end is reported without being asked for") {
  REQUIRE(poller.add(pipe.read_end, Poller::Interest::kRead, 1));
  pipe.write_end.close();
  const auto events = poller.wait(room, MonoTime::never()).value();
  REQUIRE(events.size() == 1);
  CHECK(events[0].closed);
}

TEST_CASE_FIXTURE(Fixture, "one wait reports no more than there is room for, and the rest later") {
  std::vector<Pipe> pipes;
  for (std::uint64_t i = 0; i < 10; ++i) {
    pipes.push_back(*open_pipe());
    REQUIRE(poller.add(pipes.back().write_end, Poller::Interest::kWrite, i));
  }
  CHECK(poller.wait(room, MonoTime::never()).value().size() == 8);
  CHECK(poller.wait(room, MonoTime::never()).value().size() == 8);
}

TEST_CASE_FIXTURE(Fixture, "a wait ends at its deadline and not before") {
  const MonoTime deadline = clock.now() + 3ms;
  CHECK(poller.wait(room, deadline).value().empty());
  CHECK(clock.now() >= deadline);
}

TEST_CASE_FIXTURE(Fixture, "a wait works without the newest system call, missing or forbidden") {
  for (const int error : {ENOSYS, EPERM}) {
    CAPTURE(error);
    std::optional<ErrorKind> failure;
    MonoTime ended;
    const MonoTime deadline = SystemClock().now() + 5ms + 1ns;
    test::with_refused_call(SYS_epoll_pwait2, error, [&] {
      std::array<Poller::Event, 1> room;
      const auto events = Poller::create().value().wait(room, deadline);
      if (!events) failure = events.error().kind;
      ended = SystemClock().now();
    });
    CHECK(!failure);
    CHECK(ended >= deadline);
  }
}

TEST_CASE_FIXTURE(Fixture, "a signal handler does not end a wait") {
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  REQUIRE(::sigaction(SIGALRM, &action, nullptr) == 0);
  const MonoTime deadline = clock.now() + 10ms;
  const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1000}};
  REQUIRE(::setitimer(ITIMER_REAL, &soon, nullptr) == 0);
  CHECK(poller.wait(room, deadline).value().empty());
  CHECK(clock.now() >= deadline);
}

TEST_CASE_FIXTURE(Fixture, "a timer becomes readable at its deadline") {
  TimerFd timer = *TimerFd::create();
  REQUIRE(poller.add(timer.fd(), Poller::Interest::kRead, 1));
  CHECK(!timer.take_expiry());

  const MonoTime deadline = clock.now() + 3ms;
  timer.set(deadline);
  CHECK(poller.wait(room, MonoTime::never()).value().size() == 1);
  CHECK(clock.now() >= deadline);
  CHECK(timer.take_expiry());
  CHECK(!timer.take_expiry());
  CHECK(poller.wait(room, clock.now()).value().empty());

  timer.set(MonoTime());
  CHECK(timer.take_expiry());  // a time that has passed
  timer.set(clock.now() + 1ms);
  timer.set(MonoTime::never());
  CHECK(poller.wait(room, clock.now() + 5ms).value().empty());
}

}  // namespace
}  // namespace sinew::os
