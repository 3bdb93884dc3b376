// Coroutines of the control plane. They all run on one thread, so they need no locks, and each
// leaves the others a turn whenever it awaits something.
//
// Rules. A coroutine is a named function, never a lambda that captures. Its arguments are values,
// or references to things that live longer than the TaskGroup it was started in. One simple
// co_await stands in a statement, and its Result is looked at in the next one (TRY does not work in
// a coroutine). Nothing starts a coroutine but TaskGroup and Runtime::run.
//
// Cancellation. TaskGroup::cancel, with_timeout and Runtime::stop cancel tasks. To a task that
// means:
//   - What it awaits at that moment, be it a read, a write, a connection, a timer or an Event, ends
//     at once with the error cancelled(). So does every later one: a cancelled task stays
//     cancelled, and reaches its end by returning errors as usual. Nothing throws.
//   - What it calls but does not await still works: close(), destructors, notify().
//   - A cancel that meets a completed operation does not take its result away: bytes that were read
//     are delivered, a connection that was accepted is handed over. The next operation fails.
//   - A write that is cancelled may have written a part; the stream is good for close() only.
//   - A task cancelled before its first turn never runs; its arguments are destroyed.
//   - It goes down with the call: awaiting another Task, with_timeout, or a nested group's
//     wait_empty() or stop() hands the cancellation on and waits for what is below to end. So when
//     a task has ended, everything it started has.
// A task that neither awaits nor returns cannot be cancelled; it would stop the whole thread.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "base/result.h"

namespace sinew::aio {

template <typename T = void>
using Task = boost::asio::awaitable<T>;

// The error of every operation of a cancelled task.
Error cancelled();

// Whether the task that asks has been cancelled.
Task<bool> is_cancelled();

// Lets all others that can run have a turn. For long work without a co_await.
Task<> yield();

}  // namespace sinew::aio
