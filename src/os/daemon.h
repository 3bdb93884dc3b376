// Going on in the background: the process splits in two, and the one the shell waits for ends when
// the other says that it works, or why it does not. So `sinew wg wg0 && next` means what it says.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

// The side that goes on in the background. It is a session of its own in the root folder, and keeps
// the standard streams until ready().
class Daemon {
 public:
  // Lets the waiting process end well, and leaves its standard streams.
  void ready();
  // Lets it end with this error.
  void failed(const Error& error);

 private:
  friend Result<std::optional<Daemon>> detach();
  explicit Daemon(Fd report) : report_(std::move(report)) {}

  Fd report_;
};

// Before any thread was started. Twice returns: in the background with a Daemon; in the foreground
// with nothing as soon as the Daemon is ready, or with the error it failed with.
Result<std::optional<Daemon>> detach();

}  // namespace sinew::os
