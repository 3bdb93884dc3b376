// The way from one thread to another: small values, in order, a bounded number of them.
//
// Any thread posts; the one thread that owns the mailbox waits for its descriptor in whatever loop
// it has and drains. A post never waits for the owner, never allocates, and is refused and counted
// when the owner is too far behind: the poster knows whether that is a drop, a retry or a bug.
// Values that were never drained are destroyed with the mailbox.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/result.h"
#include "os/event_fd.h"
#include "os/mutex.h"

namespace sinew::os {

template <typename T>
class Mailbox {
 public:
  Mailbox(EventFd wake, std::size_t capacity) : wake_(std::move(wake)), capacity_(capacity) {
    posted_.reserve(capacity);
    drained_.reserve(capacity);
  }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False when the mailbox is full; the value is dropped and counted.
  bool post(T value) {
    bool was_empty = false;
    {
      const MutexLock lock(mutex_);
      if (posted_.size() == capacity_) {
        ++refused_;
        return false;
      }
      was_empty = posted_.empty();
      posted_.push_back(std::move(value));
    }
    if (was_empty) wake_.raise();
    return true;
  }

  // Owner: readable while values wait.
  const Fd& fd() const { return wake_.fd(); }

  // Owner: everything that waits, oldest first, to be moved from. Valid until the next drain().
  std::span<T> drain() {
    drained_.clear();
    // Cleared before looking: a post in between wakes the owner once in vain, never too little.
    wake_.clear();
    const MutexLock lock(mutex_);
    std::swap(posted_, drained_);
    return drained_;
  }

  std::uint64_t refused() const {
    const MutexLock lock(mutex_);
    return refused_;
  }

 private:
  const EventFd wake_;
  const std::size_t capacity_;
  std::vector<T> drained_;  // the owner's
  mutable Mutex mutex_;
  std::vector<T> posted_ SINEW_GUARDED_BY(mutex_);
  std::uint64_t refused_ SINEW_GUARDED_BY(mutex_) = 0;
};

}  // namespace sinew::os
