// Going on in the background: the process splits in two, and the one the shell waits for ends when
// the other says that it works, or why it does not. So `sinew wg wg0 && next` means what it says.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::os {

// The side that goes on in the background. It is a session of its own in the root folder, and keeps
// the standard streams until ready().
class Daemon {
 public:
  // A step on the way, for the waiting process to show; at most kMaxReport bytes of it.
  void progress(std::string_view step);
  // Lets the waiting process end well, and leaves its standard streams.
  void ready();
  // Lets it end with this error, as soon as this process has ended: these are its last words.
  void failed(const Error& error);

  static constexpr std::size_t kMaxReport = 4096;

 private:
  friend Result<std::optional<Daemon>> detach(const std::function<void(std::string_view)>& show);
  explicit Daemon(Fd report) : report_(std::move(report)) {}

  Fd report_;
};

// Before any thread was started. Twice returns: in the background with a Daemon; in the foreground
// with nothing as soon as the Daemon is ready, or with the error it failed with. `show` gets the
// steps it reports meanwhile, in the foreground.
Result<std::optional<Daemon>> detach(const std::function<void(std::string_view)>& show = {});

}  // namespace sinew::os
