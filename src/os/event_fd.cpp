#include "os/event_fd.h"

#include <sys/eventfd.h>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::os {

Result<EventFd> EventFd::create() {
  Fd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.is_open()) return system_error("create a wake-up descriptor");
  return EventFd(std::move(fd));
}

void EventFd::raise() const {
  // Refused only when 2^64 - 2 are pending, and then it is readable as it should be.
  const std::uint64_t one = 1;
  VERIFY(write_some(fd_, {reinterpret_cast<const std::uint8_t*>(&one), sizeof one}).has_value());
}

void EventFd::clear() const {
  std::uint64_t count = 0;
  VERIFY(read_some(fd_, {reinterpret_cast<std::uint8_t*>(&count), sizeof count}).has_value());
}

}  // namespace sinew::os
