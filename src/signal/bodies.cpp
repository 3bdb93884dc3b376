#include "signal/bodies.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/verify.h"
#include "signal/wire.h"

namespace sinew::signal {
namespace {

enum class Type : std::uint8_t {
  kRegister = 0x01,
  kHeartbeat = 0x02,
  kPull = 0x03,
  kLeave = 0x04,
  kPunch = 0x05,
  kRegistered = 0x81,
  kHeartbeatAck = 0x82,
  kPage = 0x83,
  kDone = 0x84,
  kRefused = 0x8F,
  kChanged = 0xA1,
  kPunchFrom = 0xA2,
};

enum class Item : std::uint8_t { kPeer = 1, kRemovedPeer = 2, kRelay = 3, kRemovedRelay = 4 };

constexpr std::uint8_t kIsRequired = 1;
constexpr std::uint8_t kReplaces = 2;
constexpr std::uint8_t kHasMore = 1;

// Of a page in front of its items; `to` and the flags are filled in at the end.
constexpr std::size_t kPageToAt = 4 + 1 + 8 + 8;
constexpr std::size_t kPageFlagsAt = kPageToAt + 8;
constexpr std::size_t kPageHeadSize = kPageFlagsAt + 1;

void write_cursor(ByteWriter& out, const Cursor& cursor) {
  out.be(cursor.epoch);
  out.be(cursor.version);
}

Cursor read_cursor(ByteReader& in) {
  Cursor cursor;
  cursor.epoch = in.be<std::uint64_t>();
  cursor.version = in.be<std::uint64_t>();
  return cursor;
}

// --- Each body: its type, how it is written, how it is read. ---

Type write(ByteWriter& out, const Register& body) {
  out.bytes(body.disco.key.bytes());
  write_text(out, body.name);
  write_address(out, body.wanted_v4);
  write_address(out, body.wanted_v6);
  out.u8(static_cast<std::uint8_t>((body.is_wanted_required ? kIsRequired : 0) |
                                   (body.replaces ? kReplaces : 0)));
  out.be(body.home.value());
  write_connectivity(out, body.connectivity);
  write_candidates(out, body.candidates);
  return Type::kRegister;
}

std::optional<Body> read_register(ByteReader& in) {
  Register body;
  body.disco.key = crypto::X25519PublicKey(in.array<32>());
  auto name = read_text(in, netmap::kMaxNameBytes);
  if (!name) return std::nullopt;
  body.name = *std::move(name);
  const auto v4 = read_address(in);
  if (!v4 || (*v4 && !(*v4)->is_v4())) return std::nullopt;
  const auto v6 = read_address(in);
  if (!v6 || (*v6 && !(*v6)->is_v6())) return std::nullopt;
  body.wanted_v4 = *v4;
  body.wanted_v6 = *v6;
  const std::uint8_t flags = in.u8();
  if (flags > (kIsRequired | kReplaces)) return std::nullopt;
  body.is_wanted_required = (flags & kIsRequired) != 0;
  body.replaces = (flags & kReplaces) != 0;
  body.home = RelayId(in.be<std::uint16_t>());
  const auto connectivity = read_connectivity(in);
  if (!connectivity) return std::nullopt;
  body.connectivity = *connectivity;
  auto candidates = read_candidates(in);
  if (!candidates) return std::nullopt;
  body.candidates = *std::move(candidates);
  return body;
}

Type write(ByteWriter& out, const Heartbeat& body) {
  write_cursor(out, body.known);
  return Type::kHeartbeat;
}

Type write(ByteWriter& out, const Pull& body) {
  write_cursor(out, body.after);
  out.u8(body.pages);
  return Type::kPull;
}

std::optional<Body> read_pull(ByteReader& in) {
  Pull body{.after = read_cursor(in)};
  body.pages = in.u8();
  if (body.pages == 0 || body.pages > kMaxPullPages) return std::nullopt;
  return body;
}

Type write(ByteWriter&, const Leave&) {
  return Type::kLeave;
}

Type write(ByteWriter& out, const Punch& body) {
  out.bytes(body.target.bytes());
  write_candidates(out, body.candidates);
  return Type::kPunch;
}

Type write(ByteWriter& out, const PunchFrom& body) {
  out.bytes(body.peer.bytes());
  write_candidates(out, body.candidates);
  return Type::kPunchFrom;
}

template <typename Punching>
std::optional<Body> read_punch(ByteReader& in) {
  const NodeKey key(in.array<32>());
  auto candidates = read_candidates(in);
  if (!candidates) return std::nullopt;
  return Punching{key, *std::move(candidates)};
}

Type write(ByteWriter& out, const Registered& body) {
  write_address(out, body.self.v4);
  write_address(out, body.self.v6);
  out.u8(static_cast<std::uint8_t>(body.self.v4_length));
  out.u8(static_cast<std::uint8_t>(body.self.v6_length));
  write_text(out, body.self.name);
  out.be(body.heartbeat_seconds);
  out.be(body.settling_seconds);
  write_cursor(out, body.map);
  write_endpoint(out, body.observed);
  return Type::kRegistered;
}

std::optional<Body> read_registered(ByteReader& in) {
  Registered body;
  const auto v4 = read_address(in);
  if (!v4 || (*v4 && !(*v4)->is_v4())) return std::nullopt;
  const auto v6 = read_address(in);
  if (!v6 || (*v6 && !(*v6)->is_v6())) return std::nullopt;
  body.self.v4 = *v4;
  body.self.v6 = *v6;
  body.self.v4_length = in.u8();
  body.self.v6_length = in.u8();
  if (body.self.v4_length > 32 || body.self.v6_length > 128) return std::nullopt;
  auto name = read_text(in, netmap::kMaxNameBytes);
  if (!name) return std::nullopt;
  body.self.name = *std::move(name);
  body.heartbeat_seconds = in.be<std::uint32_t>();
  body.settling_seconds = in.be<std::uint32_t>();
  if (body.heartbeat_seconds == 0 || body.heartbeat_seconds > kMaxIntervalSeconds ||
      body.settling_seconds > kMaxIntervalSeconds) {
    return std::nullopt;
  }
  body.map = read_cursor(in);
  const auto observed = read_endpoint(in);
  if (!observed) return std::nullopt;
  body.observed = *observed;
  return body;
}

Type write(ByteWriter& out, const HeartbeatAck& body) {
  write_cursor(out, body.map);
  write_endpoint(out, body.observed);
  return Type::kHeartbeatAck;
}

std::optional<Body> read_heartbeat_ack(ByteReader& in) {
  HeartbeatAck body{.map = read_cursor(in), .observed = std::nullopt};
  const auto observed = read_endpoint(in);
  if (!observed) return std::nullopt;
  body.observed = *observed;
  return body;
}

void write_page_head(ByteWriter& out, const Page& body) {
  out.be(body.epoch);
  out.be(body.from);
  out.be(body.to);
  out.u8(body.has_more ? kHasMore : 0);
}

void write_tag(ByteWriter& out, Item item) {
  out.u8(static_cast<std::uint8_t>(item));
}

Type write(ByteWriter& out, const Page& body) {
  write_page_head(out, body);
  for (const auto& peer : body.peers) {
    write_tag(out, Item::kPeer);
    write_peer(out, peer);
  }
  for (const auto& key : body.removed_peers) {
    write_tag(out, Item::kRemovedPeer);
    out.bytes(key.bytes());
  }
  for (const auto& relay : body.relays) {
    write_tag(out, Item::kRelay);
    write_relay(out, relay);
  }
  for (const RelayId id : body.removed_relays) {
    write_tag(out, Item::kRemovedRelay);
    out.be(id.value());
  }
  return Type::kPage;
}

template <typename T>
bool keep(std::vector<T>& list, std::optional<T> item) {
  if (item) list.push_back(*std::move(item));
  return item.has_value();
}

bool read_item(ByteReader& in, Page& page) {
  switch (static_cast<Item>(in.u8())) {
    case Item::kPeer: return keep(page.peers, read_peer(in));
    case Item::kRemovedPeer:
      return keep(page.removed_peers, std::optional(NodeKey(in.array<32>())));
    case Item::kRelay: return keep(page.relays, read_relay(in));
    case Item::kRemovedRelay:
      return keep(page.removed_relays, std::optional(RelayId(in.be<std::uint16_t>())));
  }
  return false;
}

std::optional<Body> read_page(ByteReader& in) {
  Page page;
  page.epoch = in.be<std::uint64_t>();
  page.from = in.be<std::uint64_t>();
  page.to = in.be<std::uint64_t>();
  const std::uint8_t flags = in.u8();
  if (flags > kHasMore || page.to < page.from) return std::nullopt;
  page.has_more = flags == kHasMore;
  while (!in.failed() && in.remaining() > 0)
    if (!read_item(in, page)) return std::nullopt;
  return page;
}

Type write(ByteWriter&, const Done&) {
  return Type::kDone;
}

Type write(ByteWriter& out, const Refused& body) {
  out.u8(static_cast<std::uint8_t>(body.code));
  write_text(out, std::string_view(body.text).substr(0, kMaxTextBytes));
  return Type::kRefused;
}

std::optional<Body> read_refused(ByteReader& in) {
  const std::uint8_t code = in.u8();
  if (code < static_cast<std::uint8_t>(RefusalCode::kInvalid) ||
      code > static_cast<std::uint8_t>(RefusalCode::kMoved)) {
    return std::nullopt;
  }
  auto text = read_text(in, kMaxTextBytes);
  if (!text) return std::nullopt;
  return Refused{.code = static_cast<RefusalCode>(code), .text = *std::move(text)};
}

Type write(ByteWriter& out, const Changed& body) {
  write_cursor(out, body.map);
  return Type::kChanged;
}

std::optional<Body> read_body(Type type, ByteReader& in) {
  switch (type) {
    case Type::kRegister: return read_register(in);
    case Type::kHeartbeat: return Heartbeat{.known = read_cursor(in)};
    case Type::kPull: return read_pull(in);
    case Type::kLeave: return Leave{};
    case Type::kPunch: return read_punch<Punch>(in);
    case Type::kRegistered: return read_registered(in);
    case Type::kHeartbeatAck: return read_heartbeat_ack(in);
    case Type::kPage: return read_page(in);
    case Type::kDone: return Done{};
    case Type::kRefused: return read_refused(in);
    case Type::kChanged: return Changed{.map = read_cursor(in)};
    case Type::kPunchFrom: return read_punch<PunchFrom>(in);
  }
  return std::nullopt;
}

}  // namespace

Bytes encode(const Message& message) {
  std::array<std::uint8_t, 2 * kMaxDatagramSize> room;
  ByteWriter out(room);
  out.be(message.id.value());
  const ByteSpan type_at = out.reserve(1);
  const Type type = std::visit([&out](const auto& body) { return write(out, body); }, message.body);
  type_at[0] = static_cast<std::uint8_t>(type);
  const ByteView written = out.written();
  VERIFY(!written.empty());
  return Bytes(written.begin(), written.end());
}

std::optional<Message> decode(ByteView message) {
  ByteReader in(message);
  const RequestId id(in.be<std::uint32_t>());
  const auto type = static_cast<Type>(in.u8());
  auto body = read_body(type, in);
  if (!body || !in.finished()) return std::nullopt;
  return Message{.id = id, .body = *std::move(body)};
}

bool is_usable(const Endpoint& endpoint) {
  const IpAddress& address = endpoint.address;
  const bool needs_zone = address.is_v6() && address.is_link_local();
  return endpoint.port != 0 && address.zone() == 0 && !needs_zone && !address.is_unspecified() &&
         !address.is_multicast() && !address.is_loopback() &&
         address != IpAddress::v4(255, 255, 255, 255);
}

std::vector<netmap::Candidate> fit_candidates(const std::vector<netmap::Candidate>& candidates) {
  std::vector<netmap::Candidate> fit;
  for (const netmap::Candidate& candidate : candidates) {
    if (fit.size() == netmap::kMaxCandidates) break;
    if (!is_usable(candidate.endpoint)) continue;
    const auto same = std::ranges::find(fit, candidate.endpoint, &netmap::Candidate::endpoint);
    if (same != fit.end()) continue;
    fit.push_back(candidate);
  }
  return fit;
}

PageWriter::PageWriter(RequestId id, std::uint64_t epoch, std::uint64_t from, std::size_t room)
    : room_(room) {
  Page empty;
  empty.epoch = epoch;
  empty.from = from;
  empty.to = from;
  bytes_ = encode({.id = id, .body = empty});
  VERIFY(bytes_.size() == kPageHeadSize);
}

bool PageWriter::add(const netmap::Peer& peer) {
  std::array<std::uint8_t, kMaxItemSize> room;
  ByteWriter out(room);
  write_tag(out, Item::kPeer);
  write_peer(out, peer);
  return append(out.written());
}

bool PageWriter::add_removed(const NodeKey& peer) {
  std::array<std::uint8_t, kMaxItemSize> room;
  ByteWriter out(room);
  write_tag(out, Item::kRemovedPeer);
  out.bytes(peer.bytes());
  return append(out.written());
}

bool PageWriter::add(const netmap::Relay& relay) {
  std::array<std::uint8_t, kMaxItemSize> room;
  ByteWriter out(room);
  write_tag(out, Item::kRelay);
  write_relay(out, relay);
  return append(out.written());
}

bool PageWriter::add_removed(RelayId relay) {
  std::array<std::uint8_t, kMaxItemSize> room;
  ByteWriter out(room);
  write_tag(out, Item::kRemovedRelay);
  out.be(relay.value());
  return append(out.written());
}

bool PageWriter::append(ByteView item) {
  VERIFY(!item.empty());
  if (bytes_.size() + item.size() > room_) return false;
  bytes_.insert(bytes_.end(), item.begin(), item.end());
  return true;
}

Bytes PageWriter::finish(std::uint64_t to, bool has_more) {
  store_be(bytes_.data() + kPageToAt, to);
  bytes_[kPageFlagsAt] = has_more ? kHasMore : 0;
  return std::move(bytes_);
}

}  // namespace sinew::signal
