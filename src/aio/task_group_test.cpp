#include "aio/task_group.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <thread>

#include "aio/memory_stream.h"
#include "aio/readiness.h"
#include "aio/time.h"
#include "support/runtime.h"

namespace sinew::aio {
namespace {

// How far a task got. Its address is given to tasks that the group outlives.
struct Trace {
  int started = 0;
  int ended = 0;
  std::vector<Error> errors;
};

Task<> sleep_long(Trace& trace) {
  ++trace.started;
  const Result<> slept = co_await sleep_for(1h);
  if (!slept) trace.errors.push_back(slept.error());
  ++trace.ended;
}

Task<> count(int& counter) {
  ++counter;
  co_return;
}

Task<> turns(int number) {
  for (int i = 0; i < number; ++i)
    co_await yield();
}

Task<> check_started_tasks_run(Runtime& runtime) {
  TaskGroup group(runtime);
  int counter = 0;
  CHECK(group.is_empty());
  group.start("a", count(counter));
  group.start("b", count(counter));
  CHECK(counter == 0);  // not inside start()
  CHECK(group.size() == 2);
  co_await group.wait_empty();
  CHECK(counter == 2);
  CHECK(group.is_empty());
}

TEST_CASE("started tasks run from the next turn on, and a group knows when they have ended") {
  test::TestRuntime test;
  test.run(check_started_tasks_run(test.runtime));
}

Task<> check_cancel(Runtime& runtime) {
  Trace trace;
  TaskGroup group(runtime);
  for (int i = 0; i < 3; ++i)
    group.start("sleeper", sleep_long(trace));
  co_await turns(3);
  CHECK(trace.started == 3);
  group.cancel();
  CHECK(trace.ended == 0);  // not inside cancel()
  co_await group.wait_empty();
  CHECK(trace.errors == std::vector<Error>(3, cancelled()));
  CHECK(group.start("later", sleep_long(trace)));
  co_await group.stop();
  CHECK(!group.start("too late", sleep_long(trace)));
  CHECK(group.is_empty());
}

TEST_CASE("cancel ends what runs, stop also closes the door") {
  test::TestRuntime test;
  test.run(check_cancel(test.runtime));
}

Task<> hold(std::shared_ptr<int> value, Trace& trace) {
  ++trace.started;
  ++*value;
  co_return;
}

Task<> check_cancel_before_first_turn(Runtime& runtime) {
  Trace trace;
  const auto value = std::make_shared<int>(0);
  TaskGroup group(runtime);
  group.start("held", hold(value, trace));
  CHECK(value.use_count() == 2);
  co_await group.stop();
  CHECK(trace.started == 0);
  CHECK(value.use_count() == 1);
}

TEST_CASE("a task cancelled before its first turn never runs and lets its arguments go") {
  test::TestRuntime test;
  test.run(check_cancel_before_first_turn(test.runtime));
}

// Goes on after it was cancelled, and tries everything there is to wait for.
Task<> try_everything(Runtime& runtime, Trace& trace) {
  Event event(runtime);
  const os::Pipe pipe = *os::open_pipe();
  auto readiness = Readiness::watch(runtime, pipe.read_end);
  auto [left, right] = MemoryStream::create_pair(runtime, 1);
  std::uint8_t byte = 0;
  const ByteSpan one(&byte, 1);
  const Result<> slept = co_await sleep_for(1h);
  CHECK(slept.error() == cancelled());
  const Result<> slept_again = co_await sleep_for(1h);
  CHECK(slept_again.error() == cancelled());
  const Result<> waited = co_await event.wait();
  CHECK(waited.error() == cancelled());
  const Result<> ready = co_await readiness->readable();
  CHECK(ready.error() == cancelled());
  const Result<std::size_t> read = co_await left->read_some(one);
  CHECK(read.error() == cancelled());
  const Result<> wrote = co_await left->write(one);  // there would be room
  CHECK(wrote.error() == cancelled());
  const bool is_over = co_await is_cancelled();
  if (is_over) ++trace.ended;
}

Task<> check_stays_cancelled(Runtime& runtime) {
  Trace trace;
  TaskGroup group(runtime);
  group.start("stubborn", try_everything(runtime, trace));
  co_await turns(3);
  co_await group.stop();
  CHECK(trace.ended == 1);
}

TEST_CASE("a cancelled task stays cancelled") {
  test::TestRuntime test;
  test.run(check_stays_cancelled(test.runtime));
}

Task<> throw_something() {
  co_await yield();
  throw std::runtime_error("what a library throws");
}

Task<> check_exception(Runtime& runtime) {
  Trace trace;
  TaskGroup group(runtime);
  group.start("sleeper", sleep_long(trace));
  group.start("thrower", throw_something());
  co_await turns(10);
  CHECK(group.size() == 1);
  co_await group.stop();
  CHECK(trace.ended == 1);
}

TEST_CASE("an exception is logged as a bug and ends only its own task") {
  test::TestRuntime test;
  test.run(check_exception(test.runtime));
  REQUIRE(test.sink.lines.size() == 1);
  CHECK(test.sink.lines[0].ends_with(
      "ERROR aio: bug: a task threw task=thrower what=\"what a library throws\"\n"));
}

// A task with tasks of its own.
Task<> parent(Runtime& runtime, Trace& trace, bool stops) {
  TaskGroup children(runtime);
  children.start("child", sleep_long(trace));
  children.start("child", sleep_long(trace));
  if (stops) {
    const Result<> slept = co_await sleep_for(1h);
    CHECK(!slept);
    co_await children.stop();
  } else {
    co_await children.wait_empty();
  }
  CHECK(trace.ended == 2);
}

Task<> check_nested(Runtime& runtime) {
  for (const bool stops : {false, true}) {
    Trace trace;
    TaskGroup parents(runtime);
    parents.start("parent", parent(runtime, trace, stops));
    co_await turns(5);
    CHECK(trace.started == 2);
    co_await parents.stop();
    CHECK(trace.ended == 2);
  }
}

TEST_CASE("cancelling a task reaches the group it waits for, whose tasks end first") {
  test::TestRuntime test;
  test.run(check_nested(test.runtime));
}

Task<> check_thousand(Runtime& runtime) {
  Trace trace;
  TaskGroup group(runtime);
  for (int i = 0; i < 1000; ++i) {
    group.start("sleeper", sleep_long(trace));
    if (i % 100 == 0) co_await yield();
  }
  co_await turns(3);
  CHECK(group.size() == 1000);
  co_await group.stop();
  CHECK(group.is_empty());
  CHECK(trace.started == 1000);
  CHECK(trace.ended == 1000);
  CHECK(trace.errors.size() == 1000);
}

TEST_CASE("a thousand tasks started and cancelled leave nothing") {
  test::TestRuntime test;
  test.run(check_thousand(test.runtime));
}

Task<> wait_for(Event& event, int& awake) {
  const Result<> waited = co_await event.wait();
  if (waited) ++awake;
}

Task<> check_event(Runtime& runtime) {
  Event event(runtime);
  TaskGroup group(runtime);
  int awake = 0;
  event.notify();  // nobody waits, nothing is remembered
  group.start("waiter", wait_for(event, awake));
  group.start("waiter", wait_for(event, awake));
  co_await turns(3);
  CHECK(awake == 0);
  event.notify();
  CHECK(awake == 0);
  co_await group.wait_empty();
  CHECK(awake == 2);
  group.start("waiter", wait_for(event, awake));
  co_await turns(3);
  co_await group.stop();
  CHECK(awake == 2);
}

TEST_CASE("an event wakes everybody who waits and nobody later") {
  test::TestRuntime test;
  test.run(check_event(test.runtime));
}

Task<> leave_running(Runtime& runtime, Trace& trace) {
  TaskGroup group(runtime);
  group.start("sleeper", sleep_long(trace));
  co_await yield();
}

TEST_CASE("a group that dies with tasks inside is a bug that stops the program") {
  const pid_t pid = ::fork();
  if (pid == 0) {
    // The complaint is expected.
    ::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    ::signal(SIGABRT, SIG_DFL);
    Trace trace;
    test::TestRuntime test;
    test.run(leave_running(test.runtime, trace));
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("stop before run cancels the task before it begins") {
  test::TestRuntime test;
  Trace trace;
  test.runtime.stop();
  test.runtime.run(sleep_long(trace));
  CHECK(trace.started == 0);
}

TEST_CASE("stop from another thread ends run") {
  test::TestRuntime test;
  Trace trace;
  std::jthread stopper([&] { test.runtime.stop(); });
  test.runtime.run(sleep_long(trace));
  // Stopped before its first turn or while it slept.
  CHECK(trace.started == trace.ended);
  stopper.join();
  int counter = 0;
  test.runtime.run(count(counter));
  CHECK(counter == 1);
}

}  // namespace
}  // namespace sinew::aio
