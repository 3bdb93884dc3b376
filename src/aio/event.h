// Wakes tasks that wait for something to change. It remembers nothing; the state does:
//
//     while (queue.empty()) {
//       const Result<> waited = co_await changed.wait();
//       if (!waited) co_return waited.error();
//     }
//
// Nothing can change between the test and the wait, because all tasks share one thread.
#pragma once

#include <memory>

#include "aio/runtime.h"
#include "aio/task.h"

namespace sinew::aio {

class Event {
 public:
  explicit Event(Runtime& runtime);
  // Nobody waits any more.
  ~Event();

  // Until the next notify(), or cancelled().
  Task<Result<>> wait();
  // For ends that must be awaited, whatever has happened to the caller.
  Task<> wait_even_if_cancelled();

  // Everybody who waits now goes on in a later turn.
  void notify();

 private:
  struct Waiters;
  std::unique_ptr<Waiters> waiters_;
};

}  // namespace sinew::aio
