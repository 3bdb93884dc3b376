#include "signal/client.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/backoff.h"
#include "base/verify.h"
#include "signal/map_copy.h"
#include "signal/session.h"

namespace sinew::signal {
namespace {

constexpr Backoff::Limits kHandshakeDelays{.first = 2 * kFirstRetry, .ceiling = kMaxRetry};
constexpr Duration kRequestRetry = 400ms;  // doubling
constexpr Duration kLeaveRetry = 250ms;    // not doubling
constexpr unsigned kLeaveTries = 4;
constexpr unsigned kPunchTries = 3;
constexpr unsigned kProbeTries = 3;           // of UDP while a stream carries us
constexpr Duration kMinHandshakeGap = 500ms;  // whatever resets say
constexpr Duration kStreamWish = 30s;         // between two of them
constexpr std::size_t kMaxEvents = 256;       // the oldest are lost

// A request that waits for its answer.
struct Pending {
  RequestId id;
  Body body;
  MonoTime sent;
  MonoTime next;
  unsigned tries = 0;
};

struct Handshake {
  PrivateKey ephemeral;
  Random random{};
  bool is_probe = false;  // a session works meanwhile
  MonoTime started;
  MonoTime next;  // the next try
  unsigned tries = 0;
  Backoff backoff{kHandshakeDelays};
  // Once there was a WELCOME:
  std::optional<Opening> opening;
  Route route;
  PublicKey server;
};

struct Session {
  Channel channel;
  Route route;
  PublicKey server;
};

}  // namespace

class Client::Impl {
 public:
  Impl(Rng& rng, Config config)
      : rng_(rng), config_(std::move(config)), own_(config_.node.public_key()), copy_(own_) {
    config_.name = config_.name.substr(0, netmap::kMaxNameBytes);
  }

  void set_servers(std::vector<Endpoint> servers, MonoTime now);
  void set_stream(std::uint64_t stream, MonoTime now);
  void set_local(Local local, MonoTime now);
  void set_wanted(std::optional<IpAddress> v4, std::optional<IpAddress> v6, bool is_required,
                  bool replaces, MonoTime now);
  void network_changed(MonoTime now);
  void punch(const NodeKey& target, const std::vector<netmap::Candidate>& candidates, MonoTime now);
  void leave(MonoTime now);
  bool feed(ByteView datagram, const Route& from, MonoTime now);
  void expire(MonoTime now);
  MonoTime deadline() const;
  std::optional<Transmit> next_transmit();
  std::optional<Event> next_event();

  State state() const;
  const netmap::NetMap& map() const { return copy_.map(); }
  bool is_map_complete() const { return is_registered_ && copy_.is_complete() && !needs_pull(); }
  const std::optional<Refused>& last_refusal() const { return refusal_; }
  std::optional<Endpoint> observed() const { return observed_; }
  std::optional<Route> route() const {
    return session_ ? std::optional(session_->route) : std::nullopt;
  }
  std::optional<PublicKey> nucleus_key() const {
    return session_ ? std::optional(session_->server) : std::nullopt;
  }
  std::optional<Duration> round_trip() const { return round_trip_; }
  unsigned unanswered() const { return handshake_ ? handshake_->tries : 0; }

 private:
  std::vector<Route> routes() const;
  void begin_handshake(MonoTime now, bool is_probe);
  void try_handshake(MonoTime now);
  void give_up_hope();
  void wish_stream(MonoTime now);
  bool take_welcome(ByteView datagram, const Route& from, MonoTime now);
  bool take_data(ByteView datagram, const Route& from, MonoTime now);
  bool take_reset(ByteView datagram, MonoTime now);
  void lose_session(MonoTime now);

  RequestId next_id() { return RequestId(++last_id_ == 0 ? ++last_id_ : last_id_); }
  Register registration() const;
  void start_register(MonoTime now);
  void start(std::optional<Pending>& slot, Body body, MonoTime now);
  void send_try(Pending& pending, Duration delay, MonoTime now);
  bool retry(std::optional<Pending>& slot, MonoTime now);
  void retry_punches(MonoTime now);
  void finish_leave();
  bool answers(std::optional<Pending>& slot, RequestId id, MonoTime now);

