// Waits in a task until a descriptor has something to read or takes something to write. What is
// then read or written is the caller's business: this is how sockets, pipes, signals, mailboxes,
// child processes and libraries with a descriptor of their own come into the loop.
#pragma once

#include <memory>

#include "aio/runtime.h"
#include "aio/task.h"
#include "os/fd.h"

namespace sinew::aio {

class Readiness {
 public:
  // Borrows `fd`, which stays open for the life of the Readiness and is watched by no other.
  static Result<Readiness> watch(Runtime& runtime, const os::Fd& fd);
  Readiness(Readiness&&) noexcept;
  Readiness& operator=(Readiness&&) noexcept;
  // Nobody waits any more.
  ~Readiness();

  // Level-triggered: ready now counts. At most one waits for each. An error when cancelled or
  // interrupted, and kUnsupported for what is always ready, such as files; errors of the descriptor
  // itself make it ready, so that the caller's own call finds them.
  Task<Result<>> readable();
  Task<Result<>> writable();

  // Ends the waits, now and for ever, with kUnavailable "closed".
  void interrupt();

 private:
  struct Watch;
  enum class Kind { kRead, kWrite };
  Task<Result<>> wait(Kind kind);
  explicit Readiness(std::unique_ptr<Watch> watch);
  std::unique_ptr<Watch> watch_;
};

}  // namespace sinew::aio
