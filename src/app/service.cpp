#include "app/service.h"

#include <csignal>
#include <memory>
#include <optional>
#include <utility>

#include "aio/event.h"
#include "aio/readiness.h"
#include "aio/runtime.h"
#include "aio/task_group.h"
#include "aio/time.h"
#include "app/mesh_tunnel.h"
#include "app/nucleus_host.h"
#include "json/cursor.h"
#include "node/control.h"
#include "node/inbox.h"
#include "node/mesh.h"
#include "node/operator.h"
#include "os/clock.h"
#include "os/random.h"
#include "os/signal_fd.h"

namespace sinew::app {
namespace {

class Service {
 public:
  Service(ServicePlan plan, StartWatcher& watcher, const Log& log)
      : plan_(std::move(plan)),
        watcher_(watcher),
        log_(log),
        runtime_(log),
        stop_wanted_(runtime_),
        tasks_(runtime_) {}

  Result<> run() {
    TRY(open());
    runtime_.run(main());
    mesh_.reset();
    tunnel_.reset();
    nucleus_.reset();
    return std::move(ended_);
  }

 private:
  Result<> open();
  Result<> open_node(const signal::ClusterKey& cluster);
  aio::Task<> main();
  aio::Task<> watch_signals();
  aio::Task<> watch_start();
  aio::Task<bool> wait_for_milestone(bool node::Mesh::Milestones::* reached, MonoTime end);
  aio::Task<Result<json::Value>> answer(const json::Value& request, node::Answering& to);
  void become_ready();
  Error why_not_connected() const;
  void stop(Result<> because);
  bool has_node() const { return plan_.configuration.mode != node::Mode::kNucleus; }
  bool has_nucleus() const { return plan_.configuration.mode != node::Mode::kEdge; }

