#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <span>
#include <utility>

#include "app/cleanup.h"
#include "app/log_file.h"
#include "app/node_client.h"
#include "app/service.h"
#include "app/verbs.h"
#include "netmap/netmap.h"
#include "node/state_folder.h"
#include "os/clock.h"
#include "os/daemon.h"
#include "os/file.h"
#include "os/log_sink.h"
#include "signal/cluster_key.h"
#include "signal/group.h"

namespace sinew::app {
namespace {

constexpr Duration kPatience = 30s;
constexpr std::size_t kMaxSecretFile = 4096;

// ----------------------------------------------------------------------------------- what was said

Result<SecretBytes> read_secret_from(int fd) {
  std::array<std::uint8_t, kMaxSecretFile> room;
  std::size_t size = 0;
  while (size < room.size()) {
    const ssize_t some = ::read(fd, room.data() + size, room.size() - size);
    if (some <= 0) break;
    size += static_cast<std::size_t>(some);
  }
  auto secret = node::check_secret(as_text(ByteView(room).first(size)));
  wipe(room);
  return secret;
}

// From where it was given, else the one that was saved.
Result<SecretBytes> find_secret(const Invocation& invocation, const node::StateFolder& folder) {
  if (const auto file = invocation.value("secret-file")) {
    const os::Fd fd = TRY(os::open_file(std::string(*file).c_str(), O_RDONLY));
    return read_secret_from(fd.get());
  }
  if (const auto given = invocation.value("secret")) {
    if (*given == "-") return read_secret_from(STDIN_FILENO);
    invocation.console().note(
        "A secret on the command line is seen by others on this machine; --secret-file or "
        "SINEW_SECRET hides it.");
    return node::check_secret(*given);
  }
  if (const char* environment = std::getenv("SINEW_SECRET"); environment != nullptr)
    return node::check_secret(environment);
  if (auto saved = TRY(folder.load_secret())) return *std::move(saved);
  return Error{ErrorKind::kInvalid, "no secret was given"};
}

std::string default_name() {
  std::array<char, 256> room{};
  ::gethostname(room.data(), room.size() - 1);
  std::string name(room.data());
  name = name.substr(0, std::min(name.find('.'), netmap::kMaxNameBytes));
  return name.empty() ? "node" : name;
}

Result<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_decimal(text, 65'535);
  if (!number) return Error{ErrorKind::kInvalid, "not a port: " + std::string(text)};
  return static_cast<std::uint16_t>(*number);
}

// What was saved, changed by what is said now.
Result<node::Configuration> find_configuration(const Invocation& invocation,
                                               const node::StateFolder& folder) {
  auto saved = TRY(folder.load_configuration());
  node::Configuration configuration = saved ? *std::move(saved) : node::Configuration();
  if (const auto mode = invocation.value("mode")) configuration.mode = TRY(node::parse_mode(*mode));
  if (const auto cluster = invocation.value("network-id")) {
    TRY(signal::ClusterKey::check_name(*cluster));
    configuration.cluster = *cluster;
  }
  if (invocation.has("nucleus")) {
    configuration.nuclei.clear();
    for (const std::string& nucleus : invocation.values("nucleus"))
      configuration.nuclei.push_back(TRY(node::HostPort::parse(nucleus, node::kNucleusPort)));
    if (configuration.nuclei.size() > signal::Group::kMaxNuclei)
      return Error{ErrorKind::kInvalid, "more than 8 nuclei"};
  }
  if (const auto port = invocation.value("port")) configuration.port = TRY(parse_port(*port));
  if (const auto vip = invocation.value("vip")) configuration.vip = TRY(IpAddress::parse(*vip));
  if (const auto range = invocation.value("range"))
    configuration.range = TRY(IpPrefix::parse(*range));
  if (const auto interface = invocation.value("interface")) configuration.interface = *interface;
  if (const auto name = invocation.value("name")) configuration.name = *name;
  if (configuration.name.empty()) configuration.name = default_name();
  if (configuration.name.size() > netmap::kMaxNameBytes)
    return Error{ErrorKind::kInvalid, "the name is longer than 63 bytes"};
  if (configuration.mode == node::Mode::kEdge && configuration.nuclei.empty())
    return Error{ErrorKind::kInvalid, "an edge needs a nucleus"};
  return configuration;
}

// What of a message tells which step it was, and what then helps.
struct Advice {
  std::string_view about;
  std::string_view next_step;
};

Failure explain(Error error, std::span<const Advice> advices, std::string_view otherwise) {
  for (const Advice& advice : advices) {
    if (error.message.contains(advice.about))
      return {.error = std::move(error), .next_step = std::string(advice.next_step)};
  }
  return {.error = std::move(error), .next_step = std::string(otherwise)};
}

constexpr Advice kPlanAdvice[] = {
    {"an edge needs a nucleus", "Say where it is: --nucleus HOST:PORT; or be one: --mode dual."},
    {"no secret was given",
     "Put the cluster's secret, at least 16 characters, into a file for --secret-file, or into "
     "SINEW_SECRET."},
    {"the secret is shorter",
     "Make a good one with 'openssl rand -base64 24', and give the same to every machine."},
    {"config.json",
     "Put the file back from a backup; or remove it, and say everything again: 'sinew help "
     "start'."},
    {"open ", "Check the name behind --secret-file, and who may read it."},
};

constexpr Advice kStartAdvice[] = {
    {"holds no key", "Peers take a new node for another machine, and it gets another address."},
    {"already running", "'sinew status' shows it; 'sinew stop' ends it."},
    {"there is an interface of this name",
     "'ip link' shows it. Choose another name, with --interface, or end what has it."},
    {"address already in use",
     "'ss -lnptu' shows who has the port. Choose another one, with --port, or end that program."},
    {"refuses us",
     "Leave --vip out to be given an address; or give the old one back on the nucleus: 'sinew "
     "nucleus forget ADDRESS'."},
    {"find ", "Check the name behind --nucleus, and that this machine can ask for names (DNS)."},
};

Failure explain_start(Error error) {
  std::string_view otherwise;
  if (error.kind == ErrorKind::kTimeout) {
    otherwise =
        "Check the address, that its UDP and TCP port is open, and that cluster name and secret "
        "are the nucleus': it does not answer to wrong ones.";
  } else if (error.kind == ErrorKind::kDenied) {
    otherwise = "Run it as root, or give it CAP_NET_ADMIN.";
  } else if (error.kind == ErrorKind::kUnavailable) {
    otherwise = "Check that the nucleus runs; 'sinew logs' shows what was tried.";
  }
  return explain(std::move(error), kStartAdvice, otherwise);
}

// ---------------------------------------------------------------------------------------- running
// it

// Somebody waits in the foreground until the daemon is connected.
class DaemonWatcher final : public StartWatcher {
 public:
  explicit DaemonWatcher(os::Daemon& daemon) : daemon_(daemon) {}
  void step(std::string_view text) override {
    if (!is_ready_) daemon_.progress(text);
  }
  void ready() override {
    is_ready_ = true;
    daemon_.ready();
  }
  Duration patience() const override { return kPatience; }
  bool is_ready() const { return is_ready_; }

