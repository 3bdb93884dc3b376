#include "os/pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cstdlib>

#include "os/error.h"

namespace sinew::os {

Result<Pty> Pty::open(WindowSize size) {
  Fd controller(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!controller.is_open()) return system_error("open a pseudo-terminal");
  if (::unlockpt(controller.get()) != 0) return system_error("unlock a pseudo-terminal");
  char name[64];
  if (const int number = ::ptsname_r(controller.get(), name, sizeof name); number != 0) {
    return system_error("name a pseudo-terminal", number);
  }
  Fd terminal = TRY(open_file(name, O_RDWR | O_NOCTTY));
  Pty pty(std::move(controller), std::move(terminal), name);
  TRY(pty.resize(size));
  return pty;
}

Result<> Pty::resize(WindowSize size) {
  const winsize wanted{.ws_row = size.rows, .ws_col = size.columns, .ws_xpixel = 0, .ws_ypixel = 0};
  if (::ioctl(controller_.get(), TIOCSWINSZ, &wanted) != 0) {
    return system_error("resize a pseudo-terminal");
  }
  return {};
}

}  // namespace sinew::os