  ServicePlan plan_;
  StartWatcher& watcher_;
  Log log_;
  os::SystemRng rng_;
  os::SystemClock clock_;
  aio::Runtime runtime_;
  aio::Event stop_wanted_;
  bool is_stopping_ = false;
  Result<> ended_;
  std::optional<os::SignalFd> signals_;
  std::optional<aio::Readiness> signals_ready_;
  std::unique_ptr<NucleusHost> nucleus_;
  std::unique_ptr<node::Inbox> inbox_;
  std::unique_ptr<MeshTunnel> tunnel_;
  std::unique_ptr<node::Mesh> mesh_;
  std::unique_ptr<node::Operator> operator_;
  std::unique_ptr<node::ControlServer> control_;
  aio::TaskGroup tasks_;
};

Result<> Service::open() {
  signals_ = TRY(os::SignalFd::open({SIGTERM, SIGINT, SIGHUP}));
  signals_ready_ = TRY(aio::Readiness::watch(runtime_, signals_->fd()));
  const signal::ClusterKey cluster =
      TRY(signal::ClusterKey::derive(plan_.configuration.cluster, plan_.secret));
  if (has_nucleus()) {
    nucleus_ = TRY(
        NucleusHost::open(runtime_, rng_, plan_.configuration, plan_.secret, *plan_.folder, log_));
    watcher_.step("nucleus listens on port " + std::to_string(nucleus_->port()) + " (UDP and TCP)");
  }
  if (has_node()) TRY(open_node(cluster));
  control_ = TRY(node::ControlServer::open(
      runtime_, plan_.folder->control_socket(),
      [this](const json::Value& request, node::Answering& to) { return answer(request, to); }));
  return {};
}

Result<> Service::open_node(const signal::ClusterKey& cluster) {
  const node::Configuration& configuration = plan_.configuration;
  // Our own nucleus is found where it is now; the port may be another one at the next start.
  node::Configuration of_mesh = configuration;
  if (has_nucleus() && of_mesh.nuclei.empty())
    of_mesh.nuclei.push_back({"127.0.0.1", nucleus_->port()});
  auto key = TRY(plan_.folder->load_or_make_key("node.key", rng_));
  inbox_ = TRY(node::Inbox::open());
  // The port of a nucleus in the same process is the nucleus' own.
  const std::uint16_t port = has_nucleus() ? std::uint16_t{0} : configuration.port;
  tunnel_ = TRY(MeshTunnel::open({.interface = configuration.interface, .port = port}, key, *inbox_,
                                 rng_, clock_, log_));
  watcher_.step("interface " + configuration.interface + " is up");
  mesh_ = TRY(node::Mesh::create({.runtime = &runtime_,
                                  .rng = &rng_,
                                  .packets = tunnel_.get(),
                                  .inbox = inbox_.get(),
                                  .log = log_},
                                 {.node = std::move(key), .cluster = cluster.clone()}, of_mesh));
  operator_ =
      std::make_unique<node::Operator>(runtime_, *mesh_, plan_.configuration, *plan_.folder);
  return {};
}

aio::Task<> Service::main() {
  tasks_.start("control", control_->serve());
  tasks_.start("signals", watch_signals());
  if (nucleus_) nucleus_->start();
  if (mesh_) mesh_->start();
  tasks_.start("start", watch_start());
  while (!is_stopping_) {
    const Result<> waited = co_await stop_wanted_.wait();
    if (!waited) break;
  }
  log_.info("stopping");
  if (mesh_) {
    co_await mesh_->leave();
    co_await mesh_->stop();
  }
  if (nucleus_) co_await nucleus_->stop();
  co_await tasks_.stop();
  control_.reset();
}

void Service::stop(Result<> because) {
  if (is_stopping_) return;
  is_stopping_ = true;
  ended_ = std::move(because);
  stop_wanted_.notify();
}

aio::Task<> Service::watch_signals() {
  while (true) {
    const Result<> ready = co_await signals_ready_->readable();
    if (!ready) co_return;
    while (const auto signal = signals_->read()) {
      if (signal->number != SIGHUP) stop({});
    }
  }
}

// ------------------------------------------------------------------------------------ the
// beginning

aio::Task<> Service::watch_start() {
  if (!mesh_) {
    become_ready();
    co_return;
  }
  const Duration patience = watcher_.patience();
  const MonoTime end = patience == Duration::zero() ? MonoTime::never() : clock_.now() + patience;
  watcher_.step("asking " + mesh_->nuclei().name_of(0).to_string());
  const bool is_registered =
      co_await wait_for_milestone(&node::Mesh::Milestones::is_registered, end);
  if (!is_registered) {
    const bool is_over = co_await aio::is_cancelled();
    if (!is_over) stop(why_not_connected());
    co_return;
  }
  // Without its peers for a moment longer the machine is connected all the same.
  constexpr Duration kMapPatience = 2s;
  co_await wait_for_milestone(&node::Mesh::Milestones::has_map, clock_.now() + kMapPatience);
  const netmap::Self& self = mesh_->map().self;
  watcher_.step("connected as " + self.name + ", address " +
                (self.v4   ? self.v4->to_string()
                 : self.v6 ? self.v6->to_string()
                           : "none"));
  become_ready();
  // A packet path that ends takes the service with it: a node that only looks alive helps nobody.
  co_await wait_for_milestone(&node::Mesh::Milestones::has_stopped, MonoTime::never());
  if (mesh_->milestones().has_stopped)
    stop(Error{ErrorKind::kUnavailable,
               "the interface " + plan_.configuration.interface + " is gone"});
}

aio::Task<bool> Service::wait_for_milestone(bool node::Mesh::Milestones::* reached, MonoTime end) {
  while (!(mesh_->milestones().*reached)) {
    const bool is_refused = !mesh_->milestones().refusal.empty() && end != MonoTime::never();
    const Duration left = std::min<Duration>(end - clock_.now(), 1h);
    if (is_refused || left <= Duration::zero()) co_return false;
    const Result<> waited = co_await aio::with_timeout(mesh_->progress().wait(), left);
    if (!waited && waited.error().kind != ErrorKind::kTimeout) co_return false;
  }
  co_return true;
}

// What works is what the next start takes; a mistake is not remembered.
void Service::become_ready() {
  Result<> saved = plan_.folder->save_configuration(plan_.configuration);
  if (saved) saved = plan_.folder->save_secret(plan_.secret);
  if (!saved) log_.error("the next start will not know how", {{"reason", saved.error().message}});
  watcher_.ready();
}

Error Service::why_not_connected() const {
  if (!mesh_->milestones().refusal.empty())
    return {ErrorKind::kConflict, "the nucleus refuses us: " + mesh_->milestones().refusal};
  const std::string name = mesh_->nuclei().name_of(0).to_string();
  const std::string& problem = mesh_->nuclei().last_error(0);
  if (!problem.empty()) return {ErrorKind::kUnavailable, "nucleus " + name + ": " + problem};
  return {ErrorKind::kTimeout,
          "nucleus " + name + " does not answer, neither over UDP nor over TCP"};
}

// ------------------------------------------------------------------------------------- being asked

aio::Task<Result<json::Value>> Service::answer(const json::Value& request, node::Answering& to) {
  const json::Value* const ask = request.find("ask");
  const std::string what =
      ask != nullptr && ask->as_string() != nullptr ? *ask->as_string() : std::string();
  if (what == "stop") {
    stop({});
    co_return json::Value::object({{"stopping", true}});
  }
  if (what.starts_with("nucleus ")) {
    if (nucleus_) co_return nucleus_->answer(what, request);
    co_return Error{ErrorKind::kUnsupported, "this machine is no nucleus"};
  }
  if (operator_) {
    Result<json::Value> answered = co_await operator_->answer(request, to);
    co_return answered;
  }
  if (nucleus_ && what == "status") co_return nucleus_->answer("nucleus status", request);
  co_return Error{ErrorKind::kUnsupported, "this is a nucleus without a node: it has no " + what};
}

}  // namespace

Result<> run_service(ServicePlan plan, StartWatcher& watcher, const Log& log) {
  Service service(std::move(plan), watcher, log);
  return service.run();
}

}  // namespace sinew::app
