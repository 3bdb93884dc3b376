#include "relay/udp.h"

#include <algorithm>
#include <utility>

#include "base/verify.h"
#include "crypto/blake2s.h"
#include "crypto/equal.h"

namespace sinew::relay {
namespace {

using Cookie = std::array<std::uint8_t, kUdpCookieSize>;
using Mac = std::array<std::uint8_t, kUdpMacSize>;

constexpr std::size_t kMacAt = kUdpBindSize - kUdpMacSize;

// All that a bind, a check and a bound say before their MAC.
struct Bind {
  UdpKind kind = UdpKind::kBind;
  UdpSessionId session;
  std::uint64_t counter = 0;
  Cookie cookie{};
};

Mac mac_of(ByteView bytes, const SecretArray<kUdpSecretSize>& secret) {
  crypto::Blake2s hash(kUdpMacSize, secret.expose());
  hash.update(bytes.first(kMacAt));
  Mac mac;
  hash.finish(mac);
  return mac;
}

bool is_authentic(ByteView bytes, const SecretArray<kUdpSecretSize>& secret) {
  return crypto::equal_constant_time(bytes.subspan(kMacAt), mac_of(bytes, secret));
}

std::optional<Bind> parse_bind(ByteView datagram) {
  if (datagram.size() != kUdpBindSize) return std::nullopt;
  ByteReader reader(datagram);
  if (reader.u8() != kUdpFirstByte) return std::nullopt;
  return Bind{.kind = static_cast<UdpKind>(reader.u8()),
              .session = UdpSessionId(reader.be<std::uint64_t>()),
              .counter = reader.be<std::uint64_t>(),
              .cookie = reader.array<kUdpCookieSize>()};
}

void write_bind(ByteSpan out, const Bind& bind, const SecretArray<kUdpSecretSize>& secret) {
  ByteWriter writer(out);
  writer.u8(kUdpFirstByte);
  writer.u8(static_cast<std::uint8_t>(bind.kind));
  writer.be(bind.session.value());
  writer.be(bind.counter);
  writer.bytes(bind.cookie);
  writer.bytes(mac_of(out, secret));
  VERIFY(!writer.failed());
}

Cookie cookie_of(const SecretArray<32>& key, UdpSessionId session, const Endpoint& from) {
  std::array<std::uint8_t, 8 + 16 + 4 + 2> name;
  ByteWriter writer(name);
  writer.be(session.value());
  writer.bytes(from.address.as_v6_bytes());
  writer.be(from.address.zone());
  writer.be(from.port);
  crypto::Blake2s hash(kUdpCookieSize, key.expose());
  hash.update(writer.written());
  Cookie cookie;
  hash.finish(cookie);
  return cookie;
}

SecretArray<32> draw(Rng& rng) {
  SecretArray<32> key;
  rng.fill(key.expose_mutable());
  return key;
}

}  // namespace

std::optional<UdpData> parse_udp_data(ByteView datagram) {
  ByteReader reader(datagram);
  const bool is_data =
      reader.u8() == kUdpFirstByte && reader.u8() == static_cast<std::uint8_t>(UdpKind::kData);
  const UdpSessionId session(reader.be<std::uint64_t>());
  const ClientNumber number(reader.be<std::uint32_t>());
  if (reader.failed() || !is_data) return std::nullopt;
  return UdpData{.session = session, .number = number, .packet = reader.rest()};
}

void write_udp_data_header(ByteSpan out, UdpSessionId session, ClientNumber number) {
  ByteWriter writer(out);
  writer.u8(kUdpFirstByte);
  writer.u8(static_cast<std::uint8_t>(UdpKind::kData));
  writer.be(session.value());
  writer.be(number.value());
  VERIFY(!writer.failed());
}

UdpSessions::UdpSessions(Rng& rng)
    : rng_(rng), cookie_key_(draw(rng)), old_cookie_key_(draw(rng)) {}

UdpGrant UdpSessions::open(ClientNumber owner) {
  UdpSessionId id;
  do {
    id = UdpSessionId(rng_.number<std::uint64_t>());
  } while (sessions_.contains(id));
  SecretArray<kUdpSecretSize> secret = draw(rng_);
  UdpGrant grant{.session = id, .secret = secret.clone()};
  Session& session = sessions_[id];
  session.secret = std::move(secret);
  session.owner = owner;
  return grant;
}

bool UdpSessions::answer_bind(ByteSpan datagram, const Endpoint& from, MonoTime now) {
  const std::optional<Bind> bind = parse_bind(datagram);
  if (!bind || bind->kind != UdpKind::kBind) return false;
  const auto found = sessions_.find(bind->session);
  if (found == sessions_.end()) return false;
  Session& session = found->second;
  if (!is_authentic(datagram, session.secret) || bind->counter <= session.last_counter)
    return false;
  rotate(now);
  session.last_counter = bind->counter;
  const bool is_proven = is_cookie(bind->cookie, bind->session, from);
  if (is_proven) {
    session.address = from;
    session.bound_until = now + kUdpBindingLifetime;
  }
  write_bind(datagram,
             {.kind = is_proven ? UdpKind::kBound : UdpKind::kCheck,
              .session = bind->session,
              .counter = bind->counter,
              .cookie = cookie_of(cookie_key_, bind->session, from)},
             session.secret);
  return true;
}

std::optional<ClientNumber> UdpSessions::owner(UdpSessionId session, const Endpoint& from,
                                               MonoTime now) const {
  if (address(session, now) != from) return std::nullopt;
  return sessions_.at(session).owner;
}

std::optional<Endpoint> UdpSessions::address(UdpSessionId session, MonoTime now) const {
  const auto found = sessions_.find(session);
  if (found == sessions_.end() || now >= found->second.bound_until) return std::nullopt;
  return found->second.address;
}

void UdpSessions::rotate(MonoTime now) {
  if (!rotated_at_) rotated_at_ = now;
  if (now - *rotated_at_ < kUdpCookieLifetime) return;
  // After a long silence both keys are too old.
  const bool is_long_ago = now - *rotated_at_ >= 2 * kUdpCookieLifetime;
  old_cookie_key_ = is_long_ago ? draw(rng_) : std::move(cookie_key_);
  cookie_key_ = draw(rng_);
  rotated_at_ = now;
}

bool UdpSessions::is_cookie(ByteView cookie, UdpSessionId session, const Endpoint& from) const {
  return crypto::equal_constant_time(cookie, cookie_of(cookie_key_, session, from)) ||
         crypto::equal_constant_time(cookie, cookie_of(old_cookie_key_, session, from));
}

UdpLink::UdpLink(UdpGrant grant, MonoTime now) : grant_(std::move(grant)), deadline_(now) {
  send_bind(now);
}

bool UdpLink::feed(ByteView datagram, MonoTime now) {
  const std::optional<Bind> answer = parse_bind(datagram);
  if (!answer || answer->session != grant_.session || answer->counter != counter_) return false;
  if (answer->kind != UdpKind::kCheck && answer->kind != UdpKind::kBound) return false;
  if (!is_authentic(datagram, grant_.secret)) return false;
  const bool is_news = answer->cookie != cookie_;
  cookie_ = answer->cookie;
  if (answer->kind == UdpKind::kBound) {
    is_bound_ = true;
    unanswered_ = 0;
    is_used_ = false;
    deadline_ = now + kUdpRebindInterval;
  } else if (is_news) {
    send_bind(now);
  }
  return true;
}

void UdpLink::note_used() {
  if (std::exchange(is_used_, true)) return;
  is_newly_used_ = true;
}

void UdpLink::expire(MonoTime now) {
  if (std::exchange(is_newly_used_, false)) deadline_ = std::min(deadline_, now + kUdpBusyInterval);
  if (now < deadline_) return;
  if (unanswered_ < kUdpRetries) return send_bind(now);
  is_bound_ = false;
  unanswered_ = 0;
  deadline_ = now + kUdpReopenInterval;
}

void UdpLink::rebind(MonoTime now) {
  unanswered_ = 0;
  send_bind(now);
}

std::optional<UdpLink::Datagram> UdpLink::next_transmit() {
  return std::exchange(transmit_, std::nullopt);
}

void UdpLink::send_bind(MonoTime now) {
  ++unanswered_;
  ++counter_;
  deadline_ = now + kUdpRetryInterval;
  transmit_.emplace();
  write_bind(
      *transmit_,
      {.kind = UdpKind::kBind, .session = grant_.session, .counter = counter_, .cookie = cookie_},
      grant_.secret);
}

}  // namespace sinew::relay
