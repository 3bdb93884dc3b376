#include "os/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

#include "os/error.h"

namespace sinew::os {
namespace {

// A report: what it is, its size, and that many bytes of text; a failure has its kind before them.
enum class Report : std::uint8_t { kReady = 1, kStep = 2, kFailure = 3 };
constexpr std::size_t kReportHeader = 1 + 2 + 1;

bool read_all(const Fd& pipe, ByteSpan out) {
  while (!out.empty()) {
    const auto some = read_some(pipe, out);
    if (!some || !*some || **some == 0) return false;
    out = out.subspan(**some);
  }
  return true;
}

Result<> wait_for_reports(const Fd& pipe, const std::function<void(std::string_view)>& show) {
  while (true) {
    std::array<std::uint8_t, kReportHeader> header;
    std::array<std::uint8_t, Daemon::kMaxReport> room;
    const auto text = [&]() -> std::optional<std::string> {
      if (!read_all(pipe, header)) return std::nullopt;
      const ByteSpan body = ByteSpan(room).first(
          std::min<std::size_t>(load_le<std::uint16_t>(&header[1]), room.size()));
      if (!read_all(pipe, body)) return std::nullopt;
      return std::string(as_text(body));
    }();
    if (!text) return Error{ErrorKind::kInternal, "the process in the background ended"};
    const auto what = static_cast<Report>(header[0]);
    if (what == Report::kReady) return {};
    if (what == Report::kFailure) return Error{static_cast<ErrorKind>(header[3]), *text};
    if (show) show(*text);
  }
}

void send_report(const Fd& pipe, Report what, std::uint8_t kind, std::string_view text) {
  text = text.substr(0, Daemon::kMaxReport);
  Bytes report(kReportHeader);
  report[0] = static_cast<std::uint8_t>(what);
  store_le(&report[1], static_cast<std::uint16_t>(text.size()));
  report[3] = kind;
  report.insert(report.end(), text.begin(), text.end());
  static_cast<void>(write_all(pipe, report));
}

}  // namespace

Result<std::optional<Daemon>> detach(const std::function<void(std::string_view)>& show) {
  Pipe pipe = TRY(open_pipe());
  const pid_t child = ::fork();
  if (child < 0) return system_error("start a process in the background");
  if (child > 0) {
    pipe.write_end.close();
    auto reported = wait_for_reports(pipe.read_end, show);
    if (reported) return std::optional<Daemon>();
    // With the process goes what it holds, such as a lock that the next try needs.
    retry_interrupted([&] { return ::waitpid(child, nullptr, 0); });
    return std::move(reported).error();
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
  send_report(report_, Report::kReady, 0, "");
  report_.close();
}

void Daemon::progress(std::string_view step) {
  send_report(report_, Report::kStep, 0, step);
}

void Daemon::failed(const Error& error) {
  send_report(report_, Report::kFailure, static_cast<std::uint8_t>(error.kind), error.message);
  report_.close();
}

}  // namespace sinew::os
