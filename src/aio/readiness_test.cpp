#include "aio/readiness.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <thread>

#include "aio/stream.h"
#include "aio/task_group.h"
#include "os/child.h"
#include "os/mailbox.h"
#include "support/runtime.h"

namespace sinew::aio {
namespace {

Task<> keep_readable(Readiness& readiness, Result<>& out) {
  out = co_await readiness.readable();
}

Task<> turns(int number) {
  for (int i = 0; i < number; ++i)
    co_await yield();
}

Task<> check_pipe(Runtime& runtime) {
  const os::Pipe pipe = *os::open_pipe();
  auto readiness = Readiness::watch(runtime, pipe.read_end);
  REQUIRE(readiness);
  Result<> ready = Error{};
  TaskGroup group(runtime);
  group.start("reader", keep_readable(*readiness, ready));
  co_await turns(5);
  CHECK(group.size() == 1);
  REQUIRE(os::write_all(pipe.write_end, as_bytes("x")));
  co_await group.wait_empty();
  CHECK(ready);
  // Nothing was read: it is still ready.
  const Result<> again = co_await readiness->readable();
  CHECK(again);
}

TEST_CASE("a descriptor is ready for as long as something is there") {
  test::TestRuntime test;
  test.run(check_pipe(test.runtime));
}

Task<> check_interrupt(Runtime& runtime) {
  const os::Pipe pipe = *os::open_pipe();
  auto readiness = Readiness::watch(runtime, pipe.read_end);
  REQUIRE(readiness);
  Result<> ready;
  TaskGroup group(runtime);
  group.start("reader", keep_readable(*readiness, ready));
  co_await turns(5);
  readiness->interrupt();
  co_await group.wait_empty();
  CHECK(ready.error() == closed());
  const Result<> later = co_await readiness->readable();
  CHECK(later.error() == closed());
}

TEST_CASE("an interrupted wait ends, and none begins later") {
  test::TestRuntime test;
  test.run(check_interrupt(test.runtime));
}

Task<> check_file(Runtime& runtime) {
  const os::Fd file = *os::open_file("/etc/passwd", O_RDONLY);
  auto readiness = Readiness::watch(runtime, file);
  REQUIRE(readiness);
  const Result<> ready = co_await readiness->readable();
  CHECK(ready.error().kind == ErrorKind::kUnsupported);
}

TEST_CASE("a file cannot be waited for") {
  test::TestRuntime test;
  test.run(check_file(test.runtime));
}

Task<> check_mailbox(Runtime& runtime) {
  os::Mailbox<int> mailbox(*os::EventFd::create(), 100);
  auto readiness = Readiness::watch(runtime, mailbox.fd());
  REQUIRE(readiness);
  const std::jthread poster([&mailbox] {
    for (int i = 0; i < 100; ++i)
      mailbox.post(i);
  });
  int next = 0;
  while (next < 100) {
    const Result<> ready = co_await readiness->readable();
    REQUIRE(ready);
    for (const int value : mailbox.drain())
      CHECK(value == next++);
  }
}

TEST_CASE("a task reads what other threads post") {
  test::TestRuntime test;
  test.run(check_mailbox(test.runtime));
}

Task<> check_child(Runtime& runtime) {
  os::ChildOptions options;
  options.argv = {"/bin/sh", "-c", "exit 3"};
  auto child = os::Child::spawn(options);
  REQUIRE(child);
  auto readiness = Readiness::watch(runtime, child->pidfd());
  REQUIRE(readiness);
  const Result<> ended = co_await readiness->readable();
  CHECK(ended);
  CHECK(child->wait(0s).value() == os::ExitStatus{.code = 3});
}

TEST_CASE("a task waits for a child process") {
  test::TestRuntime test;
  test.run(check_child(test.runtime));
}

}  // namespace
}  // namespace sinew::aio