  void take_message(Message message, MonoTime now);
  void handle(RequestId id, Registered& body, MonoTime now);
  void handle(RequestId id, HeartbeatAck& body, MonoTime now);
  void handle(RequestId id, Page& body, MonoTime now);
  void handle(RequestId id, Done& body, MonoTime now);
  void handle(RequestId id, Refused& body, MonoTime now);
  void handle(RequestId id, Changed& body, MonoTime now);
  void handle(RequestId id, PunchFrom& body, MonoTime now);
  template <typename Request>
  void handle(RequestId, Request&, MonoTime) {}  // what only nodes say

  void learn(const Cursor& there, const std::optional<Endpoint>& observed, MonoTime now);
  void see(const std::optional<Endpoint>& observed);
  bool needs_pull() const;
  void pull(MonoTime now);
  void report(Event event);
  void send(const Route& to, Bytes bytes) { out_.push_back({.to = to, .bytes = std::move(bytes)}); }

  Rng& rng_;
  Config config_;
  NodeKey own_;
  Local local_;
  std::vector<Endpoint> servers_;
  std::uint64_t stream_ = 0;
  std::size_t next_route_ = 0;

  std::optional<Handshake> handshake_;
  std::optional<MonoTime> last_begin_;
  std::optional<MonoTime> silent_since_;  // without a session
  MonoTime stream_wish_at_ = MonoTime::never();
  MonoTime probe_at_ = MonoTime::never();
  std::optional<Session> session_;

  std::uint32_t last_id_ = 0;
  std::optional<Pending> register_;
  std::optional<Pending> heartbeat_;
  std::optional<Pending> pull_;
  std::optional<Pending> leave_;
  std::deque<Pending> punches_;
  unsigned pages_left_ = 0;                // of the pull
  std::optional<std::uint64_t> pull_end_;  // its last page has come: where that ends
  MonoTime heartbeat_at_ = MonoTime::never();
  MonoTime register_at_ = MonoTime::never();
  Duration heartbeat_interval_ = 25s;

