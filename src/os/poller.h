// Which of many descriptors are ready: epoll(7), level-triggered, for a loop that keeps its own
// deadlines. One thread.
#pragma once

#include <cstdint>
#include <span>

#include "base/clock.h"
#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

class Poller {
 public:
  // What to hear of. Errors and hang-ups are always told, as `closed`.
  enum class Interest : std::uint8_t { kRead, kWrite, kReadAndWrite };

  struct Event {
    std::uint64_t token = 0;  // chosen by the caller at add()
    bool readable = false;
    bool writable = false;
    bool closed = false;
  };

  // One wait() reports no more than this, so that a loop gets back to its other duties.
  static constexpr std::size_t kMaxEvents = 64;

  static Result<Poller> create();

  Result<> add(const Fd& fd, Interest interest, std::uint64_t token);
  Result<> modify(const Fd& fd, Interest interest, std::uint64_t token);
  // Before the Fd is closed: a duplicate elsewhere would keep it reporting.
  Result<> remove(const Fd& fd);

  // Waits until something is ready or `deadline` of SystemClock has come, fills `out` from the
  // front and returns the filled part. Exact to a microsecond or so; on kernels before 5.11 late by
  // up to a millisecond. The kernel's wait stands still while the machine sleeps, so a deadline
  // that must hold across sleep uses a TimerFd.
  Result<std::span<Event>> wait(std::span<Event> out, MonoTime deadline);

 private:
  explicit Poller(Fd epoll) : epoll_(std::move(epoll)) {}
  Result<> control(int operation, const Fd& fd, Interest interest, std::uint64_t token);

  Fd epoll_;
  bool has_nanoseconds_ = true;
};

}  // namespace sinew::os
