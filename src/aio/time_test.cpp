#include "aio/time.h"

#include <doctest/doctest.h>

#include <stdexcept>

#include "aio/task_group.h"
#include "support/runtime.h"

namespace sinew::aio {
namespace {

Task<Result<int>> answer(int value) {
  co_await yield();
  co_return value;
}

Task<Result<int>> fail() {
  co_await yield();
  co_return Error{ErrorKind::kDenied, "no"};
}

// Ends by cancellation only, and says in `ended` that it did.
Task<Result<int>> hang(bool& ended) {
  const Result<> slept = co_await sleep_for(1h);
  ended = true;
  if (!slept) co_return slept.error();
  co_return 0;
}

// Has its result all the same when it is cancelled.
Task<Result<int>> answer_late() {
  const Result<> slept = co_await sleep_for(1h);
  co_return slept ? 0 : 7;
}

Task<Result<int>> throw_something() {
  co_await yield();
  throw std::runtime_error("thrown");
}

Task<> check_sleep(const Clock& clock) {
  const MonoTime time = clock.now() + 3ms;
  const Result<> slept = co_await sleep_until(time);
  CHECK(slept);
  CHECK(clock.now() >= time);
  const Result<> past = co_await sleep_until(MonoTime());
  CHECK(past);
}

TEST_CASE("a sleeper wakes at its time and not before") {
  test::TestRuntime test;
  test.run(check_sleep(test.clock));
}

Task<> check_in_time() {
  const Result<int> value = co_await with_timeout(answer(5), 1h);
  CHECK(value.value() == 5);
  const Result<int> error = co_await with_timeout(fail(), 1h);
  CHECK(error.error() == Error{ErrorKind::kDenied, "no"});
}

TEST_CASE("an operation in time gives its own result") {
  test::TestRuntime test;
  test.run(check_in_time());
}

Task<> check_too_late() {
  bool ended = false;
  const Result<int> value = co_await with_timeout(hang(ended), 2ms);
  CHECK(value.error().kind == ErrorKind::kTimeout);
  CHECK(ended);
  ended = false;
  const Result<int> at_once = co_await with_timeout(hang(ended), 0ns);
  CHECK(at_once.error().kind == ErrorKind::kTimeout);
  const Result<int> late = co_await with_timeout(answer_late(), 2ms);
  CHECK(late.value() == 7);
}

TEST_CASE("an operation that takes too long is cancelled, has ended, and is a timeout") {
  test::TestRuntime test;
  test.run(check_too_late());
}

Task<Result<int>> outer(bool& ended, Duration inner_limit) {
  return with_timeout(hang(ended), inner_limit);
}

Task<> check_nested() {
  bool ended = false;
  const Result<int> by_outer = co_await with_timeout(outer(ended, 1h), 2ms);
  CHECK(by_outer.error().kind == ErrorKind::kTimeout);
  CHECK(ended);
  const Result<int> by_inner = co_await with_timeout(outer(ended, 2ms), 1h);
  CHECK(by_inner.error().kind == ErrorKind::kTimeout);
}

TEST_CASE("the shorter of two nested limits counts") {
  test::TestRuntime test;
  test.run(check_nested());
}

// The operation ends at the very time of the limit.
Task<Result<int>> answer_at(MonoTime time) {
  const Result<> slept = co_await sleep_until(time);
  if (!slept) co_return slept.error();
  co_return 7;
}

Task<> check_same_time(const Clock& clock) {
  for (int i = 0; i < 300; ++i) {
    const MonoTime time = clock.now() + std::chrono::microseconds(i);
    const Result<int> value = co_await with_timeout(answer_at(time), time - clock.now());
    const bool is_sound = value ? *value == 7 : value.error().kind == ErrorKind::kTimeout;
    CHECK(is_sound);
  }
}

TEST_CASE("an operation that ends at its limit is one or the other") {
  test::TestRuntime test;
  test.run(check_same_time(test.clock));
}

Task<> keep(Task<Result<int>> operation, Duration limit, Result<int>& out) {
  out = co_await with_timeout(std::move(operation), limit);
}

Task<> check_cancelled_caller(Runtime& runtime) {
  bool ended = false;
  Result<int> out = 0;
  TaskGroup group(runtime);
  group.start("limited", keep(hang(ended), 1h, out));
  for (int i = 0; i < 5; ++i)
    co_await yield();
  co_await group.stop();
  CHECK(ended);
  CHECK(out.error() == cancelled());
}

TEST_CASE("cancelling the caller of with_timeout cancels the operation") {
  test::TestRuntime test;
  test.run(check_cancelled_caller(test.runtime));
}

Task<> expect_exception(bool& is_caught) {
  try {
    const Result<int> value = co_await with_timeout(throw_something(), 1h);
    CHECK(!value);
  } catch (const std::runtime_error&) {
    is_caught = true;
  }
}

TEST_CASE("an exception passes through with_timeout") {
  test::TestRuntime test;
  bool is_caught = false;
  test.run(expect_exception(is_caught));
  CHECK(is_caught);
}

}  // namespace
}  // namespace sinew::aio
