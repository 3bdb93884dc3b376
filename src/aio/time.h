// Waiting for time to pass, and for no longer than that. Times are those of Runtime::clock().
#pragma once

#include <optional>
#include <utility>

#include "aio/task.h"
#include "base/clock.h"

namespace sinew::aio {

// An error only when cancelled. Late by as long as the machine slept, at most five minutes.
Task<Result<>> sleep_until(MonoTime time);
Task<Result<>> sleep_for(Duration duration);

enum class LimitedRun { kEnded, kExpired, kCancelled };
// Runs `task`; cancels it when the time is up or the caller is cancelled. It has ended in any case
// when this returns. The half of with_timeout that does not know the type.
Task<LimitedRun> run_limited(Task<> task, Duration limit);

template <typename T>
Task<> store_result(Task<Result<T>> operation, std::optional<Result<T>>& out) {
  out = co_await std::move(operation);
}

// The result of `operation`, or kTimeout when it has none after `limit`: then it has been cancelled
// and has ended. A success that comes together with the time-out counts.
template <typename T>
Task<Result<T>> with_timeout(Task<Result<T>> operation, Duration limit) {
  std::optional<Result<T>> result;
  const LimitedRun run = co_await run_limited(store_result(std::move(operation), result), limit);
  const bool is_over = run == LimitedRun::kExpired;
  if (result && (*result || !is_over)) co_return *std::move(result);
  if (is_over) co_return Error{ErrorKind::kTimeout, "timed out"};
  co_return cancelled();
}

}  // namespace sinew::aio
