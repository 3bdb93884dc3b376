#include "node/operator.h"

#include <algorithm>
#include <utility>

#include "aio/time.h"
#include "json/cursor.h"
#include "node/echo.h"
#include "node/report.h"

namespace sinew::node {
namespace {

constexpr Duration kSurveyPatience = 5s;

struct PingRequest {
  std::string peer;
  std::uint32_t count = 0;  // 0: until nobody listens
  Duration interval{};
};

Result<PingRequest> read_ping(const json::Value& request) {
  const json::Cursor root(request);
  PingRequest ping;
  ping.peer = TRY(TRY(root.at("peer")).string());
  ping.count = TRY(TRY(root.at("count")).integer<std::uint32_t>());
  ping.interval =
      std::chrono::milliseconds(TRY(TRY(root.at("interval_ms")).integer<std::uint32_t>()));
  constexpr Duration kShortest = 10ms;
  if (ping.count > Operator::kMostPings || ping.interval < kShortest)
    return Error{ErrorKind::kInvalid, "too many pings, or too fast"};
  return ping;
}

struct Change {
  std::string what;
  std::string value;
};

Result<std::optional<Change>> read_change(const json::Value& request) {
  const json::Cursor root(request);
  const auto what = TRY(root.find("what"));
  if (!what) return std::optional<Change>();
  Change change{.what = std::string(TRY(what->string())), .value = {}};
  if (const auto value = TRY(root.find("value"))) change.value = TRY(value->string());
  return std::optional(std::move(change));
}

double to_ms(Duration duration) {
  return static_cast<double>(duration_cast<std::chrono::microseconds>(duration).count()) / 1000;
}

json::Value check(std::string_view id, std::string_view severity, std::string evidence,
                  std::string_view advice) {
  return json::Value::object(
      {{"id", id}, {"severity", severity}, {"evidence", std::move(evidence)}, {"advice", advice}});
}

}  // namespace

aio::Task<Result<json::Value>> Operator::answer(const json::Value& request, Answering& to) {
  const json::Value* const ask = request.find("ask");
  const std::string* const what = ask == nullptr ? nullptr : ask->as_string();
  if (what == nullptr) co_return Error{ErrorKind::kInvalid, "a question needs \"ask\""};
  const MonoTime now = runtime_.clock().now();
  if (*what == "status") co_return report_status(mesh_, configuration_);
  if (*what == "peers") co_return report_peers(mesh_, now, runtime_.clock().wall_now());
  if (*what == "doctor") co_return doctor();
  if (*what == "config") co_return config(request);
  if (*what == "ping") {
    Result<json::Value> pinged = co_await ping(request, to);
    co_return pinged;
  }
  if (*what == "netcheck") {
    Result<json::Value> checked = co_await netcheck();
    co_return checked;
  }
  co_return Error{ErrorKind::kNotFound, "the node knows no question '" + *what + "'"};
}

aio::Task<Result<json::Value>> Operator::ping(const json::Value& request, Answering& to) {
  const Result<PingRequest> wanted = read_ping(request);
  if (!wanted) co_return wanted.error();
  const Peers::Entry* peer = co_await find_soon(wanted->peer);
  if (peer == nullptr)
    co_return Error{ErrorKind::kNotFound, "no peer is called '" + wanted->peer + "'"};
  const netmap::NodeKey key = peer->record.key;
  const auto address = peer->record.v4 ? peer->record.v4 : peer->record.v6;
  if (!address) co_return Error{ErrorKind::kUnavailable, wanted->peer + " has no address yet"};
  Result<std::unique_ptr<Echo>> echo = Echo::open(runtime_, *address);
  if (!echo) co_return echo.error();
  std::uint32_t sent = 0;
  std::uint32_t answered = 0;
  Duration total{};
  while (wanted->count == 0 || sent < wanted->count) {
    const MonoTime begun = runtime_.clock().now();
    const Result<Duration> round_trip = co_await (*echo)->ask(kPingPatience);
    if (!round_trip && round_trip.error().kind != ErrorKind::kTimeout) co_return round_trip.error();
    ++sent;
    if (round_trip) {
      ++answered;
      total += *round_trip;
    }
    peer = mesh_.peers().find(key);
    if (peer == nullptr) co_return Error{ErrorKind::kNotFound, wanted->peer + " has left"};
    json::Value step = json::Value::object({
        {"sequence", sent},
        {"address", address->to_string()},
        {"name", peer->record.name},
        {"route", route_text(mesh_, *peer)},
        {"round_trip_ms", round_trip ? json::Value(to_ms(*round_trip)) : json::Value()},
    });
    const Result<> told = co_await to.step(std::move(step));
    if (!told) co_return told.error();
    if (wanted->count != 0 && sent == wanted->count) break;
    const Result<> slept = co_await aio::sleep_until(begun + wanted->interval);
    if (!slept) co_return slept.error();
  }
  co_return json::Value::object({
      {"sent", sent},
      {"answered", answered},
      {"average_ms", answered == 0 ? json::Value() : json::Value(to_ms(total / answered))},
  });
}

aio::Task<const Peers::Entry*> Operator::find_soon(std::string word) {
  const MonoTime end = runtime_.clock().now() + kJoinPatience;
  while (true) {
    const Peers::Entry* const peer = mesh_.peers().find_named(word);
    if (peer != nullptr || runtime_.clock().now() >= end) co_return peer;
    const Result<> slept = co_await aio::sleep_for(20ms);
    if (!slept) co_return nullptr;
  }
}

aio::Task<Result<json::Value>> Operator::netcheck() {
  const MonoTime end = runtime_.clock().now() + kSurveyPatience;
  mesh_.check_network();
  while (mesh_.reach().is_surveying() && runtime_.clock().now() < end) {
    const Result<> slept = co_await aio::sleep_for(50ms);
    if (!slept) co_return slept.error();
  }
  co_return report_netcheck(mesh_);
}

Result<json::Value> Operator::config(const json::Value& request) {
  if (const auto change = TRY(read_change(request))) {
    Settings settings = configuration_.settings;
    if (change->what == "reset") {
      settings = {};
    } else {
      TRY(node::change(settings, change->what, change->value));
    }
    Configuration changed = configuration_;
    changed.settings = settings;
    TRY(folder_.save_configuration(changed));
    configuration_ = std::move(changed);
    mesh_.set_settings(settings);
  }
  return to_json(configuration_.settings);
}

json::Value Operator::doctor() const {
  json::Value::Array found;
  for (std::size_t i = 0; i < mesh_.signal().size(); ++i)
    found.push_back(check_nucleus(i));
  if (const auto& report = mesh_.reach().report()) {
    found.push_back(
        report->has_udp
            ? check("udp", "ok", "UDP passes", "")
            : check("udp", "warning", "no answer over UDP from anywhere",
                    "Let UDP out of this network; until then everything is relayed over TCP."));
  }
  found.push_back(check_relay());
  check_addresses(found);
  if (const std::uint64_t dropped = mesh_.dropped(); dropped > 0) {
    found.push_back(check("overload", "warning",
                          std::to_string(dropped) + " packets were dropped on their way to relays",
                          "Find out why peers are not reached directly: 'sinew peers -o wide'."));
  }
  return found;
}

json::Value Operator::check_nucleus(std::size_t index) const {
  const signal::Client& client = mesh_.signal().client(index);
  const std::string name = mesh_.nuclei().name_of(index).to_string();
  switch (client.state()) {
    case signal::Client::State::kRegistered: return check("nucleus", "ok", name + " knows us", "");
    case signal::Client::State::kRefused: {
      const auto refusal = client.last_refusal();
      return check("nucleus", "error", name + ": " + (refusal ? refusal->text : "refused"),
                   "Choose another --vip, or have the nucleus forget the old one: 'sinew nucleus "
                   "forget ADDRESS' there.");
    }
    default: break;
  }
  const std::string& problem = mesh_.nuclei().last_error(index);
  return check("nucleus", "error",
               name + " does not answer" + (problem.empty() ? "" : ": " + problem),
               "Check the address and that its port is open; a nucleus does not answer "
               "to a wrong secret or cluster name.");
}

json::Value Operator::check_relay() const {
  if (!configuration_.settings.uses_relay) {
    return check("relay", "warning", "relays are switched off",
                 "Peers that cannot be reached directly are not reached at all; "
                 "'sinew config relay on' changes that.");
  }
  for (const RelayLinks::Status& relay : mesh_.relays().status()) {
    if (relay.is_up) return check("relay", "ok", "connected", "");
  }
  return check("relay", "error", "not connected to a relay",
               "Check that the relay's TCP port can be reached.");
}

void Operator::check_addresses(json::Value::Array& found) const {
  const auto& addresses = mesh_.reach().host().addresses;
  if (addresses.empty()) {
    found.push_back(
        check("network", "error", "this machine has no address", "Connect it to a network."));
  }
  const netmap::Self& self = mesh_.map().self;
  for (const netlink::HostAddress& each : addresses) {
    if (!self.v4 || !each.address.is_v4()) continue;
    if (!IpPrefix::around(each.address, each.prefix_length)
             .overlaps(IpPrefix::around(*self.v4, self.v4_length)))
      continue;
    found.push_back(check("overlap", "warning",
                          each.interface_name + " has " + each.address.to_string() +
                              ", inside the range of the network",
                          "Give the nucleus another --range."));
  }
}

}  // namespace sinew::node
