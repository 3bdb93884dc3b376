#include <fcntl.h>
#include <unistd.h>

#include <utility>

#include "app/verbs.h"
#include "dataplane/tunnel.h"
#include "os/clock.h"
#include "os/daemon.h"
#include "os/log_sink.h"
#include "os/random.h"

namespace sinew::app {
namespace {

Failure explain(Error error) {
  const std::string_view next_step = [&]() -> std::string_view {
    switch (error.kind) {
      case ErrorKind::kNotFound: return "Then start it again.";
      case ErrorKind::kDenied: return "Run it as root, or give it CAP_NET_ADMIN.";
      case ErrorKind::kConflict:
        return "Choose another name, or end what has it: 'wg show' lists it.";
      default: return {};
    }
  }();
  return {.error = std::move(error).while_doing("serve WireGuard"),
          .next_step = std::string(next_step)};
}

// Serves the interface until it is deleted or a signal asks to stop.
Result<> serve(const dataplane::TunnelOptions& options, os::Daemon* daemon, const Log& log) {
  os::SystemRng rng;
  const os::SystemClock clock;
  auto tunnel = dataplane::Tunnel::open(options, rng, clock, log);
  if (!tunnel) {
    if (daemon != nullptr) daemon->failed(tunnel.error());
    return std::move(tunnel).error();
  }
  if (daemon != nullptr) daemon->ready();
  log.info("serving", {{"interface", (*tunnel)->interface()},
                       {"workers", (*tunnel)->worker_count()},
                       {"configuration", options.uapi_folder}});
  auto ended = (*tunnel)->run();
  if (!ended) log.error("ended early", {{"reason", ended.error().message}});
  return ended;
}

LogLevel level_of(std::string_view name) {
  if (name == "debug" || name == "verbose") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  return name == "warning" ? LogLevel::kWarning : LogLevel::kError;
}

// In the background there is a log only for who asks for one: whoever waits for the end of our
// standard error would wait for as long as the interface is there.
os::Fd log_target(const Invocation& invocation) {
  const bool is_wanted = invocation.has("foreground") || invocation.value("log-level");
  return os::Fd(is_wanted ? ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)
                          : ::open("/dev/null", O_WRONLY | O_CLOEXEC));
}

Outcome run(const Invocation& invocation) {
  dataplane::TunnelOptions options{.interface = invocation.arguments()[0]};
  if (const auto workers = invocation.value("workers")) {
    const auto number = parse_decimal(*workers, tun::Tun::kMaxQueues);
    if (!number || *number == 0) {
      return Failure{
          .error = {ErrorKind::kInvalid, "not a number of workers: " + std::string(*workers)},
          .next_step = "Give a number from 1 to 16, or leave it out."};
    }
    options.workers = *number;
  }
  const os::SystemClock clock;
  os::Fd target = log_target(invocation);
  const os::LogFormat format = os::log_format_for(target);
  os::FdLogSink sink(std::move(target), format);
  const Log log(sink, clock, level_of(invocation.value("log-level").value_or("warning")), "wg");
  if (invocation.has("foreground")) {
    if (auto served = serve(options, nullptr, log); !served)
      return explain(std::move(served).error());
    return Answer{};
  }
  auto background = os::detach();
  if (!background) return explain(std::move(background).error());
  if (background->has_value()) static_cast<void>(serve(options, &**background, log));
  return Answer{};
}

}  // namespace

Verb wg_verb() {
  return {
      .name = "wg",
      .summary = "Serve a WireGuard interface in user space",
      .description =
          "Makes the network interface IFNAME and carries its packets, in the place of "
          "wireguard-go "
          "or the kernel's own WireGuard. It is configured by wg(8), over the socket "
          "/var/run/wireguard/IFNAME.sock, and by wg-quick(8) when "
          "WG_QUICK_USERSPACE_IMPLEMENTATION "
          "is sinew-wg. The interface exists for as long as this program runs; deleting it ends "
          "the "
          "program. SIGUSR1 writes all counters to the log, which is standard error, and in the "
          "background kept only with --log-level.",
      .arguments = {{.name = "IFNAME", .summary = "The interface, such as wg0"}},
      .options = {{.name = "foreground",
                   .letter = 'f',
                   .summary = "Stay in the foreground, with the log on standard error"},
                  {.name = "workers",
                   .value = "N",
                   .summary =
                       "Threads that carry packets; as many as pay on this machine by default"},
                  {.name = "log-level",
                   .value = "LEVEL",
                   .summary = "What is written to the log",
                   .choices = {"debug", "info", "warning", "error"}}},
      .examples = {{"sinew wg wg0", "Start, then configure it: wg setconf wg0 wg0.conf"},
                   {"sinew wg --workers 1 wg0", "Leave the other processors to other programs"},
                   {"sinew wg -f --log-level info wg0", "See what it does"}},
      .run = run,
  };
}

}  // namespace sinew::app
