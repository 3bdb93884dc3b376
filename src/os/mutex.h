// A mutex that clang checks: reading a GUARDED_BY member without holding its mutex does not
// compile. The program has few of them: in Mailbox, in FdLogSink, and three in dataplane
// (SharedDevice, Inlet, Tunnel); everything else belongs to one thread.
#pragma once

#include <mutex>

#define SINEW_GUARDED_BY(mutex) __attribute__((guarded_by(mutex)))

// Of a function that is called with the mutex held.
#define SINEW_REQUIRES(mutex) __attribute__((requires_capability(mutex)))

namespace sinew::os {

class __attribute__((capability("mutex"))) Mutex {
 private:
  friend class MutexLock;
  void lock() __attribute__((acquire_capability())) { mutex_.lock(); }
  void unlock() __attribute__((release_capability())) { mutex_.unlock(); }

  std::mutex mutex_;
};

// Holds a Mutex for the length of a block.
class __attribute__((scoped_lockable)) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) __attribute__((acquire_capability(mutex))) : mutex_(mutex) {
    mutex_.lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  ~MutexLock() __attribute__((release_capability())) { mutex_.unlock(); }

 private:
  Mutex& mutex_;
};

}  // namespace sinew::os
