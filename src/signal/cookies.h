// Proof that somebody can receive at the address he sends from, without keeping anything of him: a
// MAC over his address, his ephemeral key and his cluster under a secret of ours. The secret is
// drawn anew after kCookieLifetime, and the one before counts as long again. A restart makes all
// cookies void. Pure; one thread.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/rng.h"
#include "base/secret.h"
#include "signal/messages.h"
#include "signal/route.h"

namespace sinew::signal {

inline constexpr Duration kCookieLifetime = 120s;  // at least; at most twice that

class CookieJar {
 public:
  explicit CookieJar(Rng& rng) : rng_(rng) {}

  Cookie bake(const ClusterTag& tag, const PublicKey& ephemeral, const Route& from, MonoTime now);
  bool is_good(const Cookie& cookie, const ClusterTag& tag, const PublicKey& ephemeral,
               const Route& from, MonoTime now);

 private:
  void refresh(MonoTime now);

  Rng& rng_;
  SecretArray<32> current_;
  SecretArray<32> previous_;
  std::optional<MonoTime> drawn_;
  bool has_previous_ = false;
};

}  // namespace sinew::signal
