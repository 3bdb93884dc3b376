#include "os/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>

#include "os/error.h"

namespace sinew::os {
namespace {

// A report is the kind of an error and its message, or this byte alone.
constexpr std::uint8_t kReady = 0xff;
constexpr std::size_t kMaxReport = 4096;

Result<> wait_for_report(const Fd& pipe) {
  std::array<std::uint8_t, kMaxReport> room;
  std::size_t size = 0;
  while (size < room.size()) {
    const auto some = TRY(read_some(pipe, ByteSpan(room).subspan(size)));
    if (!some || *some == 0) break;
    size += *some;
  }
  if (size == 0) return Error{ErrorKind::kInternal, "the process in the background ended"};
  if (room[0] == kReady) return {};
  return Error{static_cast<ErrorKind>(room[0]),
               std::string(as_text(ByteView(room).subspan(1, size - 1)))};
}

}  // namespace

Result<std::optional<Daemon>> detach() {
  Pipe pipe = TRY(open_pipe());
  const pid_t child = ::fork();
  if (child < 0) return system_error("start a process in the background");
  if (child > 0) {
    pipe.write_end.close();
    TRY(wait_for_report(pipe.read_end));
    return std::optional<Daemon>();
  }
  pipe.read_end.close();
  ::setsid();
  if (::chdir("/") != 0) return system_error("change to the root folder");
  return std::optional<Daemon>(Daemon(std::move(pipe.write_end)));
}

void Daemon::ready() {
  Fd null(retry_interrupted([] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }));
  for (int stream = STDIN_FILENO; null.is_open() && stream <= STDERR_FILENO; ++stream)
    ::dup2(null.get(), stream);
  const std::array<std::uint8_t, 1> report = {kReady};
  static_cast<void>(write_all(report_, report));
  report_.close();
}

void Daemon::failed(const Error& error) {
  std::string report(1, static_cast<char>(error.kind));
  report += error.message.substr(0, kMaxReport - 1);
  static_cast<void>(write_all(report_, as_bytes(report)));
  report_.close();
}

}  // namespace sinew::os
