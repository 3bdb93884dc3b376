#include "crypto/ed25519.h"

#include <sodium/crypto_sign_ed25519.h>

#include <algorithm>

#include "base/encoding.h"

namespace sinew::crypto {

Result<Ed25519VerifyKey> Ed25519VerifyKey::parse(std::string_view text) {
  const auto bytes = from_base64(text);
  if (!bytes || bytes->size() != kSize) {
    return Error{ErrorKind::kInvalid, "not a verify key: expected 44 characters of base64"};
  }
  std::array<std::uint8_t, kSize> key;
  std::ranges::copy(*bytes, key.begin());
  return Ed25519VerifyKey(key);
}

std::string Ed25519VerifyKey::to_string() const {
  return to_base64(bytes_);
}

bool Ed25519VerifyKey::verify(ByteView message, const Ed25519Signature& signature) const {
  return crypto_sign_ed25519_verify_detached(signature.bytes().data(), message.data(),
                                             message.size(), bytes_.data()) == 0;
}

Ed25519SigningKey Ed25519SigningKey::generate(Rng& rng) {
  SecretArray<kSeedSize> seed;
  rng.fill(seed.expose_mutable());
  return Ed25519SigningKey(seed.expose());
}

Ed25519SigningKey::Ed25519SigningKey(std::span<const std::uint8_t, kSeedSize> seed) {
  std::array<std::uint8_t, Ed25519VerifyKey::kSize> verify_key;
  crypto_sign_ed25519_seed_keypair(verify_key.data(), key_.expose_mutable().data(), seed.data());
}

Ed25519VerifyKey Ed25519SigningKey::verify_key() const {
  std::array<std::uint8_t, Ed25519VerifyKey::kSize> bytes;
  std::ranges::copy(key_.expose().last<Ed25519VerifyKey::kSize>(), bytes.begin());
  return Ed25519VerifyKey(bytes);
}

Ed25519Signature Ed25519SigningKey::sign(ByteView message) const {
  std::array<std::uint8_t, Ed25519Signature::kSize> bytes;
  crypto_sign_ed25519_detached(bytes.data(), nullptr, message.data(), message.size(),
                               key_.expose().data());
  return Ed25519Signature(bytes);
}

std::span<const std::uint8_t, Ed25519SigningKey::kSeedSize> Ed25519SigningKey::expose_seed() const {
  return key_.expose().first<kSeedSize>();
}

}  // namespace sinew::crypto
