// What the .cpp files of this module need from Asio. Internal to aio, and slow to compile.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "aio/task.h"
#include "base/clock.h"
#include "os/clock.h"

namespace sinew::aio {

namespace asio = boost::asio;

// Makes an operation return its error code instead of throwing it.
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

// SystemClock as Asio wants it.
struct AsioClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<AsioClock>;
  static constexpr bool is_steady = true;
  static time_point now() { return at(os::SystemClock().now()); }
  static time_point at(MonoTime time) { return time_point(time.since_start()); }
};
using Timer = asio::basic_waitable_timer<AsioClock>;

inline bool holds_cancellation(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

// The way to cancel one task. Asio must not hear of it before run_quietly has begun: in Boost 1.81
// the frame around it would throw, and the exception would leave the loop instead of the task.
class Cancellation {
 public:
  asio::cancellation_slot slot() { return signal_.slot(); }
  bool is_requested() const { return is_requested_; }

  void begin() { has_begun_ = true; }
  // No task ends inside: what is cancelled completes in a later turn.
  void request() {
    is_requested_ = true;
    if (has_begun_) signal_.emit(asio::cancellation_type::terminal);
  }

 private:
  asio::cancellation_signal signal_;
  bool has_begun_ = false;
  bool is_requested_ = false;
};

// The outermost frame of every task: makes cancellation an error instead of an exception, and
// begins in a turn of its own, so that starting a task never runs it. `cancellation` lives until
// the task's end has been told.
Task<> run_quietly(Task<> task, Cancellation& cancellation);

}  // namespace sinew::aio
