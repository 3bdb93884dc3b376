// The two MACs of handshake messages and the cookies behind the second (whitepaper sections 5.4.4
// and 5.4.7). The first MAC says that the sender knows our public key; before it is right we answer
// nothing. The second says that the sender can receive at the address it sends from: under load it
// is asked for by a cookie reply. Neither authenticates anybody. Pure; one thread.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "base/secret.h"
#include "crypto/xchacha.h"
#include "wg/messages.h"

namespace sinew::wg {

using Mac = std::array<std::uint8_t, kMacSize>;

// Our side as the one who is called: checks MACs and bakes cookies. A cookie is a MAC over address
// and port of the sender under a secret that is drawn anew after kCookieLifetime; then all cookies
// from before are refused.
class CookieChecker {
 public:
  CookieChecker(const PublicKey& ours, Rng& rng);

  // `message` is an initiation or a response, for both.
  bool has_valid_mac1(ByteView message) const;
  bool has_valid_mac2(ByteView message, const Endpoint& from, MonoTime now);

  // The answer to `message`, whose sender calls its handshake `receiver`.
  CookieReply create_reply(ByteView message, SessionIndex receiver, const Endpoint& from,
                           MonoTime now);

 private:
  SecretArray<kMacSize> cookie_for(const Endpoint& from, MonoTime now);

  Rng& rng_;
  std::array<std::uint8_t, 32> mac1_key_;
  crypto::XChaChaKey reply_key_;
  SecretArray<32> secret_;
  std::optional<MonoTime> secret_drawn_;
};

// Our side as the one who calls a peer: adds the MACs, and keeps the peer's cookie.
class CookieHolder {
 public:
  explicit CookieHolder(const PublicKey& theirs);

  // Fills in both MACs of an initiation or response; the second stays zero without a fresh cookie.
  void add_macs(ByteSpan message, MonoTime now);
  // Takes a reply to the last message that add_macs() saw, once. False if it does not authenticate:
  // then nothing changes.
  [[nodiscard]] bool accept(const CookieReply& reply, MonoTime now);

 private:
  struct Cookie {
    SecretArray<kMacSize> bytes;
    MonoTime received;
  };

  std::array<std::uint8_t, 32> mac1_key_;
  crypto::XChaChaKey reply_key_;
  std::optional<Mac> last_mac1_;
  std::optional<Cookie> cookie_;
};

}  // namespace sinew::wg
