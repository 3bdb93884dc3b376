#include "crypto/x25519.h"

#include <sodium/crypto_scalarmult_curve25519.h>
#include <sodium/utils.h>

#include <algorithm>

#include "base/encoding.h"
#include "crypto/sodium.h"

// libsodium, which is the faster of the two libraries here and allocates nothing
// (docs/decisions/0008-own-blake2s.md).
namespace sinew::crypto {

Result<X25519PublicKey> X25519PublicKey::parse(std::string_view text) {
  const auto bytes = from_base64(text);
  if (!bytes || bytes->size() != kSize) {
    // The text is not repeated: it may be a private key in the wrong place.
    return Error{ErrorKind::kInvalid, "not a public key: expected 44 characters of base64"};
  }
  X25519PublicKey key;
  std::ranges::copy(*bytes, key.bytes_.begin());
  return key;
}

std::string X25519PublicKey::to_string() const {
  return to_base64(bytes_);
}

X25519PrivateKey X25519PrivateKey::generate(Rng& rng) {
  SecretArray<kSize> bytes;
  rng.fill(bytes.expose_mutable());
  return X25519PrivateKey(bytes.expose());
}

X25519PrivateKey::X25519PrivateKey(std::span<const std::uint8_t, kSize> bytes) : scalar_(bytes) {
  const auto scalar = scalar_.expose_mutable();
  scalar[0] &= 0xf8;
  scalar[31] &= 0x7f;
  scalar[31] |= 0x40;
}

X25519PublicKey X25519PrivateKey::public_key() const {
  init_sodium();
  std::array<std::uint8_t, X25519PublicKey::kSize> bytes;
  crypto_scalarmult_curve25519_base(bytes.data(), expose().data());
  return X25519PublicKey(bytes);
}

std::optional<SharedSecret> x25519(const X25519PrivateKey& ours, const X25519PublicKey& theirs) {
  init_sodium();
  SharedSecret secret;
  const auto out = secret.expose_mutable();
  const bool is_refused =
      crypto_scalarmult_curve25519(out.data(), ours.expose().data(), theirs.bytes().data()) != 0;
  // The library refuses too, but its check is a list of points; this one is the rule itself.
  if (is_refused || sodium_is_zero(out.data(), out.size()) != 0) return std::nullopt;
  return secret;
}

std::size_t hash_of(const X25519PublicKey& key) {
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < X25519PublicKey::kSize; i += 8) {
    hash = (hash ^ load_le<std::uint64_t>(key.bytes().data() + i)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return static_cast<std::size_t>(hash);
}

}  // namespace sinew::crypto
