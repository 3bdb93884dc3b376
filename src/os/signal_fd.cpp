#include "os/signal_fd.h"

#include <sys/signalfd.h>

#include <csignal>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::os {

void ignore_broken_pipes() {
  VERIFY(::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

Result<SignalFd> SignalFd::open(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers)
    sigaddset(&set, number);
  VERIFY(::pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.is_open()) return system_error("open a signal descriptor");
  return SignalFd(std::move(fd));
}

std::optional<SignalFd::Signal> SignalFd::read() {
  signalfd_siginfo info;
  const auto size = read_some(fd_, {reinterpret_cast<std::uint8_t*>(&info), sizeof info});
  VERIFY(size.has_value());
  if (!size->has_value()) return std::nullopt;
  return Signal{.number = static_cast<int>(info.ssi_signo),
                .sender = static_cast<pid_t>(info.ssi_pid),
                .sender_uid = info.ssi_uid};
}

}  // namespace sinew::os
