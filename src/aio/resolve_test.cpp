#include "aio/resolve.h"

#include <doctest/doctest.h>

#include "aio/task_group.h"
#include "support/runtime.h"

namespace sinew::aio {
namespace {

Task<> ask_for_localhost(Runtime& runtime) {
  const auto found = co_await resolve(runtime, "localhost");
  REQUIRE(found);
  CHECK(found->front().is_loopback());
  const auto itself = co_await resolve(runtime, "192.0.2.1");
  REQUIRE(itself);
  CHECK(*itself == std::vector{IpAddress::v4(192, 0, 2, 1)});
}

TEST_CASE("a name is found while the loop goes on") {
  test::TestRuntime test;
  test.run(ask_for_localhost(test.runtime));
}

Task<> ask_once(Runtime& runtime, bool& was_cancelled) {
  const auto found = co_await resolve(runtime, "localhost");
  was_cancelled = !found;
}

Task<> ask_and_cancel(Runtime& runtime) {
  bool was_cancelled = false;
  TaskGroup group(runtime);
  group.start("question", ask_once(runtime, was_cancelled));
  co_await yield();
  co_await group.stop();
}

TEST_CASE("a question that is cancelled leaves nothing behind that the loop has to wait for") {
  test::TestRuntime test;
  test.run(ask_and_cancel(test.runtime));
}

}  // namespace
}  // namespace sinew::aio