 private:
  os::Daemon& daemon_;
  bool is_ready_ = false;
};

// A service manager starts it and wants it to go on trying.
class ForegroundWatcher final : public StartWatcher {
 public:
  explicit ForegroundWatcher(const Log& log) : log_(log) {}
  void step(std::string_view text) override { log_.info("start", {{"step", text}}); }
  void ready() override { log_.info("ready"); }
  Duration patience() const override { return {}; }

 private:
  Log log_;
};

LogLevel level_of(const Invocation& invocation) {
  const std::string_view name = invocation.value("log-level").value_or("info");
  if (name == "debug") return LogLevel::kDebug;
  if (name == "warning") return LogLevel::kWarning;
  return name == "error" ? LogLevel::kError : LogLevel::kInfo;
}

Outcome run_in_foreground(const Invocation& invocation, ServicePlan plan) {
  const os::SystemClock clock;
  os::Fd target(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  const os::LogFormat format = os::log_format_for(target);
  os::FdLogSink sink(std::move(target), format);
  const Log log(sink, clock, level_of(invocation), "node");
  ForegroundWatcher watcher(log);
  if (auto ran = run_service(std::move(plan), watcher, log); !ran)
    return explain_start(std::move(ran).error());
  return Answer{};
}

// For programs; people have seen the steps.
Answer describe_node(const Invocation& invocation) {
  if (invocation.format() != Format::kJson) return {};
  auto client = NodeClient::connect(state_folder_of(invocation));
  if (!client) return {};
  const auto status = client->ask(json::Value::object({{"ask", "status"}}));
  return {.value = status ? to_value(*status) : Value()};
}

Outcome run_in_background(const Invocation& invocation, ServicePlan plan,
                          const node::StateFolder& folder) {
  auto background = os::detach(
      [&](std::string_view step) { invocation.console().note("  " + std::string(step)); });
  if (!background) return explain_start(std::move(background).error());
  if (!background->has_value()) return describe_node(invocation);
  os::Daemon& daemon = **background;
  DaemonWatcher watcher(daemon);
  auto file = LogFile::open(folder.log_file());
  if (!file) {
    daemon.failed(file.error());
    return Answer{};
  }
  const os::SystemClock clock;
  const Log log(**file, clock, level_of(invocation), "node");
  if (const auto ran = run_service(std::move(plan), watcher, log); !ran) {
    log.error("ended", {{"reason", ran.error().message}});
    if (!watcher.is_ready()) daemon.failed(ran.error());
  }
  return Answer{};
}

Outcome run(const Invocation& invocation) {
  auto folder = node::StateFolder::open(state_folder_of(invocation));
  if (!folder) return explain_start(std::move(folder).error());
  auto configuration = find_configuration(invocation, *folder);
  if (!configuration) return explain(std::move(configuration).error(), kPlanAdvice, {});
  auto secret = find_secret(invocation, *folder);
  if (!secret) return explain(std::move(secret).error(), kPlanAdvice, {});
  auto lock = folder->lock();
  if (!lock) return explain_start(std::move(lock).error());
  TRY(remove_leftovers(*folder, *lock));
  ServicePlan plan{
      .configuration = *std::move(configuration), .secret = *std::move(secret), .folder = &*folder};
  if (invocation.has("foreground")) return run_in_foreground(invocation, std::move(plan));
  return run_in_background(invocation, std::move(plan), *folder);
}

}  // namespace

Verb start_verb() {
  return {
      .name = "start",
      .summary = "Join a network, or found one",
      .description =
          "Makes this machine a member of a private network. An edge finds the others through a "
          "nucleus, which is a machine that all can reach; --mode nucleus makes this machine one, "
          "--mode dual both. All members of a cluster share its name and its secret. Returns when "
          "the machine is connected, and otherwise says which step failed. What worked is kept in "
          "the state folder, so that 'sinew start' alone starts it again; what is said then "
          "changes that much and nothing else. A port that is open in the firewall helps: UDP and "
          "TCP for a nucleus, UDP for an edge with --port.",
      .options =
          {{.name = "mode",
            .letter = 'm',
            .value = "MODE",
            .summary = "What this machine is in the network; edge by default",
            .choices = {"edge", "nucleus", "dual"}},
           {.name = "network-id",
            .letter = 'n',
            .value = "CLUSTER",
            .summary = "The cluster's name; 'default' by default"},
           {.name = "nucleus",
            .value = "HOST:PORT",
            .summary = "Where the nucleus is; several for several nuclei",
            .is_repeatable = true},
           {.name = "secret-file", .value = "FILE", .summary = "Holds the cluster's secret"},
           {.name = "secret",
            .value = "-",
            .summary = "Read the secret from standard input; SINEW_SECRET works too"},
           {.name = "port",
            .letter = 'p',
            .value = "PORT",
            .summary = "Of the nucleus (51820 by default), or of an edge (any by default)"},
           {.name = "vip", .value = "ADDRESS", .summary = "The address to have in the network"},
           {.name = "name", .value = "NAME", .summary = "The machine's name in the network"},
           {.name = "range",
            .value = "PREFIX",
            .summary = "Of a nucleus: give addresses from here; 10.147.0.0/16 by default"},
           {.name = "interface",
            .value = "IFNAME",
            .summary = "The network interface to make; sinew0 by default"},
           {.name = "foreground",
            .summary = "Stay in the foreground, with the log on standard error, and keep trying"},
           {.name = "log-level",
            .value = "LEVEL",
            .summary = "What is written to the log",
            .choices = {"debug", "info", "warning", "error"}},
           state_folder_option()},
      .examples = {{"sinew start --mode nucleus -n lab --secret-file secret",
                    "Found the network 'lab' on a machine that all can reach"},
                   {"sinew start -n lab --nucleus lab.example --secret-file secret", "Join it"},
                   {"sinew start --mode dual -n lab --secret-file secret",
                    "Be nucleus and member at once"},
                   {"sinew start", "Start again as last time"}},
      .run = run,
  };
}

}  // namespace sinew::app
