#include "app/nucleus_host.h"

#include <optional>
#include <utility>

#include "aio/readiness.h"
#include "aio/task_group.h"
#include "app/relay_files.h"
#include "json/cursor.h"
#include "nucleus/server.h"
#include "os/clock.h"
#include "os/mailbox.h"
#include "relayd/server.h"
#include "tls/certificate.h"
#include "tls/context.h"

namespace sinew::app {
namespace {

constexpr std::size_t kMaxMail = 8192;

// What the relay's thread tells ours of the streams that are the nucleus'.
struct Mail {
  enum class Kind : std::uint8_t { kOpened, kReceived, kClosed };
  Kind kind = Kind::kOpened;
  relayd::StreamId stream;
  Endpoint from = {};
  Bytes bytes = {};
};

netmap::RelayId relay_id_of(const relay::NodeKey& key) {
  const auto number = load_be<std::uint16_t>(key.bytes().data());
  return netmap::RelayId(number == 0 ? std::uint16_t{1} : number);
}

json::Value text_or_null(const std::optional<IpAddress>& address) {
  return address ? json::Value(address->to_string()) : json::Value();
}

}  // namespace

struct NucleusHost::Parts final : nucleus::StreamHost, nucleus::DatagramTaker, relayd::Guest {
  Parts(aio::Runtime& on_runtime, os::EventFd wake, const Log& to_log)
      : runtime(on_runtime), mailbox(std::move(wake), kMaxMail), log(to_log), tasks(on_runtime) {}

  // nucleus::StreamHost, on our thread
  void send(std::uint64_t stream, Bytes bytes) override {
    if (!relay->send_to_guest_stream(relayd::StreamId(stream), std::move(bytes))) close(stream);
  }
  void close(std::uint64_t stream) override {
    static_cast<void>(relay->close_guest_stream(relayd::StreamId(stream)));
  }
  // nucleus::DatagramTaker, on our thread
  void take(ByteView datagram, const Endpoint& from) override {
    static_cast<void>(relay->take_datagram(datagram, from));
  }
  // relayd::Guest, on the relay's thread
  bool stream_opened(relayd::StreamId stream, const Endpoint& from) override {
    return mailbox.post({.kind = Mail::Kind::kOpened, .stream = stream, .from = from});
  }
  bool stream_received(relayd::StreamId stream, ByteView bytes) override {
    return mailbox.post({.kind = Mail::Kind::kReceived,
                         .stream = stream,
                         .bytes = Bytes(bytes.begin(), bytes.end())});
  }
  void stream_closed(relayd::StreamId stream) override {
    // A nucleus that misses it finds out by the stream's silence.
    static_cast<void>(mailbox.post({.kind = Mail::Kind::kClosed, .stream = stream}));
  }

  void take_mail(const Mail& mail);
  aio::Task<> read_mailbox();
  aio::Task<> serve();
  json::Value status() const;
  json::Value nodes() const;
  Result<json::Value> forget(const json::Value& request);

