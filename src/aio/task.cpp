#include "aio/task.h"

#include "aio/asio.h"

namespace sinew::aio {

Error cancelled() {
  return {ErrorKind::kUnavailable, "cancelled"};
}

Task<bool> is_cancelled() {
  const auto state = co_await asio::this_coro::cancellation_state;
  co_return holds_cancellation(state);
}

Task<> yield() {
  const auto executor = co_await asio::this_coro::executor;
  co_await asio::post(executor, asio::use_awaitable);
}

Task<> run_quietly(Task<> task, Cancellation& cancellation) {
  co_await asio::this_coro::throw_if_cancelled(false);
  cancellation.begin();
  co_await yield();
  if (cancellation.is_requested()) co_return;
  co_await std::move(task);
}

}  // namespace sinew::aio