  MapCopy copy_;
  Cursor there_;  // where the nucleus' map stands
  bool is_registered_ = false;
  bool was_registered_ = false;
  bool is_lost_ = false;  // a LostEvent without a BackEvent
  bool is_left_ = false;
  bool was_complete_ = false;
  std::optional<Refused> refusal_;
  std::optional<Endpoint> observed_;
  std::optional<Duration> round_trip_;
  std::deque<Transmit> out_;
  std::deque<Event> events_;
};

// --- What the node says ---

void Client::Impl::set_servers(std::vector<Endpoint> servers, MonoTime now) {
  if (servers == servers_) return;
  servers_ = std::move(servers);
  next_route_ = 0;
  if (is_left_) return;
  if (!session_) begin_handshake(now, false);
}

void Client::Impl::set_stream(std::uint64_t stream, MonoTime now) {
  if (stream == stream_) return;
  stream_ = stream;
  next_route_ = 0;
  if (is_left_) return;
  if (session_ && !session_->route.is_udp()) return lose_session(now);
  if (!session_) begin_handshake(now, false);
}

void Client::Impl::set_local(Local local, MonoTime now) {
  local.candidates = fit_candidates(local.candidates);
  if (local == local_) return;
  local_ = std::move(local);
  if (session_ && (is_registered_ || register_)) start_register(now);
}

void Client::Impl::set_wanted(std::optional<IpAddress> v4, std::optional<IpAddress> v6,
                              bool is_required, bool replaces, MonoTime now) {
  config_.wanted_v4 = v4;
  config_.wanted_v6 = v6;
  config_.is_wanted_required = is_required;
  config_.replaces = replaces;
  if (session_) start_register(now);
}

void Client::Impl::network_changed(MonoTime now) {
  if (is_left_) return;
  if (handshake_ && !handshake_->is_probe) return begin_handshake(now, false);
  if (session_ && is_registered_) start(heartbeat_, Heartbeat{.known = copy_.cursor()}, now);
  if (session_ && !session_->route.is_udp()) probe_at_ = now;
}

void Client::Impl::punch(const NodeKey& target, const std::vector<netmap::Candidate>& candidates,
                         MonoTime now) {
  if (!session_ || !is_registered_) return;
  if (punches_.size() == kMaxPunches) punches_.pop_front();
  punches_.push_back({.id = next_id(),
                      .body = Punch{.target = target, .candidates = fit_candidates(candidates)},
                      .sent = now,
                      .next = now});
  send_try(punches_.back(), kRequestRetry, now);
}

void Client::Impl::leave(MonoTime now) {
  if (is_left_ || leave_) return;
  if (!session_) return finish_leave();
  leave_ = Pending{.id = next_id(), .body = Leave{}, .sent = now, .next = now};
  send_try(*leave_, kLeaveRetry, now);
}

void Client::Impl::finish_leave() {
  is_left_ = true;
  is_registered_ = false;
  session_.reset();
  handshake_.reset();
  leave_.reset();
  register_.reset();
  heartbeat_.reset();
  pull_.reset();
  punches_.clear();
  report(LeftEvent{});
}

// --- The handshake ---

// A stream first: it is there because UDP failed.
std::vector<Route> Client::Impl::routes() const {
  std::vector<Route> all;
  const bool only_udp = handshake_ && handshake_->is_probe;
  if (stream_ != 0 && !only_udp) all.push_back({.endpoint = {}, .stream = stream_});
  for (const Endpoint& server : servers_)
    all.push_back({.endpoint = server, .stream = 0});
  return all;
}

void Client::Impl::begin_handshake(MonoTime now, bool is_probe) {
  if (is_left_) return;
  const MonoTime earliest = last_begin_ ? *last_begin_ + kMinHandshakeGap : now;
  if (!silent_since_ && !session_) {
    silent_since_ = now;
    stream_wish_at_ = now + kUdpPatience;
  }
  handshake_.emplace(Handshake{.ephemeral = PrivateKey::generate(rng_),
                               .is_probe = is_probe,
                               .started = now,
                               .next = handshake_ ? now : std::max(now, earliest),
                               .opening = std::nullopt,
                               .route = {},
                               .server = {}});
  rng_.fill(handshake_->random);
  last_begin_ = handshake_->next;
  if (handshake_->next <= now) try_handshake(now);
}

void Client::Impl::try_handshake(MonoTime now) {
  Handshake& handshake = *handshake_;
  const std::vector<Route> all = routes();
  if (all.empty()) {
    handshake.next = MonoTime::never();
    return;
  }
  if (handshake.is_probe && handshake.tries >= kProbeTries) {
    handshake_.reset();
    probe_at_ = now + kUdpRetry;
    return;
  }
  if (handshake.opening && handshake.tries >= kRequestTries) {
    return begin_handshake(now, handshake.is_probe);
  }
  ++handshake.tries;
  if (!handshake.is_probe && handshake.tries == kRequestTries) give_up_hope();
  handshake.next = now + handshake.backoff.next_delay(rng_);
  if (handshake.opening) return send(handshake.route, handshake.opening->datagram);
  const Hello hello{.flags = config_.is_sealed ? std::uint8_t{0} : kClear,
                    .tag = config_.key.tag(),
                    .ephemeral = handshake.ephemeral.public_key(),
                    .random = handshake.random};
  send(all[next_route_++ % all.size()], hello.encode(config_.key));
}

// Nobody has answered for so long that the node should know.
void Client::Impl::give_up_hope() {
  if (!std::exchange(was_registered_, false)) return;
  is_lost_ = true;
  report(LostEvent{});
}

void Client::Impl::wish_stream(MonoTime now) {
  if (now < stream_wish_at_) return;
  stream_wish_at_ = now + kStreamWish;
  if (!session_ && stream_ == 0) report(WantStreamEvent{});
}

bool Client::Impl::take_welcome(ByteView datagram, const Route& from, MonoTime now) {
  if (!handshake_ || handshake_->opening) return false;
  Handshake& handshake = *handshake_;
  const Welcome welcome = Welcome::decode(datagram);
  if (welcome.random != handshake.random) return false;
  if (!Welcome::is_authentic(datagram, config_.key, handshake.ephemeral.public_key())) return false;
  if (config_.nucleus_key && *config_.nucleus_key != welcome.server) return false;
  const Message first{.id = next_id(), .body = registration()};
  auto opening = seal_open(config_.key, config_.node, handshake.ephemeral, welcome.server,
                           welcome.cookie, config_.is_sealed ? 0 : kClear, encode(first));
  if (!opening) return false;
  // The OPEN carries the registration; further tries of it are the handshake's.
  handshake.opening = std::move(opening);
  handshake.route = from;
  handshake.server = welcome.server;
  handshake.tries = 0;
  handshake.backoff.reset();
  register_ = Pending{.id = first.id, .body = first.body, .sent = now, .next = MonoTime::never()};
  try_handshake(now);
  return true;
}

bool Client::Impl::take_data(ByteView datagram, const Route& from, MonoTime now) {
  const DataHead head = DataHead::decode(datagram);
  const bool is_new =
      handshake_ && handshake_->opening && handshake_->opening->channel.id() == head.session;
  const bool is_current = session_ && session_->channel.id() == head.session;
  if (!is_new && !is_current) return false;
  Channel& channel = is_new ? handshake_->opening->channel : session_->channel;
  Bytes bytes;
  if (channel.open(datagram, bytes) != Channel::Verdict::kNew) return false;
  if (is_new) {
    session_.emplace(Session{
        .channel = std::move(channel), .route = handshake_->route, .server = handshake_->server});
    handshake_.reset();
    silent_since_.reset();
    stream_wish_at_ = MonoTime::never();
    probe_at_ = session_->route.is_udp() ? MonoTime::never() : now + kUdpRetry;
    heartbeat_.reset();
    pull_.reset();
  } else if (session_->channel.was_newest(head.counter) &&
             from.is_udp() == session_->route.is_udp()) {
    session_->route = from;
  }
  auto message = decode(bytes);
  if (message) take_message(*std::move(message), now);
  // Something else came first: the answer to the registration may be lost.
  if (is_new && session_ && register_ && register_->next == MonoTime::never()) {
    register_->tries = 1;
    register_->next = now + kRequestRetry;
  }
  return true;
}

bool Client::Impl::take_reset(ByteView datagram, MonoTime now) {
  const Reset reset = Reset::decode(datagram);
  if (!session_ || session_->channel.id() != reset.session) return false;
  if (reset.counter >= session_->channel.sent()) return false;
  if (!Reset::is_authentic(datagram, config_.key, session_->server)) return false;
  // Our own new session has ended it there; its first answer is on the way.
  if (handshake_ && handshake_->opening) return true;
  if (leave_) {
    finish_leave();  // a nucleus that does not know us has nothing to forget
    return true;
  }
  lose_session(now);
  return true;
}

// The map stays: it is the last word that there was.
void Client::Impl::lose_session(MonoTime now) {
  session_.reset();
  register_.reset();
  heartbeat_.reset();
  pull_.reset();
  punches_.clear();
  heartbeat_at_ = MonoTime::never();
  register_at_ = MonoTime::never();
  probe_at_ = MonoTime::never();
  is_registered_ = false;
  begin_handshake(now, false);
}

bool Client::Impl::feed(ByteView datagram, const Route& from, MonoTime now) {
  if (is_left_) return false;
  switch (kind_of(datagram)) {
    case Kind::kWelcome: return take_welcome(datagram, from, now);
    case Kind::kData: return take_data(datagram, from, now);
    case Kind::kReset: return take_reset(datagram, now);
    case Kind::kHello:
    case Kind::kOpen:
    case Kind::kInvalid: break;
  }
  return false;
}

// --- Requests ---

Register Client::Impl::registration() const {
  Register body{.disco = config_.disco,
                .name = config_.name,
                .wanted_v4 = config_.wanted_v4,
                .wanted_v6 = config_.wanted_v6,
                .is_wanted_required = config_.is_wanted_required,
                .replaces = config_.replaces,
                .candidates = local_.candidates,
                .home = local_.home,
                .connectivity = local_.connectivity};
  // What we had is what we like to have again.
  if (!body.wanted_v4) body.wanted_v4 = map().self.v4;
  if (!body.wanted_v6 && !config_.is_wanted_required) body.wanted_v6 = map().self.v6;
  return body;
}

void Client::Impl::start_register(MonoTime now) {
  register_at_ = MonoTime::never();
  start(register_, registration(), now);
}

void Client::Impl::start(std::optional<Pending>& slot, Body body, MonoTime now) {
  slot = Pending{.id = next_id(), .body = std::move(body), .sent = now, .next = now};
  send_try(*slot, kRequestRetry, now);
}

void Client::Impl::send_try(Pending& pending, Duration delay, MonoTime now) {
  ++pending.tries;
  pending.sent = now;
  pending.next = now + delay;
  send(session_->route, session_->channel.seal(encode({.id = pending.id, .body = pending.body})));
}

// False when nobody answers.
bool Client::Impl::retry(std::optional<Pending>& slot, MonoTime now) {
  if (!slot || slot->next > now) return true;
  if (slot->tries >= kRequestTries) return false;
  send_try(*slot, kRequestRetry * (1 << slot->tries), now);
  return true;
}

void Client::Impl::retry_punches(MonoTime now) {
  std::erase_if(punches_, [now](const Pending& punch) {
    return punch.next <= now && punch.tries >= kPunchTries;
  });
  for (Pending& punch : punches_)
    if (punch.next <= now) send_try(punch, kRequestRetry, now);
}

bool Client::Impl::answers(std::optional<Pending>& slot, RequestId id, MonoTime now) {
  if (!slot || slot->id != id) return false;
  // Of several tries nobody knows which was answered.
  if (slot->tries == 1) round_trip_ = now - slot->sent;
  slot.reset();
  return true;
}

// --- Answers ---

void Client::Impl::take_message(Message message, MonoTime now) {
  std::visit([&](auto& body) { handle(message.id, body, now); }, message.body);
}

void Client::Impl::handle(RequestId id, Registered& body, MonoTime now) {
  if (!answers(register_, id, now)) return;
  const bool is_news = !is_registered_ || map().self != body.self;
  is_registered_ = true;
  refusal_.reset();
  heartbeat_interval_ = std::chrono::seconds(body.heartbeat_seconds);
  copy_.map().self = body.self;
  copy_.set_settled(now + std::chrono::seconds(body.settling_seconds));
  if (std::exchange(is_lost_, false)) report(BackEvent{});
  if (is_news) report(RegisteredEvent{.self = body.self, .observed = body.observed});
  was_registered_ = true;
  if (body.observed) observed_ = body.observed;
  learn(body.map, body.observed, now);
}

void Client::Impl::handle(RequestId id, HeartbeatAck& body, MonoTime now) {
  if (answers(heartbeat_, id, now)) learn(body.map, body.observed, now);
}

void Client::Impl::handle(RequestId id, Changed& body, MonoTime now) {
  if (id == RequestId() && is_registered_) learn(body.map, std::nullopt, now);
}

void Client::Impl::handle(RequestId id, Page& body, MonoTime now) {
  const bool is_asked = pull_ && pull_->id == id;
  const Cursor beginning{.epoch = body.epoch, .version = 0};
  const bool may_restart = is_asked && std::get<Pull>(pull_->body).after != beginning;
  if (is_asked && !body.has_more) pull_end_ = body.to;
  const bool got_further = copy_.take(std::move(body), may_restart);
  if (!is_asked) return;
  if (pull_->tries == 1 && pages_left_ == kMaxPullPages) round_trip_ = now - pull_->sent;
  if (pages_left_ > 0) --pages_left_;
  if (got_further) {
    pull_->tries = 1;  // it is being answered
    pull_->next = now + kRequestRetry;
  }
  // The end of what was asked for has been reached, not merely of what was there before.
  const bool is_over = pull_end_ && copy_.cursor().version >= *pull_end_;
  if (pages_left_ > 0 && !is_over) return;
  pull_.reset();
  if (needs_pull()) pull(now);
}

void Client::Impl::handle(RequestId id, Done&, MonoTime now) {
  if (answers(leave_, id, now)) return finish_leave();
  std::erase_if(punches_, [id](const Pending& punch) { return punch.id == id; });
}

void Client::Impl::handle(RequestId id, Refused& body, MonoTime now) {
  std::erase_if(punches_, [id](const Pending& punch) { return punch.id == id; });
  if (answers(leave_, id, now)) return finish_leave();
  if (answers(register_, id, now)) {
    is_registered_ = false;
    heartbeat_at_ = MonoTime::never();
    register_at_ = now + kRefusedRetry;
    if (refusal_ != body) report(RefusedEvent{.refused = body});
    refusal_ = std::move(body);
    return;
  }
  if (answers(heartbeat_, id, now) || answers(pull_, id, now)) {
    if (body.code == RefusalCode::kMoved && !handshake_) begin_handshake(now, true);
    if (body.code == RefusalCode::kNotRegistered && !register_) start_register(now);
  }
}

void Client::Impl::handle(RequestId id, PunchFrom& body, MonoTime) {
  if (id != RequestId() || body.peer == own_) return;
  report(PunchEvent{.peer = body.peer, .candidates = std::move(body.candidates)});
}

void Client::Impl::learn(const Cursor& there, const std::optional<Endpoint>& observed,
                         MonoTime now) {
  there_ = there;
  heartbeat_at_ = now + heartbeat_interval_;
  see(observed);
  if (needs_pull() && !pull_) pull(now);
}

void Client::Impl::see(const std::optional<Endpoint>& observed) {
  if (!observed || observed == observed_) return;
  observed_ = observed;
  report(ObservedEvent{.endpoint = *observed});
}

bool Client::Impl::needs_pull() const {
  return copy_.cursor().epoch != there_.epoch || copy_.cursor().version < there_.version;
}

void Client::Impl::pull(MonoTime now) {
  pages_left_ = kMaxPullPages;
  pull_end_.reset();
  start(pull_, Pull{.after = copy_.cursor(), .pages = kMaxPullPages}, now);
}

// --- Time ---

void Client::Impl::expire(MonoTime now) {
  if (is_left_) return;
  if (leave_ && leave_->next <= now) {
    if (leave_->tries >= kLeaveTries) return finish_leave();
    send_try(*leave_, kLeaveRetry, now);
  }
  if (session_) {
    const bool is_answered = retry(register_, now) && retry(heartbeat_, now);
    if (!is_answered) {
      give_up_hope();
      return lose_session(now);
    }
    if (pull_ && pull_->next <= now) {
      // What is missing is asked for anew, from where the copy stands.
      const unsigned tries = pull_->tries;
      if (tries >= kRequestTries) {
        pull_.reset();
        start(heartbeat_, Heartbeat{.known = copy_.cursor()}, now);
      } else {
        pull(now);
        pull_->tries = tries + 1;
        pull_->next = now + kRequestRetry * std::min(tries, 2U);
      }
    }
    retry_punches(now);
    if (heartbeat_at_ <= now) {
      heartbeat_at_ = now + heartbeat_interval_;
      if (is_registered_ && !heartbeat_) {
        start(heartbeat_, Heartbeat{.known = copy_.cursor()}, now);
      }
    }
    if (register_at_ <= now && !register_) start_register(now);
    if (probe_at_ <= now && !handshake_) begin_handshake(now, true);
  }
  if (handshake_ && handshake_->next <= now) try_handshake(now);
  wish_stream(now);
  copy_.expire(now);
}

MonoTime Client::Impl::deadline() const {
  if (is_left_) return MonoTime::never();
  MonoTime first = std::min(copy_.deadline(), stream_wish_at_);
  if (handshake_) first = std::min(first, handshake_->next);
  if (!session_) return first;
  for (const auto* slot : {&register_, &heartbeat_, &pull_, &leave_})
    if (*slot) first = std::min(first, (*slot)->next);
  for (const Pending& punch : punches_)
    first = std::min(first, punch.next);
  first = std::min({first, heartbeat_at_, register_at_});
  return handshake_ ? first : std::min(first, probe_at_);
}

// --- Coming out ---

std::optional<Transmit> Client::Impl::next_transmit() {
  if (out_.empty()) return std::nullopt;
  Transmit transmit = std::move(out_.front());
  out_.pop_front();
  return transmit;
}

void Client::Impl::report(Event event) {
  if (events_.size() == kMaxEvents) events_.pop_front();
  events_.push_back(std::move(event));
}

std::optional<Client::Event> Client::Impl::next_event() {
  if (!events_.empty()) {
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  MapCopy::Changes changes = copy_.take_changes();
  const bool is_complete = is_map_complete();
  const bool became_complete = is_complete && !was_complete_;
  was_complete_ = is_complete;
  if (changes.is_empty() && !became_complete) return std::nullopt;
  return MapChangedEvent{.changed = {changes.changed.begin(), changes.changed.end()},
                         .removed = {changes.removed.begin(), changes.removed.end()},
                         .have_relays_changed = changes.have_relays_changed,
                         .is_complete = is_complete};
}

Client::State Client::Impl::state() const {
  if (is_left_) return State::kLeft;
  if (is_registered_) return State::kRegistered;
  if (refusal_) return State::kRefused;
  if (session_) return State::kRegistering;
  return handshake_ && handshake_->opening ? State::kOpening : State::kSilent;
}

// --- The front ---

Client::Client(Rng& rng, Config config) : impl_(std::make_unique<Impl>(rng, std::move(config))) {}
Client::Client(Client&&) noexcept = default;
Client::~Client() = default;

void Client::set_servers(std::vector<Endpoint> servers, MonoTime now) {
  impl_->set_servers(std::move(servers), now);
}
void Client::set_stream(std::uint64_t stream, MonoTime now) {
  impl_->set_stream(stream, now);
}
void Client::set_local(Local local, MonoTime now) {
  impl_->set_local(std::move(local), now);
}
void Client::set_wanted(std::optional<IpAddress> v4, std::optional<IpAddress> v6, bool is_required,
                        bool replaces, MonoTime now) {
  impl_->set_wanted(v4, v6, is_required, replaces, now);
}
void Client::network_changed(MonoTime now) {
  impl_->network_changed(now);
}
void Client::punch(const NodeKey& target, const std::vector<netmap::Candidate>& candidates,
                   MonoTime now) {
  impl_->punch(target, candidates, now);
}
void Client::leave(MonoTime now) {
  impl_->leave(now);
}
bool Client::feed(ByteView datagram, const Route& from, MonoTime now) {
  return impl_->feed(datagram, from, now);
}
void Client::expire(MonoTime now) {
  impl_->expire(now);
}
MonoTime Client::deadline() const {
  return impl_->deadline();
}
std::optional<Transmit> Client::next_transmit() {
  return impl_->next_transmit();
}
std::optional<Client::Event> Client::next_event() {
  return impl_->next_event();
}
Client::State Client::state() const {
  return impl_->state();
}
const netmap::NetMap& Client::map() const {
  return impl_->map();
}
bool Client::is_map_complete() const {
  return impl_->is_map_complete();
}
const std::optional<Refused>& Client::last_refusal() const {
  return impl_->last_refusal();
}
std::optional<Endpoint> Client::observed() const {
  return impl_->observed();
}
std::optional<Route> Client::route() const {
  return impl_->route();
}
std::optional<PublicKey> Client::nucleus_key() const {
  return impl_->nucleus_key();
}
std::optional<Duration> Client::round_trip() const {
  return impl_->round_trip();
}
unsigned Client::unanswered() const {
  return impl_->unanswered();
}

std::string_view name_of(Client::State state) {
  switch (state) {
    case Client::State::kSilent: return "silent";
    case Client::State::kOpening: return "opening";
    case Client::State::kRegistering: return "registering";
    case Client::State::kRegistered: return "registered";
    case Client::State::kRefused: return "refused";
    case Client::State::kLeft: return "left";
  }
  VERIFY_NOT_REACHED();
}

}  // namespace sinew::signal
