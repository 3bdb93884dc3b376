#include "signal/cookies.h"

#include <array>
#include <utility>

#include "crypto/equal.h"
#include "crypto/hash.h"

namespace sinew::signal {
namespace {

Cookie mac_of(const SecretArray<32>& secret, const ClusterTag& tag, const PublicKey& ephemeral,
              const Route& from) {
  std::array<std::uint8_t, 8 + 32 + 16 + 2 + 8> covered;
  ByteWriter out(covered);
  out.bytes(tag);
  out.bytes(ephemeral.bytes());
  out.bytes(from.endpoint.address.as_v6_bytes());
  out.be(from.endpoint.port);
  out.be(from.stream);
  return crypto::hmac<crypto::Sha256>(secret.expose(), out.written());
}

}  // namespace

Cookie CookieJar::bake(const ClusterTag& tag, const PublicKey& ephemeral, const Route& from,
                       MonoTime now) {
  refresh(now);
  return mac_of(current_, tag, ephemeral, from);
}

bool CookieJar::is_good(const Cookie& cookie, const ClusterTag& tag, const PublicKey& ephemeral,
                        const Route& from, MonoTime now) {
  refresh(now);
  if (crypto::equal_constant_time(cookie, mac_of(current_, tag, ephemeral, from))) return true;
  return has_previous_ &&
         crypto::equal_constant_time(cookie, mac_of(previous_, tag, ephemeral, from));
}

void CookieJar::refresh(MonoTime now) {
  if (drawn_ && now - *drawn_ < kCookieLifetime) return;
  has_previous_ = drawn_ && now - *drawn_ < 2 * kCookieLifetime;
  previous_ = std::move(current_);
  rng_.fill(current_.expose_mutable());
  drawn_ = now;
}

}  // namespace sinew::signal
