#include "aio/time.h"

#include "aio/asio.h"
#include "os/clock.h"

namespace sinew::aio {
namespace {

// A task beside the one that waits for it.
struct Limited {
  explicit Limited(const asio::any_io_executor& executor) : wake(executor) {}

  Cancellation cancellation;
  Timer wake;  // at the limit, or earlier when the task ends
  bool has_ended = false;
  std::exception_ptr thrown;
};

void start(Limited& run, const asio::any_io_executor& executor, Task<> task) {
  const auto ended = [&run](std::exception_ptr thrown) {
    run.has_ended = true;
    run.thrown = thrown;
    run.wake.cancel();
  };
  // tidy: allow banned-calls (the task that awaits this one waits for its end)
  asio::co_spawn(executor, run_quietly(std::move(task), run.cancellation),
                 asio::bind_cancellation_slot(run.cancellation.slot(), ended));
}

}  // namespace

Task<Result<>> sleep_until(MonoTime time) {
  auto state = co_await asio::this_coro::cancellation_state;
  if (holds_cancellation(state)) co_return cancelled();
  const auto executor = co_await asio::this_coro::executor;
  Timer timer(executor, AsioClock::at(time));
  const auto [error] = co_await timer.async_wait(kAwait);
  if (error) co_return cancelled();
  co_return Result<>();
}

Task<Result<>> sleep_for(Duration duration) {
  return sleep_until(os::SystemClock().now() + duration);
}

Task<LimitedRun> run_limited(Task<> task, Duration limit) {
  auto state = co_await asio::this_coro::cancellation_state;
  if (holds_cancellation(state)) co_return LimitedRun::kCancelled;
  const auto executor = co_await asio::this_coro::executor;
  Limited run(executor);
  run.wake.expires_at(AsioClock::at(os::SystemClock().now() + limit));
  start(run, executor, std::move(task));
  co_await run.wake.async_wait(kAwait);
  const bool has_ended = run.has_ended;
  if (!has_ended) run.cancellation.request();
  run.wake.expires_at(AsioClock::time_point::max());
  while (!run.has_ended) {
    co_await run.wake.async_wait(asio::bind_cancellation_slot(asio::cancellation_slot(), kAwait));
  }
  if (run.thrown) std::rethrow_exception(run.thrown);
  if (has_ended) co_return LimitedRun::kEnded;
  co_return holds_cancellation(state) ? LimitedRun::kCancelled : LimitedRun::kExpired;
}

}  // namespace sinew::aio
