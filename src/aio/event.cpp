#include "aio/event.h"

#include "aio/asio.h"

namespace sinew::aio {

// A timer that never comes is Asio's condition variable: cancelling it wakes all who wait.
struct Event::Waiters {
  Timer timer;
};

Event::Event(Runtime& runtime)
    : waiters_(std::make_unique<Waiters>(Timer(runtime.executor(), AsioClock::time_point::max()))) {
}

Event::~Event() = default;

Task<Result<>> Event::wait() {
  auto state = co_await asio::this_coro::cancellation_state;
  if (holds_cancellation(state)) co_return cancelled();
  co_await waiters_->timer.async_wait(kAwait);
  if (holds_cancellation(state)) co_return cancelled();
  co_return Result<>();
}

Task<> Event::wait_even_if_cancelled() {
  co_await waiters_->timer.async_wait(
      asio::bind_cancellation_slot(asio::cancellation_slot(), kAwait));
}

void Event::notify() {
  waiters_->timer.cancel();
}

}  // namespace sinew::aio
