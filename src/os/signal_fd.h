// Signals as values that a loop reads, instead of handlers that interrupt it.
#pragma once

#include <sys/types.h>

#include <initializer_list>
#include <optional>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

// Makes a write to a closed pipe or socket report EPIPE instead of ending the program. Called once,
// first thing in main(); children get the default back.
void ignore_broken_pipes();

// One thread: the first, before it starts others, because they inherit which signals are blocked.
class SignalFd {
 public:
  struct Signal {
    int number = 0;
    pid_t sender = 0;
    uid_t sender_uid = 0;
  };

  // The signals stay blocked when the SignalFd is gone: a second Ctrl-C during an orderly stop does
  // not turn it into a disorderly one.
  static Result<SignalFd> open(std::initializer_list<int> numbers);

  const Fd& fd() const { return fd_; }

  // The next one that has arrived, or nothing. Equal ones that arrive together count once.
  std::optional<Signal> read();

 private:
  explicit SignalFd(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace sinew::os
