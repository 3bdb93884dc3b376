#include "relay/server.h"

#include <algorithm>

#include "base/verify.h"
#include "relay/connection.h"

namespace sinew::relay {
namespace {

constexpr std::string_view kTwinText =
    "Another connection uses the same key: packets go to the one that wrote last.";
constexpr std::uint64_t kKeepAliveJitterMs = 4'000;

}  // namespace

Switchboard::Switchboard(crypto::X25519PrivateKey key, Admission admission, const Limits& limits,
                         Rng& rng)
    : key_(std::move(key)),
      public_key_(key_.public_key()),
      admission_(std::move(admission)),
      limits_(limits),
      rng_(rng),
      queued_{.now = 0, .most = limits.total_queue_bytes},
      udp_(rng) {}

Switchboard::~Switchboard() = default;

bool Switchboard::open(ConnectionId id, MonoTime now) {
  if (strangers_ >= limits_.strangers) return false;
  const auto [place, is_new] =
      connections_.emplace(id, std::make_unique<Connection>(id, limits_, &queued_, now));
  VERIFY(is_new);
  ++strangers_;
  Connection& connection = *place->second;
  schedule(connection, now + kLoginTimeout);
  send_control(connection, FrameType::kServerKey, {kMagic, public_key_.bytes()});
  return true;
}

void Switchboard::feed(ConnectionId id, ByteView bytes, MonoTime now) {
  Connection* const from = find(id);
  if (from == nullptr) return;
  const bool is_fine =
      from->reader.feed(bytes, [&](const Frame& frame) { return take_frame(*from, frame, now); });
  if (!is_fine) end(*from, Reason::kBadFrames);
  reap();
}

void Switchboard::close(ConnectionId id) {
  if (Connection* const connection = find(id)) forget(*connection);
}

void Switchboard::expire(MonoTime now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Connection& connection = *find(deadlines_.begin()->second);
    if (!connection.is_client) {
      end(connection, Reason::kLoginTimeout);
      continue;
    }
    send_control(connection, FrameType::kKeepAlive, {});
    schedule_keep_alive(connection, now);
  }
  reap();
}

MonoTime Switchboard::deadline() const {
  return deadlines_.empty() ? MonoTime::never() : deadlines_.begin()->first;
}

std::optional<ConnectionId> Switchboard::next_ready() {
  while (!ready_.empty()) {
    const ConnectionId id = ready_.front();
    ready_.pop_front();
    Connection* const connection = find(id);
    if (connection == nullptr) continue;
    connection->is_ready = false;
    return id;
  }
  return std::nullopt;
}

std::optional<Switchboard::Closing> Switchboard::next_closing() {
  if (closing_.empty()) return std::nullopt;
  const Closing closing = closing_.front();
  closing_.pop_front();
  return closing;
}

bool Switchboard::has_output(ConnectionId id) const {
  const Connection* const connection = find(id);
  return connection != nullptr && (!connection->control.empty() || !connection->queue.is_empty());
}

void Switchboard::take_output(ConnectionId id, Bytes& out, std::size_t most) {
  Connection* const connection = find(id);
  if (connection == nullptr) return;
  const Bytes control = std::exchange(connection->control, {});
  out.insert(out.end(), control.begin(), control.end());
  connection->queue.take(out, most);
}

void Switchboard::set_admission(Admission admission) {
  admission_ = std::move(admission);
  for (const auto& [id, connection] : connections_) {
    const bool is_admitted =
        !connection->is_client ||
        admission_.still_admits(connection->address.key, connection->address.group);
    if (!is_admitted) end(*connection, Reason::kNotAdmitted);
  }
  reap();
}

void Switchboard::announce_restart(Duration reconnect_in, Duration try_for) {
  std::array<std::uint8_t, 8> times;
  store_be(times.data(), static_cast<std::uint32_t>(reconnect_in / 1ms));
  store_be(times.data() + 4, static_cast<std::uint32_t>(try_for / 1ms));
  for (const auto& [id, connection] : connections_) {
    if (connection->is_client) send_control(*connection, FrameType::kRestarting, {times});
  }
}

Switchboard::Counters Switchboard::counters() const {
  Counters counters = counters_;
  counters.strangers = strangers_;
  counters.udp_sessions = udp_.size();
  counters.queued_bytes = queued_.now;
  return counters;
}

Switchboard::Connection* Switchboard::find(ConnectionId id) const {
  const auto found = connections_.find(id);
  return found == connections_.end() ? nullptr : found->second.get();
}

bool Switchboard::take_frame(Connection& from, const Frame& frame, MonoTime now) {
  switch (frame.type) {
    case FrameType::kForwardPacket:
    case FrameType::kWatchConnections:
    case FrameType::kClosePeer: return refuse(from, Reason::kMeshFrame);
    case FrameType::kClientInfo:
      return from.is_client ? refuse(from, Reason::kBadFrames) : take_login(from, frame, now);
    default:
      if (!from.is_client) return refuse(from, Reason::kBadFrames);
      return take_client_frame(from, frame, now);
  }
}

