#include "relay/client.h"

#include <algorithm>

#include "base/verify.h"
#include "relay/http.h"

namespace sinew::relay {
namespace {

constexpr std::size_t kMaxControlBytes = 16 << 10;
constexpr PacketQueue::Limits kQueueLimits{.bytes = Client::kMaxOutputBytes,
                                           .packets = Client::kMaxPackets,
                                           .disco_packets = Client::kMaxDiscoPackets};

}  // namespace

Client::Client(Config config, Rng& rng)
    : config_(std::move(config)), rng_(rng), queue_(kQueueLimits) {}

void Client::start(MonoTime now) {
  VERIFY(phase_ == Phase::kIdle);
  phase_ = Phase::kUpgrade;
  deadline_ = now + kLoginTimeout;
  const std::string request = upgrade_request(config_.host, false);
  control_.assign(request.begin(), request.end());
}

void Client::feed(ByteView bytes, MonoTime now) {
  if (phase_ == Phase::kIdle || phase_ == Phase::kFailed) return;
  if (phase_ == Phase::kUpgrade) return feed_answer(bytes, now);
  if (is_ready()) deadline_ = now + kSilenceTimeout;
  feed_frames(bytes, now);
}

void Client::feed_answer(ByteView bytes, MonoTime now) {
  head_.insert(head_.end(), bytes.begin(), bytes.end());
  const auto parsed = parse_answer(head_);
  if (!parsed) return fail(parsed.error().kind, parsed.error().message);
  if (!*parsed) return;
  const ParsedAnswer& answer = **parsed;
  if (!answer.is_upgraded) {
    return fail(ErrorKind::kUnsupported,
                "not a relay: it answers with HTTP status " + std::to_string(answer.status));
  }
  phase_ = Phase::kServerKey;
  const Bytes head = std::exchange(head_, {});
  feed_frames(ByteView(head).subspan(answer.size), now);
}

void Client::feed_frames(ByteView bytes, MonoTime now) {
  const bool is_fine =
      reader_.feed(bytes, [&](const Frame& frame) { return take_frame(frame, now); });
  if (!is_fine) fail(ErrorKind::kInvalid, "the relay sends what is no frame");
}

bool Client::take_frame(const Frame& frame, MonoTime now) {
  switch (phase_) {
    case Phase::kServerKey:
      return frame.type != FrameType::kServerKey || take_server_key(frame.payload);
    case Phase::kServerInfo:
      return frame.type != FrameType::kServerInfo || take_server_info(frame.payload, now);
    case Phase::kReady: return take_ready_frame(frame, now);
    default: return false;
  }
}

bool Client::take_server_key(ByteView payload) {
  ByteReader reader(payload);
  const auto magic = reader.array<kMagic.size()>();
  server_key_ = NodeKey(reader.array<kKeySize>());
  if (reader.failed() || magic != kMagic) return false;
  if (config_.server_key && *config_.server_key != server_key_) {
    fail(ErrorKind::kDenied, "another relay answers: its key is not the expected one");
    return false;
  }
  box_ = crypto::BoxKey::between(config_.key, server_key_);
  if (!box_) return false;
  const NodeKey own = config_.key.public_key();
  ClientInfo info{.can_ack_pings = true, .proof = {}};
  if (config_.admission) info.proof = config_.admission->prove(own, server_key_);
  append_frame(control_, FrameType::kClientInfo,
               {own.bytes(), seal_info(*box_, to_json(info), rng_)});
  phase_ = Phase::kServerInfo;
  return true;
}

bool Client::take_server_info(ByteView payload, MonoTime now) {
  const std::optional<std::string> text = open_info(*box_, payload);
  if (!text) {
    fail(ErrorKind::kDenied, "the relay does not hold the key it shows");
    return false;
  }
  const auto info = parse_server_info(*text);
  if (!info) return false;
  phase_ = Phase::kReady;
  deadline_ = now + kSilenceTimeout;
  events_.emplace_back(Ready{.server_key = server_key_, .info = *info});
  if (config_.is_home) set_home(true);
  if (config_.wants_udp) append_frame(control_, FrameType::kUdpOpen, {});
  return true;
}

bool Client::take_ready_frame(const Frame& frame, MonoTime now) {
  ByteReader reader(frame.payload);
  switch (frame.type) {
    case FrameType::kReceivedPacket: {
      const NodeKey from(reader.array<kKeySize>());
      const ByteView packet = reader.rest();
      if (reader.failed()) return false;
      events_.emplace_back(Packet{.from = from, .bytes = Bytes(packet.begin(), packet.end())});
      return true;
    }
    case FrameType::kPeerGone: {
      const NodeKey key(reader.array<kKeySize>());
      if (reader.failed()) return false;
      const bool is_elsewhere = reader.remaining() > 0 && reader.u8() == 1;
      forget_number(key);
      events_.emplace_back(PeerGone{
          .key = key, .reason = is_elsewhere ? GoneReason::kNotHere : GoneReason::kDisconnected});
      return true;
    }
    case FrameType::kPing:
      if (frame.payload.size() < kPingSize) return false;
      if (control_.size() < kMaxControlBytes)
        append_frame(control_, FrameType::kPong, {frame.payload.first(kPingSize)});
      return true;
    case FrameType::kPong: take_pong(frame.payload, now); return true;
    case FrameType::kHealth:
      events_.emplace_back(Health{std::string(as_text(frame.payload))});
      return true;
    case FrameType::kRestarting: {
      const std::chrono::milliseconds in(reader.be<std::uint32_t>());
      const std::chrono::milliseconds span(reader.be<std::uint32_t>());
      events_.emplace_back(Restarting{.reconnect_in = in, .try_for = span});
      return !reader.failed();
    }
    case FrameType::kUdpGrant: take_grant(frame.payload, now); return true;
    case FrameType::kUdpNumber: take_number(frame.payload); return true;
    default: return true;
  }
}

void Client::take_pong(ByteView payload, MonoTime now) {
  if (!ping_ || payload.size() < kPingSize) return;
  if (!std::ranges::equal(payload.first(kPingSize), ping_->first)) return;
  events_.emplace_back(RoundTrip{now - ping_->second});
  ping_.reset();
}

void Client::take_grant(ByteView payload, MonoTime now) {
  ByteReader reader(payload);
  UdpGrant grant{.session = UdpSessionId(reader.be<std::uint64_t>()), .secret = {}};
  const ByteView secret = reader.take(kUdpSecretSize);
  const auto port = reader.be<std::uint16_t>();
  if (reader.failed() || port == 0 || !config_.wants_udp) return;
  std::ranges::copy(secret, grant.secret.expose_mutable().begin());
  udp_.emplace(std::move(grant), now);
  udp_port_ = port;
  note_udp();
}

void Client::take_number(ByteView payload) {
  ByteReader reader(payload);
  const NodeKey key(reader.array<kKeySize>());
  const ClientNumber number(reader.be<std::uint32_t>());
  if (reader.failed() || number == ClientNumber()) return;
  forget_number(key);
  if (numbers_.size() >= kMaxNumbers) {
    numbers_.clear();
    keys_.clear();
  }
  numbers_[key] = number;
  keys_[number] = key;
}

void Client::forget_number(const NodeKey& key) {
  const auto found = numbers_.find(key);
  if (found == numbers_.end()) return;
  keys_.erase(found->second);
  numbers_.erase(found);
}

void Client::expire(MonoTime now) {
  if (udp_) {
    const bool was_bound = udp_->is_bound();
    udp_->expire(now);
    note_udp();
    // A new session ends the old one, so that the relay does not go on sending into the void.
    if (was_bound && !udp_->is_bound()) append_frame(control_, FrameType::kUdpOpen, {});
  }
  if (now < deadline_ || phase_ == Phase::kIdle || phase_ == Phase::kFailed) return;
  fail(ErrorKind::kTimeout,
       is_ready() ? "the relay has fallen silent" : "the relay does not answer");
}

MonoTime Client::deadline() const {
  return udp_ ? std::min(deadline_, udp_->deadline()) : deadline_;
}

std::optional<Client::Event> Client::next_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

bool Client::has_output() const {
  return !control_.empty() || !queue_.is_empty();
}

void Client::take_output(Bytes& out, std::size_t most) {
  const Bytes control = std::exchange(control_, {});
  out.insert(out.end(), control.begin(), control.end());
  queue_.take(out, most);
}

bool Client::send(const NodeKey& to, ByteView packet) {
  if (!is_ready() || packet.size() > kMaxPacketBytes) return false;
  const bool is_urgent = is_disco(packet);
  if (!is_urgent && is_udp_bound() && send_datagram(to, packet)) return true;
  Bytes frame;
  append_frame(frame, FrameType::kSendPacket, {to.bytes(), packet});
  queue_.push(std::move(frame), 0, is_urgent);
  return true;
}

bool Client::send_datagram(const NodeKey& to, ByteView packet) {
  if (packet.size() > kMaxDatagramPacketBytes) return false;
  const auto found = numbers_.find(to);
  if (found == numbers_.end()) {
    // Until the answer is here, packets go the other way.
    if (numbers_.size() < kMaxNumbers && control_.size() < kMaxControlBytes) {
      numbers_.emplace(to, ClientNumber());
      append_frame(control_, FrameType::kUdpAsk, {to.bytes()});
    }
    return false;
  }
  if (found->second == ClientNumber()) return false;
  if (datagrams_.size() == kMaxDatagrams) {
    datagrams_.pop_front();
    ++dropped_datagrams_;
  }
  udp_->note_used();
  Bytes datagram(kUdpDataHeaderSize + packet.size());
  write_udp_data_header(datagram, udp_->session(), found->second);
  std::ranges::copy(packet, datagram.begin() + kUdpDataHeaderSize);
  datagrams_.push_back(std::move(datagram));
  return true;
}

void Client::set_home(bool is_home) {
  config_.is_home = is_home;
  const std::uint8_t flag = is_home ? 1 : 0;
  if (is_ready()) append_frame(control_, FrameType::kNotePreferred, {ByteView(&flag, 1)});
}

void Client::ping(MonoTime now) {
  if (!is_ready() || control_.size() >= kMaxControlBytes) return;
  std::array<std::uint8_t, kPingSize> data;
  rng_.fill(data);
  ping_ = std::pair(data, now);
  append_frame(control_, FrameType::kPing, {data});
}

std::optional<Bytes> Client::next_datagram() {
  if (udp_) {
    if (const auto bind = udp_->next_transmit()) return Bytes(bind->begin(), bind->end());
  }
  if (datagrams_.empty()) return std::nullopt;
  Bytes datagram = std::move(datagrams_.front());
  datagrams_.pop_front();
  return datagram;
}

bool Client::feed_datagram(ByteView datagram, MonoTime now) {
  if (!udp_ || !is_ready()) return false;
  const std::optional<UdpData> data = parse_udp_data(datagram);
  if (!data) {
    const bool is_ours = udp_->feed(datagram, now);
    note_udp();
    return is_ours;
  }
  if (data->session != udp_->session()) return false;
  const auto from = keys_.find(data->number);
  if (from == keys_.end()) return false;
  events_.emplace_back(
      Packet{.from = from->second, .bytes = Bytes(data->packet.begin(), data->packet.end())});
  return true;
}

void Client::rebind(MonoTime now) {
  if (udp_) udp_->rebind(now);
}

void Client::note_udp() {
  if (is_udp_bound() == was_udp_bound_) return;
  was_udp_bound_ = is_udp_bound();
  events_.emplace_back(UdpChanged{was_udp_bound_});
}

void Client::fail(ErrorKind kind, std::string message) {
  if (phase_ == Phase::kFailed) return;
  phase_ = Phase::kFailed;
  deadline_ = MonoTime::never();
  udp_.reset();
  events_.emplace_back(Failed{{kind, std::move(message)}});
}

}  // namespace sinew::relay
