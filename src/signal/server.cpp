#include "signal/server.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/token_bucket.h"
#include "base/verify.h"
#include "signal/bodies.h"
#include "signal/cookies.h"
#include "signal/limiter.h"
#include "signal/registry.h"
#include "signal/session.h"

namespace sinew::signal {
namespace {

constexpr std::size_t kMaxSources = 8192;   // whose rate is known
constexpr std::size_t kMaxSpent = 65'536;   // sessions; then there are no new ones
constexpr std::size_t kMaxQueued = 65'536;  // datagrams to be sent
constexpr std::size_t kMaxEvents = 1024;    // the oldest are lost
constexpr TokenBucket::Limits kResetsOfSource{.interval = 100ms, .burst = 20};
constexpr TokenBucket::Limits kResetsOfAll{.interval = 1ms, .burst = 1000};
// News of a change go out at once, then at most this often; a large cluster waits longer, so that
// news never become the main load.
constexpr Duration kNewsInterval = 200ms;
constexpr Duration kNewsIntervalOfSession = 200us;
constexpr Duration kNewsRetry = 1s;
constexpr unsigned kNewsTries = 5;

struct State;

struct Session {
  State* cluster;
  NodeKey node;
  Channel channel;
  Route route;
  IpAddress proven;  // where it can receive: a cookie went there and came back
  TokenBucket rate;
  MonoTime due;             // its end, unless it is heard
  bool is_newest = true;    // what it says now was said after all else that came
  bool has_spoken = false;  // a datagram behind its OPEN came
  bool is_registered = false;
  Cursor known;            // what the node's copy of the map has reached
  std::uint64_t told = 0;  // the version of the last news,
  unsigned tellings = 0;   // and how often it was told
};

// One cluster.
struct State {
  std::string name;
  ClusterKey key;
  Registry registry;
  std::unordered_map<NodeKey, SessionId> sessions;
  MonoTime news_at = MonoTime::never();
  MonoTime news_sent{};
  std::uint64_t announced = 0;  // the version for which news_at was set last
};

std::optional<Endpoint> observed(const Route& route) {
  return route.is_udp() ? std::optional(route.endpoint) : std::nullopt;
}

}  // namespace

class Server::Impl {
 public:
  Impl(Rng& rng, PrivateKey key, Settings settings)
      : rng_(rng),
        key_(std::move(key)),
        public_key_(key_.public_key()),
        settings_(settings),
        cookies_(rng),
        handshakes_(kMaxSources,
                    {.interval = Duration(1s) / settings.handshakes_per_second,
                     .burst = settings.handshake_burst},
                    rng),
        resets_(kMaxSources, kResetsOfSource, rng),
        all_resets_(kResetsOfAll, MonoTime()) {}

