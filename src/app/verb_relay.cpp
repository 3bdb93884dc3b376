#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "app/relay_files.h"
#include "app/verbs.h"
#include "base/encoding.h"
#include "node/state_folder.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log_sink.h"
#include "os/path.h"
#include "os/poll.h"
#include "os/random.h"
#include "os/signal_fd.h"
#include "relayd/server.h"
#include "signal/cluster_key.h"

namespace sinew::app {
namespace {

constexpr std::string_view kDefaultFolder = "/var/lib/sinew/relay";
constexpr std::string_view kDefaultListen = "[::]:443";
constexpr std::uint16_t kDefaultStunPort = 3478;
constexpr mode_t kFolderMode = 0700;
constexpr std::size_t kMaxListBytes = 16U << 20;
constexpr std::size_t kMaxSecretBytes = 4096;
constexpr std::string_view kDefaultCluster = "default";

Error wrong(std::string message) {
  return {ErrorKind::kInvalid, std::move(message)};
}

// The file that an option names, which the chosen admission cannot do without.
Result<std::string> read_list(const Invocation& invocation, std::string_view option) {
  const auto path = invocation.value(option);
  if (!path) return wrong("missing --" + std::string(option) + " for this kind of admission");
  return os::read_file(std::string(*path), kMaxListBytes);
}

// The n-th cluster has the n-th secret.
Result<std::vector<relay::AdmissionKey>> read_clusters(const Invocation& invocation) {
  const auto names = invocation.values("network-id");
  const auto files = invocation.values("secret-file");
  if (files.empty()) return wrong("missing --secret-file for this kind of admission");
  if (names.size() != files.size() && !(names.empty() && files.size() == 1))
    return wrong("each --network-id needs its own --secret-file");
  std::vector<relay::AdmissionKey> keys;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::string text = TRY(os::read_file(files[i], kMaxSecretBytes));
    const auto secret = node::check_secret(text);
    wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
    if (!secret) return secret.error();
    const std::string_view name = names.empty() ? kDefaultCluster : std::string_view(names[i]);
    const signal::ClusterKey cluster = TRY(signal::ClusterKey::derive(name, *secret));
    keys.emplace_back(cluster.relay_admission_key());
  }
  return keys;
}

Result<relay::Admission> read_admission(const Invocation& invocation) {
  relay::Admission admission;
  const std::string_view kind = invocation.value("admit").value_or("open");
  if (kind == "open") {
    admission.is_open = true;
  } else if (kind == "keys") {
    admission.keys = TRY(parse_node_keys(TRY(read_list(invocation, "keys-file"))));
  } else {
    admission.clusters = TRY(read_clusters(invocation));
  }
  return admission;
}

Result<relayd::Options> read_options(const Invocation& invocation) {
  relayd::Options options;
  options.listen = TRY(Endpoint::parse(invocation.value("listen").value_or(kDefaultListen)));
  std::uint32_t port = kDefaultStunPort;
  if (const auto text = invocation.value("stun-port")) {
    const auto number = parse_decimal(*text, 65'535);
    if (!number) return wrong("not a port: " + std::string(*text));
    port = *number;
  }
  if (port != 0) {
    options.udp =
        Endpoint{.address = options.listen->address, .port = static_cast<std::uint16_t>(port)};
  }
  return options;
}

Result<tls::CertificateAndKey> find_certificate(const Invocation& invocation,
                                                const std::string& folder) {
  const auto certificate = invocation.value("tls-cert");
  const auto key = invocation.value("tls-key");
  if (certificate.has_value() != key.has_value())
    return wrong("--tls-cert and --tls-key belong together");
  if (!certificate) return load_relay_certificate(folder);
  return read_certificate(std::string(*certificate), std::string(*key));
}

void log_counters(const relayd::Server& server, const Log& log) {
  const relayd::Counters now = server.counters();
  log.info("counters", {{"clients", now.relay.clients},
                        {"home_clients", now.relay.home_clients},
                        {"connections", now.connections},
                        {"packets", now.relay.packets},
                        {"packet_bytes", now.relay.packet_bytes},
                        {"udp_packets", now.relay.udp_packets},
                        {"dropped_queue_full", now.relay.dropped_queue_full},
                        {"dropped_over_rate", now.relay.dropped_over_rate},
                        {"dropped_not_here", now.relay.dropped_not_here},
                        {"dropped_datagrams", now.relay.dropped_datagrams},
                        {"refused_logins", now.relay.refused_logins},
                        {"refused_connections", now.accept_refused},
                        {"stalled", now.stalled},
                        {"stun_answered", now.stun_answered},
                        {"busy", now.busy}});
}

// Until a signal asks to stop.
Result<> wait_for_end(os::SignalFd& signals, const relayd::Server& server, const Log& log) {
  std::array<pollfd, 1> fds = {{{.fd = signals.fd().get(), .events = POLLIN, .revents = 0}}};
  while (true) {
    TRY(os::poll_until(fds, MonoTime::never()));
    while (const auto signal = signals.read()) {
      if (signal->number != SIGUSR1) return {};
      log_counters(server, log);
    }
  }
}

Result<> serve(const Invocation& invocation, const Clock& clock, const Log& log) {
  const std::string folder(invocation.value("state-dir").value_or(kDefaultFolder));
  relayd::Options options = TRY(read_options(invocation));
  relay::Admission admission = TRY(read_admission(invocation));
  TRY(os::Folder::create(folder, kFolderMode));
  os::SystemRng rng;
  crypto::X25519PrivateKey key = TRY(load_relay_key(folder, rng));
  const tls::CertificateAndKey certificate = TRY(find_certificate(invocation, folder));
  tls::Context context = TRY(tls::Context::server(certificate));
  // Before the relay's thread begins, which inherits what is blocked.
  os::SignalFd signals = TRY(os::SignalFd::open({SIGTERM, SIGINT, SIGUSR1}));
  const auto server = TRY(relayd::Server::start(
      std::move(options), std::move(key), std::move(context), std::move(admission), clock, log));
  const auto udp = server->udp_endpoint();
  log.info("serving", {{"tcp", *server->tcp_endpoint()},
                       {"udp_port", udp ? udp->port : std::uint16_t{0}},
                       {"key", server->public_key().to_string()},
                       {"certificate", to_hex(TRY(tls::fingerprint(certificate.certificate)))},
                       {"admits", invocation.value("admit").value_or("open")}});
  TRY(wait_for_end(signals, *server, log));
  server->stop();
  log_counters(*server, log);
  return {};
}

Outcome run(const Invocation& invocation) {
  const os::SystemClock clock;
  os::Fd target(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  const os::LogFormat format = os::log_format_for(target);
  os::FdLogSink sink(std::move(target), format);
  const Log log(sink, clock, LogLevel::kInfo, "relay");
  if (auto served = serve(invocation, clock, log); !served)
    return Failure{.error = std::move(served).error().while_doing("relay")};
  return Answer{};
}

}  // namespace

Verb relay_verb() {
  return {
      .name = "relay",
      .summary = "Relay packets between machines that cannot reach each other",
      .description =
          "Serves DERP over TLS, STUN and relaying over UDP, until it is told to stop. What it "
          "carries is sealed by its clients; it knows who talks to whom, not what about. Whom it "
          "admits is a choice: everybody, members of clusters, or a list of keys, and only those "
          "of one cluster or list reach each other. Its key and, without --tls-cert, a certificate "
          "made by itself are kept in the state directory; the log names both, for clients to "
          "check. SIGUSR1 writes all counters to the log, which is standard error.",
      .options = {{.name = "listen",
                   .value = "ADDR:PORT",
                   .summary = "TCP address for TLS; [::]:443 by default"},
                  {.name = "stun-port",
                   .value = "PORT",
                   .summary = "UDP port for STUN and relaying; 3478 by default, 0 for none"},
                  {.name = "tls-cert",
                   .value = "FILE",
                   .summary = "Certificate chain in PEM, instead of one of its own"},
                  {.name = "tls-key", .value = "FILE", .summary = "The key for it"},
                  {.name = "admit",
                   .value = "WHOM",
                   .summary = "Whom to serve; open by default",
                   .choices = {"open", "secret", "keys"}},
                  {.name = "network-id",
                   .letter = 'n',
                   .value = "CLUSTER",
                   .summary = "A cluster to serve, for --admit secret; 'default' by default",
                   .is_repeatable = true},
                  {.name = "secret-file",
                   .value = "FILE",
                   .summary = "Holds the secret of the cluster named in the same place",
                   .is_repeatable = true},
                  {.name = "keys-file",
                   .value = "FILE",
                   .summary = "Public keys of nodes, one a line, for --admit keys"},
                  {.name = "state-dir",
                   .value = "DIR",
                   .summary = "Where its key is kept; /var/lib/sinew/relay by default"}},
      .examples = {{"sinew relay", "For everybody, on ports 443 and 3478"},
                   {"sinew relay --admit secret -n lab --secret-file secret",
                    "For members of the cluster 'lab', who are told of it by 'sinew config relay'"},
                   {"sinew relay --admit keys --keys-file nodes.txt", "For these machines alone"},
                   {"sinew relay --listen 127.0.0.1:8443 --stun-port 0", "TLS alone, to try it"}},
      .run = run,
  };
}

}  // namespace sinew::app