bool Switchboard::take_login(Connection& from, const Frame& frame, MonoTime now) {
  ByteReader reader(frame.payload);
  const NodeKey key(reader.array<kKeySize>());
  const ByteView sealed = reader.rest();
  const std::optional<crypto::BoxKey> box =
      reader.failed() ? std::nullopt : crypto::BoxKey::between(key_, key);
  if (!box) return refuse(from, Reason::kBadFrames);
  const std::optional<std::string> text = open_info(*box, sealed);
  if (!text) return refuse(from, Reason::kBadFrames);
  const Result<ClientInfo> info = parse_client_info(*text);
  if (!info) return refuse(from, Reason::kBadFrames);
  const std::optional<GroupId> group = admission_.admit(key, public_key_, info->proof);
  if (!group) return refuse(from, Reason::kNotAdmitted);
  if (counters_.clients >= limits_.clients) return refuse(from, Reason::kTooMany);
  const ServerInfo own{.bytes_per_second = limits_.bytes_per_second,
                       .burst_bytes = limits_.burst_bytes};
  send_control(from, FrameType::kServerInfo, {seal_info(*box, to_json(own), rng_)});
  admit(from, {.group = *group, .key = key}, now);
  return true;
}

void Switchboard::admit(Connection& connection, const Address& address, MonoTime now) {
  connection.is_client = true;
  connection.address = address;
  // Numbers of clients that have gone are not given again before all others were.
  do {
    connection.number = ClientNumber(++last_number_);
  } while (connection.number == ClientNumber() || numbers_.contains(connection.number));
  numbers_.emplace(connection.number, &connection);
  --strangers_;
  ++counters_.clients;
  ++counters_.logins;
  schedule_keep_alive(connection, now);
  join_twins(connection);
}

void Switchboard::join_twins(Connection& connection) {
  Twins& twins = clients_[connection.address];
  twins.push_back(&connection);
  if (twins.size() == 1) return;
  connection.has_twins = true;
  send_control(connection, FrameType::kHealth, {as_bytes(kTwinText)});
  if (twins.size() == 2) {
    twins.front()->has_twins = true;
    send_control(*twins.front(), FrameType::kHealth, {as_bytes(kTwinText)});
  }
  if (twins.size() > kMaxTwins) end(*twins.front(), Reason::kTooMany);
}

void Switchboard::leave_twins(Connection& connection) {
  const auto found = clients_.find(connection.address);
  Twins& twins = found->second;
  std::erase(twins, &connection);
  if (twins.empty()) {
    clients_.erase(found);
    return tell_watchers(connection);
  }
  // Who waits for news of this key now waits for the twin's end.
  for (const ClientNumber watcher : connection.watchers) {
    if (twins.back()->watchers.size() < kMaxWatchers) twins.back()->watchers.insert(watcher);
  }
  if (twins.size() > 1) return;
  twins.front()->has_twins = false;
  send_control(*twins.front(), FrameType::kHealth, {});
}

void Switchboard::make_active(Connection& connection) {
  if (!connection.has_twins) return;
  Twins& twins = clients_.at(connection.address);
  const auto place = std::ranges::find(twins, &connection);
  std::rotate(place, place + 1, twins.end());
}

bool Switchboard::refuse(Connection& connection, Reason reason) {
  end(connection, reason);
  return false;
}

void Switchboard::end(Connection& connection, Reason reason) {
  if (connection.is_ending) return;
  connection.is_ending = true;
  if (!connection.is_client) ++counters_.refused_logins;
  schedule(connection, MonoTime::never());
  closing_.push_back({.id = connection.id, .reason = reason});
  ending_.push_back(&connection);
}

// A connection may be ended by what another one sends, while its own frames are being read, or
// while all are walked through; it disappears when nobody looks at it any more.
void Switchboard::reap() {
  while (!ending_.empty()) {
    Connection* const connection = ending_.back();
    ending_.pop_back();
    forget(*connection);
  }
}

void Switchboard::forget(Connection& connection) {
  schedule(connection, MonoTime::never());
  if (connection.udp) udp_.close(*connection.udp);
  if (connection.is_client) {
    numbers_.erase(connection.number);
    leave_twins(connection);
    --counters_.clients;
    if (connection.is_home) --counters_.home_clients;
  } else {
    --strangers_;
  }
  connections_.erase(connection.id);
}

void Switchboard::tell_watchers(const Connection& gone) {
  const auto reason = static_cast<std::uint8_t>(GoneReason::kDisconnected);
  for (const ClientNumber number : gone.watchers) {
    const auto watcher = numbers_.find(number);
    if (watcher == numbers_.end()) continue;
    send_control(*watcher->second, FrameType::kPeerGone, {gone.address.key.bytes(), {&reason, 1}});
  }
}

void Switchboard::send_control(Connection& to, FrameType type,
                               std::initializer_list<ByteView> parts) {
  if (to.is_ending) return;
  if (to.control.size() >= limits_.control_bytes) {
    ++counters_.dropped_answers;
    return;
  }
  append_frame(to.control, type, parts);
  mark_ready(to);
}

void Switchboard::mark_ready(Connection& connection) {
  if (connection.is_ready) return;
  connection.is_ready = true;
  ready_.push_back(connection.id);
}

void Switchboard::schedule(Connection& connection, MonoTime at) {
  if (connection.due != MonoTime::never()) deadlines_.erase({connection.due, connection.id});
  connection.due = at;
  if (at != MonoTime::never()) deadlines_.emplace(at, connection.id);
}

// Not all at once, although all may have come at once.
void Switchboard::schedule_keep_alive(Connection& connection, MonoTime now) {
  const std::chrono::milliseconds jitter(rng_.below(kKeepAliveJitterMs));
  schedule(connection, now + kKeepAliveInterval - jitter);
}

}  // namespace sinew::relay
