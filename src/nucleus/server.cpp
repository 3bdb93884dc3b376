#include "nucleus/server.h"

#include <algorithm>
#include <array>
#include <utility>

#include "aio/time.h"
#include "base/encoding.h"
#include "stun/message.h"

#include "os/socket.h"

namespace sinew::nucleus {
namespace {

constexpr std::uint8_t kRelayFirstByte = 0xE1;
constexpr std::size_t kReceiveRoom = 2048;    // bytes; all that is ours is shorter
constexpr std::size_t kMaxOutgoing = 65'536;  // datagrams; more are dropped, as a full wire would
constexpr Duration kLongestSleep = 5min;

std::string_view message_of(signal::Server::Event::Kind kind) {
  using Kind = signal::Server::Event::Kind;
  switch (kind) {
    case Kind::kJoined: return "node joined";
    case Kind::kBack: return "node back";
    case Kind::kMoved: return "node moved";
    case Kind::kOffline: return "node offline";
    case Kind::kLeft: return "node left";
    case Kind::kRemoved: return "node removed";
    case Kind::kRefused: return "node refused";
  }
  return "node";
}

}  // namespace

Result<std::unique_ptr<Server>> Server::open(aio::Runtime& runtime, Rng& rng, Options options,
                                             Log log) {
  auto state = TRY(StateFile::open(options.state_directory, log));
  auto key = TRY(state.load_or_make_key(rng));
  os::Fd socket = TRY(os::bind_udp(options.listen));
  os::Fd shared = TRY(socket.duplicate());
  auto first = TRY(aio::Datagram::adopt(runtime, std::move(socket)));
  Endpoint beside = options.listen;
  beside.port = options.second_port;
  if (beside.port == 0 && options.listen.port != 0) {
    beside.port = static_cast<std::uint16_t>(options.listen.port + 1);
  }
  auto second = TRY(aio::Datagram::bind(runtime, beside));
  std::unique_ptr<Server> server(new Server(runtime, rng, std::move(key), std::move(options),
                                            std::move(state), std::move(first), std::move(second),
                                            log));
  server->shared_ = std::move(shared);
  for (std::size_t i = 0; i < server->sockets_.size(); ++i)
    server->ports_[i] = TRY(server->sockets_[i].local()).port;
  server->protocol_.restore(server->state_.load(), server->now());
  for (ClusterOptions& cluster : std::exchange(server->options_.clusters, {}))
    TRY(server->add_cluster(std::move(cluster)));
  return server;
}

Server::Server(aio::Runtime& runtime, Rng& rng, crypto::X25519PrivateKey key, Options options,
               StateFile state, aio::Datagram first, aio::Datagram second, Log log)
    : runtime_(runtime),
      rng_(rng),
      options_(std::move(options)),
      log_(log),
      state_(std::move(state)),
      protocol_(rng_, std::move(key), options_.settings),
      stun_(rng_),
      has_output_(runtime),
      has_deadline_(runtime) {
  sockets_.push_back(std::move(first));
  sockets_.push_back(std::move(second));
}

Server::~Server() = default;

// --- Running ---

aio::Task<Result<>> Server::run() {
  aio::TaskGroup tasks(runtime_);
  tasks.start("nucleus receive", receive(0));
  tasks.start("nucleus receive", receive(1));
  tasks.start("nucleus send", send());
  tasks.start("nucleus time", keep_time());
  log_.info("nucleus started", {{"port", ports_[0]}, {"key", to_base64(public_key().bytes())}});
  co_await tasks.wait_empty();
  if (failure_) co_return *failure_;
  co_return aio::cancelled();
}

Result<> Server::stop() {
  for (aio::Datagram& socket : sockets_)
    socket.close();
  return save();
}

// A broken socket ends all of them.
void Server::fail(const Error& error) {
  const bool is_first = !failure_;
  if (is_first) failure_ = error;
  for (aio::Datagram& socket : sockets_)
    socket.close();
  has_output_.notify();
  has_deadline_.notify();
}

aio::Task<> Server::receive(std::size_t socket) {
  std::array<std::uint8_t, kReceiveRoom> room;
  for (;;) {
    const Result<aio::Datagram::Received> received = co_await sockets_[socket].receive_from(room);
    const bool is_cancelled = co_await aio::is_cancelled();
    if (is_cancelled || failure_) co_return;
    if (!received) {
      fail(received.error());
      co_return;
    }
    take(socket, ByteView(room).first(received->size), received->from);
  }
}

aio::Task<> Server::send() {
  for (;;) {
    while (out_.empty()) {
      const Result<> waited = co_await has_output_.wait();
      if (!waited || failure_) co_return;
    }
    const Outgoing next = std::move(out_.front());
    out_.pop_front();
    // What cannot be sent is lost, as on the way; a socket that is broken ends the receiver.
    const Result<> sent = co_await sockets_[next.socket].send_to(next.to, next.bytes);
    const bool is_cancelled = co_await aio::is_cancelled();
    if (is_cancelled || failure_) co_return;
    if (!sent) ++unsent_;
  }
}

aio::Task<> Server::keep_time() {
  for (;;) {
    woken_for_ = next_deadline();
    const Duration rest = std::clamp(woken_for_ - now(), Duration::zero(), Duration(kLongestSleep));
    if (rest > Duration::zero()) {
      const Result<> woken = co_await aio::with_timeout(has_deadline_.wait(), rest);
      static_cast<void>(woken);  // either way it is time to look
    }
    const bool is_cancelled = co_await aio::is_cancelled();
    if (is_cancelled || failure_) co_return;
    protocol_.expire(now());
    flush();
    save_if_due();
    co_await aio::yield();
  }
}

MonoTime Server::next_deadline() const {
  return std::min(protocol_.deadline(), save_at_);
}

// --- Datagrams ---

void Server::take(std::size_t socket, ByteView datagram, const Endpoint& from) {
  if (stun::is_stun(datagram)) return answer_stun(socket, datagram, from);
  // The second port is for STUN alone: an answer from there would come from another address.
  if (socket != 0 || datagram.empty()) return;
  if (datagram[0] == kRelayFirstByte && options_.datagrams != nullptr) {
    return options_.datagrams->take(datagram, from);
  }
  if (!signal::is_signal(datagram)) return;
  protocol_.feed(datagram, {.endpoint = from, .stream = 0}, now(), runtime_.clock().wall_now());
  flush();
}

void Server::answer_stun(std::size_t socket, ByteView request, const Endpoint& from) {
  const IpAddress here = from.address.is_v4() ? IpAddress::any_v4() : IpAddress::any_v6();
  const stun::Responder::Addresses mine{.asked = {.address = here, .port = ports_[socket]},
                                        .other_port = ports_[1 - socket]};
  const auto reply = stun_.respond(request, from, mine, now());
  if (!reply) return;
  const ByteView bytes = reply->bytes();
  enqueue(reply->from_other_port ? 1 - socket : socket, from, Bytes(bytes.begin(), bytes.end()));
}

void Server::send_datagram(const Endpoint& to, ByteView datagram) {
  enqueue(0, to, Bytes(datagram.begin(), datagram.end()));
}

void Server::enqueue(std::size_t socket, const Endpoint& to, Bytes bytes) {
  if (out_.size() >= kMaxOutgoing) {
    ++unsent_;
    return;
  }
  out_.push_back({.socket = socket, .to = to, .bytes = std::move(bytes)});
  has_output_.notify();
}

// What the protocol has to say, after anything that was said to it.
void Server::flush() {
  while (auto transmit = protocol_.next_transmit()) {
    if (transmit->to.is_udp()) {
      enqueue(0, transmit->to.endpoint, std::move(transmit->bytes));
    } else if (streams_.contains(transmit->to.stream)) {
      options_.streams->send(transmit->to.stream, signal::frame(transmit->bytes));
    }
  }
  while (const auto event = protocol_.next_event())
    write_log(*event);
  plan_save();
  if (next_deadline() < woken_for_) has_deadline_.notify();
}

void Server::write_log(const signal::Server::Event& event) const {
  const std::string key = to_base64(event.node.bytes());
  const std::string address = event.address ? event.address->to_string() : std::string("-");
  log_.info(message_of(event.kind), {{"cluster", event.cluster},
                                     {"name", event.name},
                                     {"address", address},
                                     {"key", key},
                                     {"reason", event.text}});
}

// --- Streams ---

bool Server::stream_opened(std::uint64_t stream, const Endpoint& from) {
  if (stream == 0 || options_.streams == nullptr || streams_.size() >= kMaxStreams) return false;
  return streams_.emplace(stream, Stream{.from = from, .deframer = {}}).second;
}

bool Server::stream_received(std::uint64_t stream, ByteView bytes) {
  const auto found = streams_.find(stream);
  if (found == streams_.end()) return false;
  found->second.deframer.feed(bytes);
  while (const auto datagram = found->second.deframer.next()) {
    protocol_.feed(*datagram, {.endpoint = found->second.from, .stream = stream}, now(),
                   runtime_.clock().wall_now());
  }
  const bool makes_sense = !found->second.deframer.is_broken();
  if (!makes_sense) stream_closed(stream);
  flush();
  return makes_sense;
}

void Server::stream_closed(std::uint64_t stream) {
  if (streams_.erase(stream) == 0) return;
  protocol_.close_stream(stream, now());
  flush();
}

// --- Clusters ---

Result<> Server::add_cluster(ClusterOptions cluster) {
  signal::ClusterKey key = TRY(signal::ClusterKey::derive(cluster.name, cluster.secret));
  SecretArray<32> admission = key.relay_admission_key();
  TRY(protocol_.add_cluster({.name = cluster.name,
                             .key = std::move(key),
                             .v4_range = cluster.v4_range,
                             .relays = std::move(cluster.relays)},
                            now()));
  admission_keys_.insert_or_assign(cluster.name, std::move(admission));
  flush();
  return {};
}

Result<> Server::remove_cluster(std::string_view name) {
  TRY(protocol_.remove_cluster(name, now()));
  admission_keys_.erase(admission_keys_.find(name));
  flush();
  return {};
}

Result<> Server::set_relays(std::string_view cluster, std::vector<netmap::Relay> relays) {
  TRY(protocol_.set_relays(cluster, std::move(relays), now()));
  flush();
  return {};
}

Result<> Server::forget(std::string_view cluster, const IpAddress& address) {
  TRY(protocol_.forget(cluster, address, now()));
  log_.info("address given back", {{"cluster", cluster}, {"address", address}});
  flush();
  return {};
}

std::optional<SecretArray<32>> Server::relay_admission_key(std::string_view cluster) const {
  const auto found = admission_keys_.find(cluster);
  return found == admission_keys_.end() ? std::nullopt : std::optional(found->second.clone());
}

std::vector<signal::Server::Node> Server::nodes() const {
  return protocol_.nodes(now());
}

// --- State ---

void Server::plan_save() {
  if (protocol_.address_changes() != saved_addresses_) {
    save_at_ = std::min(save_at_, now() + kSaveDelay);
  } else if (protocol_.record_changes() != saved_records_) {
    save_at_ = std::min(save_at_, now() + kRecordDelay);
  }
}

void Server::save_if_due() {
  if (now() < save_at_) return;
  save_at_ = MonoTime::never();
  const Result<> saved = save();
  if (saved) return;
  log_.error("state not saved", {{"reason", saved.error().message}});
  save_at_ = now() + kRecordDelay;
}

Result<> Server::save() {
  const std::uint64_t addresses = protocol_.address_changes();
  const std::uint64_t records = protocol_.record_changes();
  TRY(state_.save(protocol_.snapshot()));
  saved_addresses_ = addresses;
  saved_records_ = records;
  return {};
}

}  // namespace sinew::nucleus
