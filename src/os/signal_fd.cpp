#include "os/signal_fd.h"

#include <csignal>

#include "base/verify.h"

namespace sinew::os {

void ignore_broken_pipes() {
  VERIFY(::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

}  // namespace sinew::os