  Result<> add_cluster(Cluster cluster, MonoTime now);
  Result<> remove_cluster(std::string_view name, MonoTime now);
  Result<> set_relays(std::string_view name, std::vector<netmap::Relay> relays, MonoTime now);
  void feed(ByteView datagram, const Route& from, MonoTime now, WallTime wall);
  void close_stream(std::uint64_t stream, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();
  Result<> forget(std::string_view name, const IpAddress& address, MonoTime now);
  PublicKey public_key() const { return public_key_; }
  std::vector<ClusterInfo> clusters() const;
  std::vector<Node> nodes(MonoTime now) const;
  const Stats& stats() const { return stats_; }
  Snapshot snapshot() const;
  void restore(const Snapshot& snapshot, MonoTime now);
  std::uint64_t changes(bool of_addresses) const;

 private:
  State* find(std::string_view name);
  State* find(const ClusterTag& tag);
  void take_hello(ByteView datagram, const Route& from, MonoTime now);
  void take_open(ByteView datagram, const Route& from, MonoTime now, WallTime wall);
  void take_data(ByteView datagram, const Route& from, MonoTime now, WallTime wall);
  void send_reset(const DataHead& head, const Route& from, MonoTime now);
  bool admit(State& cluster, const Opened& opened) const;
  void end_session(SessionId id, MonoTime now);
  void set_due(Session& session, MonoTime due);

  void take_request(Session& session, ByteView bytes, MonoTime now, WallTime wall);
  void answer(Session& session, RequestId id, Body body);
  void refuse(Session& session, RequestId id, RefusalCode code, std::string text);
  void handle(Session& session, RequestId id, const Register& body, MonoTime now, WallTime wall);
  void handle(Session& session, RequestId id, const Heartbeat& body, MonoTime now, WallTime wall);
  void handle(Session& session, RequestId id, const Pull& body, MonoTime now, WallTime wall);
  void handle(Session& session, RequestId id, const Leave& body, MonoTime now, WallTime wall);
  void handle(Session& session, RequestId id, const Punch& body, MonoTime now, WallTime wall);
  template <typename Other>
  void handle(Session& session, RequestId id, const Other& body, MonoTime now, WallTime wall);

  void send(Session& session, const Message& message);
  void send(const Route& to, Bytes bytes);
  void settle(State& cluster, MonoTime now);
  void send_news(State& cluster, MonoTime now);
  bool tell(Session& session, const Cursor& map);
  void report(Event event);
  std::uint32_t settling_seconds(MonoTime now) const;

  Rng& rng_;
  PrivateKey key_;
  PublicKey public_key_;
  Settings settings_;
  CookieJar cookies_;
  SourceLimiter handshakes_;
  SourceLimiter resets_;
  TokenBucket all_resets_;
  std::map<std::string, std::unique_ptr<State>, std::less<>> clusters_;
  std::map<ClusterTag, State*> by_tag_;
  std::unordered_map<SessionId, Session> sessions_;
  std::set<std::pair<MonoTime, SessionId>> due_;
  // Sessions that ended while their OPEN could still come again: it must not begin them anew, with
  // the same keys and counters.
  std::map<SessionId, MonoTime> spent_;
  std::deque<std::pair<MonoTime, SessionId>> spent_order_;
  std::deque<Transmit> out_;
  std::deque<Event> events_;
  std::map<std::string, Snapshot::Cluster> unknown_;  // of the state, of clusters not here
  std::optional<MonoTime> started_;
  Stats stats_;
};

// --- Clusters ---

Result<> Server::Impl::add_cluster(Cluster cluster, MonoTime now) {
  TRY(ClusterKey::check_name(cluster.name));
  if (!Registry::is_usable_range(cluster.v4_range)) {
    return Error{ErrorKind::kInvalid, "address range " + cluster.v4_range.to_string() +
                                          ": it has to be IPv4, /8 to /30"};
  }
  if (clusters_.contains(cluster.name) || by_tag_.contains(cluster.key.tag())) {
    return Error{ErrorKind::kConflict, "cluster " + cluster.name + ": there is one of that name"};
  }
  if (cluster.relays.size() > kMaxRelays) return Error{ErrorKind::kInvalid, "relays: too many"};
  if (!started_) started_ = now;
  const Registry::Limits limits{.offline_after = kMissedHeartbeats * settings_.heartbeat,
                                .removal = settings_.removal,
                                .pin_lifetime = settings_.pin_lifetime,
                                .max_pins = settings_.max_nodes};
  const ClusterTag tag = cluster.key.tag();
  auto state = std::make_unique<State>(
      State{.name = cluster.name,
            .key = std::move(cluster.key),
            .registry = Registry(tag, cluster.v4_range, rng_.number<std::uint64_t>() | 1, limits),
            .sessions = {}});
  if (const auto kept = unknown_.find(cluster.name); kept != unknown_.end()) {
    state->registry.restore(kept->second, now);
    unknown_.erase(kept);
  }
  state->registry.set_relays(cluster.relays);
  by_tag_.emplace(tag, state.get());
  settle(*clusters_.emplace(cluster.name, std::move(state)).first->second, now);
  return {};
}

Result<> Server::Impl::remove_cluster(std::string_view name, MonoTime now) {
  State* cluster = find(name);
  if (cluster == nullptr) return Error{ErrorKind::kNotFound, "cluster: there is none of that name"};
  while (!cluster->sessions.empty())
    end_session(cluster->sessions.begin()->second, now);
  unknown_.insert_or_assign(cluster->name, cluster->registry.snapshot());
  by_tag_.erase(cluster->key.tag());
  clusters_.erase(clusters_.find(name));
  return {};
}

Result<> Server::Impl::set_relays(std::string_view name, std::vector<netmap::Relay> relays,
                                  MonoTime now) {
  State* cluster = find(name);
  if (cluster == nullptr) return Error{ErrorKind::kNotFound, "cluster: there is none of that name"};
  if (relays.size() > kMaxRelays) return Error{ErrorKind::kInvalid, "relays: too many"};
  cluster->registry.set_relays(relays);
  settle(*cluster, now);
  return {};
}

State* Server::Impl::find(std::string_view name) {
  const auto found = clusters_.find(name);
  return found == clusters_.end() ? nullptr : found->second.get();
}

State* Server::Impl::find(const ClusterTag& tag) {
  const auto found = by_tag_.find(tag);
  return found == by_tag_.end() ? nullptr : found->second;
}

// --- Datagrams ---

void Server::Impl::feed(ByteView datagram, const Route& from, MonoTime now, WallTime wall) {
  ++stats_.received;
  switch (kind_of(datagram)) {
    case Kind::kHello: return take_hello(datagram, from, now);
    case Kind::kOpen: return take_open(datagram, from, now, wall);
    case Kind::kData: return take_data(datagram, from, now, wall);
    case Kind::kWelcome:
    case Kind::kReset:
    case Kind::kInvalid: ++stats_.not_ours; return;
  }
}

void Server::Impl::take_hello(ByteView datagram, const Route& from, MonoTime now) {
  const Hello hello = Hello::decode(datagram);
  const State* cluster = find(hello.tag);
  if (cluster == nullptr) {
    ++stats_.not_ours;
    return;
  }
  if (!Hello::is_authentic(datagram, cluster->key)) {
    ++stats_.bad_proofs;
    return;
  }
  if (!handshakes_.take(from.endpoint.address, now)) {
    ++stats_.limited;
    return;
  }
  const Welcome welcome{.random = hello.random,
                        .server = public_key_,
                        .cookie = cookies_.bake(hello.tag, hello.ephemeral, from, now)};
  send(from, welcome.encode(cluster->key, hello.ephemeral));
}

void Server::Impl::take_open(ByteView datagram, const Route& from, MonoTime now, WallTime wall) {
  const OpenHead head = OpenHead::decode(datagram);
  State* cluster = find(head.tag);
  if (cluster == nullptr) {
    ++stats_.not_ours;
    return;
  }
  if (!cookies_.is_good(head.cookie, head.tag, head.ephemeral, from, now)) {
    ++stats_.bad_cookies;
    return;
  }
  if (!handshakes_.take(from.endpoint.address, now)) {
    ++stats_.limited;
    return;
  }
  auto opened = open_open(cluster->key, key_, datagram);
  if (!opened) {
    ++stats_.forged;
    return;
  }
  const SessionId id = opened->channel.id();
  auto found = sessions_.find(id);
  if (found == sessions_.end()) {
    if (spent_.contains(id)) {
      ++stats_.replayed;
      return;
    }
    if (!admit(*cluster, *opened)) {
      ++stats_.limited;
      return;
    }
    ++stats_.handshakes;
    if (const auto before = cluster->sessions.find(opened->node);
        before != cluster->sessions.end()) {
      end_session(before->second, now);
    }
    const TokenBucket::Limits rate{.interval = Duration(1s) / settings_.requests_per_second,
                                   .burst = settings_.request_burst};
    found = sessions_
                .emplace(id, Session{.cluster = cluster,
                                     .node = opened->node,
                                     .channel = std::move(opened->channel),
                                     .route = from,
                                     .proven = from.endpoint.address,
                                     .rate = TokenBucket(rate, now),
                                     .due = MonoTime::never(),
                                     .known = {}})
                .first;
    cluster->sessions.insert_or_assign(opened->node, id);
    set_due(found->second, now + kMissedHeartbeats * settings_.heartbeat);
  } else if (found->second.has_spoken) {
    // The node has our answer; what it said first may be outdated by now.
    ++stats_.replayed;
    return;
  }
  take_request(found->second, opened->first, now, wall);
  settle(*cluster, now);
}

bool Server::Impl::admit(State& cluster, const Opened& opened) const {
  if (opened.node == public_key_ || spent_.size() >= kMaxSpent) return false;
  return sessions_.size() < settings_.max_nodes || cluster.sessions.contains(opened.node);
}

void Server::Impl::take_data(ByteView datagram, const Route& from, MonoTime now, WallTime wall) {
  const DataHead head = DataHead::decode(datagram);
  const auto found = sessions_.find(head.session);
  if (found == sessions_.end()) return send_reset(head, from, now);
  Session& session = found->second;
  Bytes request;
  switch (session.channel.open(datagram, request)) {
    case Channel::Verdict::kForged: ++stats_.forged; return;
    case Channel::Verdict::kReplayed: ++stats_.replayed; return;
    case Channel::Verdict::kNew: break;
  }
  session.has_spoken = true;
  // A late datagram says nothing about where the node is now.
  session.is_newest = session.channel.was_newest(head.counter);
  if (session.is_newest) session.route = from;
  set_due(session, now + kMissedHeartbeats * settings_.heartbeat);
  if (!session.rate.take(now)) {
    ++stats_.limited;
    return;
  }
  State& cluster = *session.cluster;
  take_request(session, request, now, wall);
  settle(cluster, now);
}

void Server::Impl::send_reset(const DataHead& head, const Route& from, MonoTime now) {
  const State* cluster = find(head.tag);
  if (cluster == nullptr) {
    ++stats_.not_ours;
    return;
  }
  if (!resets_.take(from.endpoint.address, now) || !all_resets_.take(now)) {
    ++stats_.limited;
    return;
  }
  ++stats_.resets;
  const Reset reset{.session = head.session, .counter = head.counter};
  send(from, reset.encode(cluster->key, public_key_));
}

// --- Sessions ---

void Server::Impl::end_session(SessionId id, MonoTime now) {
  const auto found = sessions_.find(id);
  VERIFY(found != sessions_.end());
  Session& session = found->second;
  set_due(session, MonoTime::never());
  const auto current = session.cluster->sessions.find(session.node);
  if (current != session.cluster->sessions.end() && current->second == id) {
    session.cluster->sessions.erase(current);
  }
  sessions_.erase(found);
  const MonoTime until = now + 2 * kCookieLifetime;
  if (spent_.emplace(id, until).second) spent_order_.emplace_back(until, id);
}

void Server::Impl::set_due(Session& session, MonoTime due) {
  const SessionId id = session.channel.id();
  if (session.due != MonoTime::never()) due_.erase({session.due, id});
  session.due = due;
  if (due != MonoTime::never()) due_.emplace(due, id);
}

void Server::Impl::close_stream(std::uint64_t stream, MonoTime now) {
  std::vector<SessionId> over;
  for (const auto& [id, session] : sessions_)
    if (session.route.stream == stream && stream != 0) over.push_back(id);
  for (const SessionId id : over)
    end_session(id, now);
}

// --- Requests ---

void Server::Impl::take_request(Session& session, ByteView bytes, MonoTime now, WallTime wall) {
  ++stats_.requests;
  const auto message = decode(bytes);
  if (!message || message->id == RequestId()) {
    ++stats_.refused;
    return refuse(session, message ? message->id : RequestId(), RefusalCode::kInvalid,
                  "the request cannot be read");
  }
  std::visit([&](const auto& body) { handle(session, message->id, body, now, wall); },
             message->body);
}

void Server::Impl::handle(Session& session, RequestId id, const Register& body, MonoTime now,
                          WallTime wall) {
  Registry& registry = session.cluster->registry;
  const auto answered =
      registry.register_node(session.node, body, observed(session.route), now, wall);
  if (const auto* refused = std::get_if<Refused>(&answered)) {
    session.is_registered = false;
    report({.kind = Event::Kind::kRefused,
            .cluster = session.cluster->name,
            .node = session.node,
            .name = body.name,
            .address = body.wanted_v4,
            .text = refused->text});
    return refuse(session, id, refused->code, refused->text);
  }
  session.is_registered = true;
  answer(session, id,
         Registered{.self = std::get<netmap::Self>(answered),
                    .heartbeat_seconds = static_cast<std::uint32_t>(settings_.heartbeat / 1s),
                    .settling_seconds = settling_seconds(now),
                    .map = registry.cursor(),
                    .observed = observed(session.route)});
}

void Server::Impl::handle(Session& session, RequestId id, const Heartbeat& body, MonoTime now,
                          WallTime wall) {
  Registry& registry = session.cluster->registry;
  session.known = body.known;
  if (!registry.heard(session.node, observed(session.route), now, wall)) {
    session.is_registered = false;
    return refuse(session, id, RefusalCode::kNotRegistered, "register first");
  }
  answer(session, id, HeartbeatAck{.map = registry.cursor(), .observed = observed(session.route)});
}

void Server::Impl::handle(Session& session, RequestId id, const Pull& body, MonoTime, WallTime) {
  const Registry& registry = session.cluster->registry;
  if (registry.find(session.node) == nullptr) {
    return refuse(session, id, RefusalCode::kNotRegistered, "register first");
  }
  // Many bytes for few: not to an address that a node merely claims to send from.
  if (session.route.is_udp() && session.route.endpoint.address != session.proven) {
    return refuse(session, id, RefusalCode::kMoved, "open a session from the new address");
  }
  session.known = body.after;
  Cursor after = body.after;
  for (unsigned i = 0; i < body.pages; ++i) {
    const Registry::NextPage page = registry.page(id, after);
    send(session.route, session.channel.seal(page.bytes));
    after = page.to;
    if (page.has_more) continue;
    // If the page is lost, the node asks again by itself; not so if it has asked again before, and
    // drops this as from behind.
    if (session.is_newest) session.known = page.to;
    return;
  }
}

void Server::Impl::handle(Session& session, RequestId id, const Leave&, MonoTime now, WallTime) {
  session.cluster->registry.leave(session.node, now);
  session.is_registered = false;
  answer(session, id, Done{});
}

void Server::Impl::handle(Session& session, RequestId id, const Punch& body, MonoTime, WallTime) {
  State& cluster = *session.cluster;
  if (!session.is_registered) {
    return refuse(session, id, RefusalCode::kNotRegistered, "register first");
  }
  const auto target = cluster.sessions.find(body.target);
  if (target == cluster.sessions.end() || !sessions_.at(target->second).is_registered) {
    return refuse(session, id, RefusalCode::kNotFound, "that node is not here");
  }
  send(sessions_.at(target->second),
       {.id = RequestId(), .body = PunchFrom{.peer = session.node, .candidates = body.candidates}});
  answer(session, id, Done{});
}

// What only we say.
template <typename Other>
void Server::Impl::handle(Session& session, RequestId id, const Other&, MonoTime, WallTime) {
  refuse(session, id, RefusalCode::kInvalid, "that is no request");
}

void Server::Impl::answer(Session& session, RequestId id, Body body) {
  send(session, {.id = id, .body = std::move(body)});
}

void Server::Impl::refuse(Session& session, RequestId id, RefusalCode code, std::string text) {
  ++stats_.refused;
  answer(session, id, Refused{.code = code, .text = std::move(text)});
}

// --- Sending ---

void Server::Impl::send(Session& session, const Message& message) {
  send(session.route, session.channel.seal(encode(message)));
}

void Server::Impl::send(const Route& to, Bytes bytes) {
  if (out_.size() >= kMaxQueued) return;
  out_.push_back({.to = to, .bytes = std::move(bytes)});
}

std::optional<Transmit> Server::Impl::next_transmit() {
  if (out_.empty()) return std::nullopt;
  Transmit transmit = std::move(out_.front());
  out_.pop_front();
  return transmit;
}

// After anything that may have changed a map: news of it, and lines for the log.
void Server::Impl::settle(State& cluster, MonoTime now) {
  while (const auto news = cluster.registry.next_news()) {
    report({.kind = static_cast<Event::Kind>(news->change),
            .cluster = cluster.name,
            .node = news->node,
            .name = news->name,
            .address = news->address,
            .text = {}});
  }
  const std::uint64_t version = cluster.registry.cursor().version;
  if (version == cluster.announced) return;
  cluster.announced = version;
  const Duration interval = std::max(
      kNewsInterval, kNewsIntervalOfSession * static_cast<std::int64_t>(cluster.sessions.size()));
  cluster.news_at = std::min(cluster.news_at, std::max(now, cluster.news_sent + interval));
}

void Server::Impl::send_news(State& cluster, MonoTime now) {
  const Cursor map = cluster.registry.cursor();
  cluster.news_sent = now;
  cluster.news_at = MonoTime::never();
  bool is_done = true;
  for (const auto& [node, id] : cluster.sessions)
    is_done = tell(sessions_.at(id), map) && is_done;
  if (!is_done) cluster.news_at = now + kNewsRetry;
}

// True when there is no need to tell it again.
bool Server::Impl::tell(Session& session, const Cursor& map) {
  if (!session.is_registered || session.known == map) return true;
  if (session.told != map.version) session.tellings = 0;
  if (session.tellings == kNewsTries) return true;
  session.told = map.version;
  ++session.tellings;
  send(session, {.id = RequestId(), .body = Changed{.map = map}});
  return session.tellings == kNewsTries;
}

// --- Time ---

void Server::Impl::expire(MonoTime now) {
  while (!due_.empty() && due_.begin()->first <= now) {
    const SessionId id = due_.begin()->second;
    end_session(id, now);
  }
  while (!spent_order_.empty() && spent_order_.front().first <= now) {
    spent_.erase(spent_order_.front().second);
    spent_order_.pop_front();
  }
  for (const auto& [name, cluster] : clusters_) {
    cluster->registry.expire(now);
    settle(*cluster, now);
    if (cluster->news_at <= now) send_news(*cluster, now);
  }
}

MonoTime Server::Impl::deadline() const {
  MonoTime first = MonoTime::never();
  if (!due_.empty()) first = std::min(first, due_.begin()->first);
  if (!spent_order_.empty()) first = std::min(first, spent_order_.front().first);
  for (const auto& [name, cluster] : clusters_)
    first = std::min({first, cluster->registry.deadline(), cluster->news_at});
  return first;
}

std::uint32_t Server::Impl::settling_seconds(MonoTime now) const {
  const MonoTime settled = *started_ + kMissedHeartbeats * settings_.heartbeat;
  return now >= settled ? 0 : static_cast<std::uint32_t>((settled - now) / 1s) + 1;
}

// --- Looking ---

void Server::Impl::report(Event event) {
  if (events_.size() == kMaxEvents) events_.pop_front();
  events_.push_back(std::move(event));
}

std::optional<Server::Event> Server::Impl::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Result<> Server::Impl::forget(std::string_view name, const IpAddress& address, MonoTime now) {
  State* cluster = find(name);
  if (cluster == nullptr) return Error{ErrorKind::kNotFound, "cluster: there is none of that name"};
  const auto holder = cluster->registry.forget(address);
  if (!holder) {
    return Error{ErrorKind::kNotFound, "address " + address.to_string() + ": nobody holds it"};
  }
  if (const auto session = cluster->sessions.find(*holder); session != cluster->sessions.end()) {
    end_session(session->second, now);
  }
  settle(*cluster, now);
  return {};
}

std::vector<Server::ClusterInfo> Server::Impl::clusters() const {
  std::vector<ClusterInfo> list;
  for (const auto& [name, cluster] : clusters_) {
    const Registry& registry = cluster->registry;
    list.push_back({.name = name,
                    .v4_range = registry.v4_range(),
                    .v6_range = registry.v6_range(),
                    .nodes = registry.map_count(),
                    .online = registry.online_count(),
                    .pins = registry.pin_count(),
                    .map = registry.cursor()});
  }
  return list;
}

std::vector<Server::Node> Server::Impl::nodes(MonoTime now) const {
  std::vector<Node> list;
  for (const auto& [name, cluster] : clusters_) {
    for (const netmap::Peer* record : cluster->registry.records()) {
      Node node{.cluster = name, .record = *record, .route = std::nullopt, .silent = std::nullopt};
      const auto session = cluster->sessions.find(record->key);
      if (session != cluster->sessions.end()) node.route = sessions_.at(session->second).route;
      if (const auto heard = cluster->registry.last_heard(record->key)) node.silent = now - *heard;
      list.push_back(std::move(node));
    }
  }
  return list;
}

Snapshot Server::Impl::snapshot() const {
  Snapshot snapshot{.clusters = unknown_};
  for (const auto& [name, cluster] : clusters_)
    snapshot.clusters.insert_or_assign(name, cluster->registry.snapshot());
  return snapshot;
}

void Server::Impl::restore(const Snapshot& snapshot, MonoTime now) {
  for (const auto& [name, cluster] : snapshot.clusters) {
    if (State* here = find(name)) {
      here->registry.restore(cluster, now);
      settle(*here, now);
    } else {
      unknown_.insert_or_assign(name, cluster);
    }
  }
}

std::uint64_t Server::Impl::changes(bool of_addresses) const {
  std::uint64_t sum = 0;
  for (const auto& [name, cluster] : clusters_) {
    const Registry& registry = cluster->registry;
    sum += of_addresses ? registry.address_changes() : registry.record_changes();
  }
  return sum;
}

// --- The front ---

Server::Server(Rng& rng, PrivateKey key, Settings settings)
    : impl_(std::make_unique<Impl>(rng, std::move(key), settings)) {}
Server::Server(Server&&) noexcept = default;
Server::~Server() = default;

IpPrefix Server::default_v4_range() {
  return IpPrefix::around(IpAddress::v4(10, 147, 0, 0), 16);
}

Result<> Server::add_cluster(Cluster cluster, MonoTime now) {
  return impl_->add_cluster(std::move(cluster), now);
}
Result<> Server::remove_cluster(std::string_view name, MonoTime now) {
  return impl_->remove_cluster(name, now);
}
Result<> Server::set_relays(std::string_view cluster, std::vector<netmap::Relay> relays,
                            MonoTime now) {
  return impl_->set_relays(cluster, std::move(relays), now);
}
void Server::feed(ByteView datagram, const Route& from, MonoTime now, WallTime wall) {
  impl_->feed(datagram, from, now, wall);
}
void Server::close_stream(std::uint64_t stream, MonoTime now) {
  impl_->close_stream(stream, now);
}
void Server::expire(MonoTime now) {
  impl_->expire(now);
}
MonoTime Server::deadline() const {
  return impl_->deadline();
}
std::optional<Transmit> Server::next_transmit() {
  return impl_->next_transmit();
}
std::optional<Server::Event> Server::next_event() {
  return impl_->next_event();
}
Result<> Server::forget(std::string_view cluster, const IpAddress& address, MonoTime now) {
  return impl_->forget(cluster, address, now);
}
PublicKey Server::public_key() const {
  return impl_->public_key();
}
std::vector<Server::ClusterInfo> Server::clusters() const {
  return impl_->clusters();
}
std::vector<Server::Node> Server::nodes(MonoTime now) const {
  return impl_->nodes(now);
}
const Server::Stats& Server::stats() const {
  return impl_->stats();
}
Snapshot Server::snapshot() const {
  return impl_->snapshot();
}
void Server::restore(const Snapshot& snapshot, MonoTime now) {
  impl_->restore(snapshot, now);
}
std::uint64_t Server::address_changes() const {
  return impl_->changes(true);
}
std::uint64_t Server::record_changes() const {
  return impl_->changes(false);
}

}  // namespace sinew::signal
