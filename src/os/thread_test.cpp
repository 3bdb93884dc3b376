#include "os/thread.h"

#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <cerrno>

#include "support/refused_call.h"

using namespace sinew;

TEST_CASE("a thread runs its body") {
  int runs = 0;
  auto thread = os::start_thread([&] { ++runs; });
  REQUIRE(thread.has_value());
  thread->join();
  CHECK(runs == 1);
}

TEST_CASE("a thread that cannot be started is an error") {
  test::with_refused_call(SYS_clone3, EAGAIN, [] {
    const auto thread = os::start_thread([] {});
    REQUIRE_FALSE(thread.has_value());
    CHECK(thread.error().kind == ErrorKind::kUnavailable);
    CHECK(thread.error().message.starts_with("start a thread: "));
  });
}
