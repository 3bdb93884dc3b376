#include "wg/cookie.h"

#include <algorithm>
#include <string_view>

#include "base/verify.h"
#include "crypto/blake2s.h"
#include "crypto/equal.h"

namespace sinew::wg {
namespace {

using crypto::Blake2s;

constexpr std::string_view kMac1Label = "mac1----";
constexpr std::string_view kCookieLabel = "cookie--";

std::array<std::uint8_t, 32> labelled_key(std::string_view label, const PublicKey& key) {
  Blake2s hash;
  hash.update(as_bytes(label));
  hash.update(key.bytes());
  std::array<std::uint8_t, 32> digest;
  hash.finish(digest);
  return digest;
}

crypto::XChaChaKey reply_key(const PublicKey& key) {
  const auto digest = labelled_key(kCookieLabel, key);
  return crypto::XChaChaKey(std::span<const std::uint8_t, 32>(digest));
}

// What the MACs are over, and where they stand: the last 32 bytes.
template <typename Span>
Span before_mac1(Span message) {
  return message.first(message.size() - 2 * kMacSize);
}
template <typename Span>
Span mac1_of(Span message) {
  return message.last(2 * kMacSize).first(kMacSize);
}
template <typename Span>
Span before_mac2(Span message) {
  return message.first(message.size() - kMacSize);
}
template <typename Span>
Span mac2_of(Span message) {
  return message.last(kMacSize);
}

bool is_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t byte) { return byte == 0; });
}

}  // namespace

CookieChecker::CookieChecker(const PublicKey& ours, Rng& rng)
    : rng_(rng), mac1_key_(labelled_key(kMac1Label, ours)), reply_key_(reply_key(ours)) {}

bool CookieChecker::has_valid_mac1(ByteView message) const {
  const Mac expected = crypto::blake2s<kMacSize>(before_mac1(message), mac1_key_);
  return crypto::equal_constant_time(expected, mac1_of(message));
}

bool CookieChecker::has_valid_mac2(ByteView message, const Endpoint& from, MonoTime now) {
  // Nobody has a cookie that makes this one, and most messages come without.
  if (is_zero(mac2_of(message))) return false;
  const auto cookie = cookie_for(from, now);
  const Mac expected = crypto::blake2s<kMacSize>(before_mac2(message), cookie.expose());
  return crypto::equal_constant_time(expected, mac2_of(message));
}

CookieReply CookieChecker::create_reply(ByteView message, SessionIndex receiver,
                                        const Endpoint& from, MonoTime now) {
  CookieReply reply;
  reply.receiver = receiver;
  rng_.fill(reply.nonce);
  const auto cookie = cookie_for(from, now);
  crypto::xchacha_seal(reply_key_, reply.nonce, mac1_of(message), cookie.expose(),
                       reply.sealed_cookie);
  return reply;
}

SecretArray<kMacSize> CookieChecker::cookie_for(const Endpoint& from, MonoTime now) {
  if (!secret_drawn_ || now - *secret_drawn_ >= kCookieLifetime) {
    rng_.fill(secret_.expose_mutable());
    secret_drawn_ = now;
  }
  std::array<std::uint8_t, 2> port;
  store_be(port.data(), from.port);
  Blake2s mac(kMacSize, secret_.expose());
  mac.update(from.address.bytes());
  mac.update(port);
  SecretArray<kMacSize> cookie;
  mac.finish(cookie.expose_mutable());
  return cookie;
}

CookieHolder::CookieHolder(const PublicKey& theirs)
    : mac1_key_(labelled_key(kMac1Label, theirs)), reply_key_(reply_key(theirs)) {}

void CookieHolder::add_macs(ByteSpan message, MonoTime now) {
  last_mac1_ = crypto::blake2s<kMacSize>(before_mac1(message), mac1_key_);
  std::ranges::copy(*last_mac1_, mac1_of(message).begin());
  if (cookie_ && now - cookie_->received >= kCookieLifetime - kCookieLatency) cookie_.reset();
  if (!cookie_) return;
  const Mac mac2 = crypto::blake2s<kMacSize>(before_mac2(message), cookie_->bytes.expose());
  std::ranges::copy(mac2, mac2_of(message).begin());
}

bool CookieHolder::accept(const CookieReply& reply, MonoTime now) {
  if (!last_mac1_) return false;
  SecretArray<kMacSize> cookie;
  if (!crypto::xchacha_open(reply_key_, reply.nonce, *last_mac1_, reply.sealed_cookie,
                            cookie.expose_mutable())) {
    return false;
  }
  cookie_ = Cookie{.bytes = std::move(cookie), .received = now};
  last_mac1_.reset();
  return true;
}

}  // namespace sinew::wg
