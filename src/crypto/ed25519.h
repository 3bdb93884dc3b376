// Ed25519 signatures (RFC 8032). Verification is strict: keys and points of low order and encodings
// that are not canonical are refused, so that no two signatures of one message and key by anybody
// but the signer exist. Pure; the randomness is a parameter.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/secret.h"

namespace sinew::crypto {

class Ed25519Signature {
 public:
  static constexpr std::size_t kSize = 64;

  constexpr explicit Ed25519Signature(const std::array<std::uint8_t, kSize>& bytes)
      : bytes_(bytes) {}

  constexpr const std::array<std::uint8_t, kSize>& bytes() const { return bytes_; }

  friend constexpr auto operator<=>(const Ed25519Signature&, const Ed25519Signature&) = default;

 private:
  std::array<std::uint8_t, kSize> bytes_;
};

class Ed25519VerifyKey {
 public:
  static constexpr std::size_t kSize = 32;

  constexpr explicit Ed25519VerifyKey(const std::array<std::uint8_t, kSize>& bytes)
      : bytes_(bytes) {}

  // 44 characters of base64.
  static Result<Ed25519VerifyKey> parse(std::string_view text);
  std::string to_string() const;

  [[nodiscard]] bool verify(ByteView message, const Ed25519Signature& signature) const;

  constexpr const std::array<std::uint8_t, kSize>& bytes() const { return bytes_; }

  friend constexpr auto operator<=>(const Ed25519VerifyKey&, const Ed25519VerifyKey&) = default;

 private:
  std::array<std::uint8_t, kSize> bytes_;
};

class Ed25519SigningKey {
 public:
  static constexpr std::size_t kSeedSize = 32;

  static Ed25519SigningKey generate(Rng& rng);
  // The 32 bytes RFC 8032 calls the private key.
  explicit Ed25519SigningKey(std::span<const std::uint8_t, kSeedSize> seed);

  Ed25519VerifyKey verify_key() const;
  Ed25519Signature sign(ByteView message) const;

  std::span<const std::uint8_t, kSeedSize> expose_seed() const;

 private:
  SecretArray<kSeedSize + Ed25519VerifyKey::kSize> key_;  // the seed and the verify key
};

}  // namespace sinew::crypto
