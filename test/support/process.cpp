#include "support/process.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>

#include "os/clock.h"
#include "os/error.h"
#include "os/poll.h"
#include "support/lab_error.h"

namespace sinew::lab {
namespace {

constexpr std::size_t kMaxLogInMessage = 4'000;

os::Fd watch_writes_to(const std::string& path) {
  os::Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.is_open() || ::inotify_add_watch(watch.get(), path.c_str(), IN_MODIFY) < 0) {
    throw LabError(os::system_error("watch " + path).message);
  }
  return watch;
}

void forget_events(const os::Fd& watch) {
  std::array<std::uint8_t, 4096> ignored;
  while (must(os::read_some(watch, ignored))) {
  }
}

}  // namespace

Process Process::start(std::vector<std::string> argv, int network_namespace, std::string log_path) {
  const os::Fd log =
      must(os::open_file(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
  std::string name = argv.at(0);
  os::ChildOptions options;
  options.argv = std::move(argv);
  options.out = os::Stdio::borrow(log);
  options.err = os::Stdio::borrow(log);
  options.network_namespace = network_namespace;
  return {must(os::Child::spawn(options)), std::move(name), std::move(log_path)};
}

bool Process::is_running() {
  return !child_.wait(0s);
}

std::string Process::output() const {
  std::ostringstream text;
  text << std::ifstream(log_path_).rdbuf();
  return std::move(text).str();
}

void Process::wait_for_output(std::string_view text, Duration limit) {
  const MonoTime deadline = os::SystemClock().now() + limit;
  const os::Fd watch = watch_writes_to(log_path_);
  while (true) {
    const bool has_ended = !is_running();  // asked before the look, so that no last line is missed
    if (output().contains(text)) return;
    if (has_ended) fail("ended before it wrote \"" + std::string(text) + "\"");
    std::array<pollfd, 2> ready{{{.fd = watch.get(), .events = POLLIN, .revents = 0},
                                 {.fd = child_.pidfd().get(), .events = POLLIN, .revents = 0}}};
    if (!must(os::poll_until(ready, deadline))) {
      fail("did not write \"" + std::string(text) + "\"");
    }
    forget_events(watch);
  }
}

os::ExitStatus Process::wait(Duration limit) {
  auto status = child_.wait(limit);
  if (!status) fail("did not end");
  return *status;
}

void Process::signal(int number) {
  must(child_.signal(number));
}

os::ExitStatus Process::stop(Duration limit) {
  signal(SIGTERM);
  return wait(limit);
}

void Process::fail(std::string_view what) const {
  std::string log = output();
  if (log.size() > kMaxLogInMessage) log.erase(0, log.size() - kMaxLogInMessage);
  throw LabError(name_ + " " + std::string(what) + "; its output:\n" + log);
}

}  // namespace sinew::lab