  aio::Runtime& runtime;
  os::Mailbox<Mail> mailbox;
  std::optional<aio::Readiness> mailbox_ready;
  Log log;
  os::SystemClock clock;
  std::string cluster;
  std::unique_ptr<nucleus::Server> nucleus;
  std::unique_ptr<relayd::Server> relay;
  aio::TaskGroup tasks;
};

Result<std::unique_ptr<NucleusHost>> NucleusHost::open(aio::Runtime& runtime, Rng& rng,
                                                       const node::Configuration& configuration,
                                                       const SecretBytes& secret,
                                                       const node::StateFolder& folder,
                                                       const Log& log) {
  auto parts = std::make_unique<Parts>(runtime, TRY(os::EventFd::create()), log);
  parts->mailbox_ready = TRY(aio::Readiness::watch(runtime, parts->mailbox.fd()));
  parts->cluster = configuration.cluster;
  nucleus::Options options;
  options.listen.port = configuration.port == 0 ? node::kNucleusPort : configuration.port;
  options.state_directory = folder.file("nucleus");
  nucleus::ClusterOptions& cluster = options.clusters.emplace_back();
  cluster.name = configuration.cluster;
  cluster.secret = secret.clone();
  if (configuration.range) cluster.v4_range = *configuration.range;
  options.streams = parts.get();
  options.datagrams = parts.get();
  parts->nucleus = TRY(nucleus::Server::open(runtime, rng, std::move(options), log));

  const std::uint16_t port = parts->nucleus->port();
  const tls::CertificateAndKey identity = TRY(load_relay_certificate(folder.path()));
  relay::Admission admission;
  admission.clusters.emplace_back(*parts->nucleus->relay_admission_key(configuration.cluster));
  relayd::Options relay_options;
  relay_options.listen = Endpoint{IpAddress::any_v6(), port};
  relay_options.shared_udp = TRY(parts->nucleus->share_socket());
  relay_options.shared_udp_port = port;
  relay_options.guest = parts.get();
  parts->relay = TRY(relayd::Server::start(
      std::move(relay_options), TRY(load_relay_key(folder.path(), rng)),
      TRY(tls::Context::server(identity)), std::move(admission), parts->clock, log));
  // Whoever has reached the nucleus reaches the relay there: it has no host of its own.
  const netmap::Relay record{.id = relay_id_of(parts->relay->public_key()),
                             .name = configuration.name,
                             .host = "",
                             .port = port,
                             .udp_port = port,
                             .key = parts->relay->public_key(),
                             .certificate = TRY(tls::fingerprint(identity.certificate))};
  std::vector<netmap::Relay> relays;
  if (configuration.settings.uses_relay)
    relays.push_back(configuration.settings.relay ? record_of(*configuration.settings.relay)
                                                  : record);
  TRY(parts->nucleus->set_relays(configuration.cluster, std::move(relays)));
  return std::unique_ptr<NucleusHost>(new NucleusHost(std::move(parts)));
}

NucleusHost::NucleusHost(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
NucleusHost::~NucleusHost() = default;

void NucleusHost::start() {
  parts_->tasks.start("nucleus", parts_->serve());
  parts_->tasks.start("nucleus streams", parts_->read_mailbox());
}

aio::Task<> NucleusHost::stop() {
  parts_->relay->stop();
  co_await parts_->tasks.stop();
  if (const Result<> saved = parts_->nucleus->stop(); !saved)
    parts_->log.error("the nucleus' state is not saved", {{"reason", saved.error().message}});
}

std::uint16_t NucleusHost::port() const {
  return parts_->nucleus->port();
}

Result<json::Value> NucleusHost::answer(std::string_view what, const json::Value& request) {
  if (what == "nucleus status") return parts_->status();
  if (what == "nucleus nodes") return parts_->nodes();
  if (what == "nucleus forget") return parts_->forget(request);
  return Error{ErrorKind::kNotFound, "the nucleus knows no question '" + std::string(what) + "'"};
}

aio::Task<> NucleusHost::Parts::serve() {
  const Result<> served = co_await nucleus->run();
  if (!served) log.warning("the nucleus has ended", {{"reason", served.error().message}});
}

aio::Task<> NucleusHost::Parts::read_mailbox() {
  while (true) {
    const Result<> ready = co_await mailbox_ready->readable();
    if (!ready) co_return;
    for (const Mail& mail : mailbox.drain())
      take_mail(mail);
    co_await aio::yield();
  }
}

void NucleusHost::Parts::take_mail(const Mail& mail) {
  const std::uint64_t stream = mail.stream.value();
  switch (mail.kind) {
    case Mail::Kind::kOpened:
      if (!nucleus->stream_opened(stream, mail.from)) close(stream);
      break;
    case Mail::Kind::kReceived:
      if (!nucleus->stream_received(stream, mail.bytes)) close(stream);
      break;
    case Mail::Kind::kClosed: nucleus->stream_closed(stream); break;
  }
}

json::Value NucleusHost::Parts::status() const {
  json::Value::Array clusters;
  for (const signal::Server::ClusterInfo& info : nucleus->clusters()) {
    clusters.push_back(json::Value::object({{"name", info.name},
                                            {"range", info.v4_range.to_string()},
                                            {"range_v6", info.v6_range.to_string()},
                                            {"nodes", info.nodes},
                                            {"online", info.online},
                                            {"addresses_taken", info.pins}}));
  }
  const relayd::Counters counters = relay->counters();
  return json::Value::object({{"state", "serving"},
                              {"mode", "nucleus"},
                              {"port", nucleus->port()},
                              {"second_port", nucleus->second_port()},
                              {"clusters", std::move(clusters)},
                              {"relay", json::Value::object({
                                            {"connections", counters.connections},
                                            {"accepted", counters.accepted},
                                        })}});
}

json::Value NucleusHost::Parts::nodes() const {
  json::Value::Array all;
  for (const signal::Server::Node& node : nucleus->nodes()) {
    const bool is_tcp = node.route && !node.route->is_udp();
    all.push_back(json::Value::object(
        {{"cluster", node.cluster},
         {"name", node.record.name},
         {"address", text_or_null(node.record.v4)},
         {"address_v6", text_or_null(node.record.v6)},
         {"state", node.record.is_online ? "online" : "offline"},
         {"from", node.route ? json::Value(node.route->endpoint.to_string()) : json::Value()},
         {"transport", !node.route ? json::Value() : json::Value(is_tcp ? "tcp" : "udp")},
         {"public_key", node.record.key.to_string()}}));
  }
  return all;
}

Result<json::Value> NucleusHost::Parts::forget(const json::Value& request) {
  const json::Cursor root(request);
  const IpAddress address = TRY(IpAddress::parse(TRY(TRY(root.at("address")).string())));
  TRY(nucleus->forget(cluster, address));
  return json::Value::object({{"forgotten", address.to_string()}});
}

}  // namespace sinew::app
