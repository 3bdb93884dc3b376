// The NaCl box (X25519, XSalsa20, Poly1305): what the DERP login and disco messages travel in. The
// key of a pair of parties is computed once and kept. Both may seal under it, so a nonce must never
// repeat on either side: draw it at random. Pure; one thread may seal while another opens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/x25519.h"

namespace sinew::crypto {

class BoxKey {
 public:
  static constexpr std::size_t kNonceSize = 24;
  static constexpr std::size_t kTagSize = 16;
  using Nonce = std::array<std::uint8_t, kNonceSize>;

  // None when `theirs` is of low order (see x25519()).
  [[nodiscard]] static std::optional<BoxKey> between(const X25519PrivateKey& ours,
                                                     const X25519PublicKey& theirs);

  // Writes tag and ciphertext to `sealed`, which is kTagSize longer than `plain`.
  void seal(const Nonce& nonce, ByteView plain, ByteSpan sealed) const;

  // Writes the plaintext to `plain`, which is kTagSize shorter than `sealed`. False, and `plain` is
  // wiped, when `sealed` is forged; also when it is too short to hold a tag.
  [[nodiscard]] bool open(const Nonce& nonce, ByteView sealed, ByteSpan plain) const;

 private:
  BoxKey() = default;

  SecretArray<32> key_;
};

}  // namespace sinew::crypto
