// A descriptor that one thread makes readable to wake another. Any thread.
#pragma once

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

class EventFd {
 public:
  static Result<EventFd> create();

  const Fd& fd() const { return fd_; }

  // Makes the descriptor readable until clear().
  void raise() const;
  void clear() const;

 private:
  explicit EventFd(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace sinew::os
