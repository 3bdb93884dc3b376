// X25519 (RFC 7748): the key exchange of WireGuard, disco and DERP. A private key neither prints
// nor compares; a public key is a value. Pure; the randomness is a parameter.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/secret.h"

namespace sinew::crypto {

class X25519PublicKey {
 public:
  static constexpr std::size_t kSize = 32;

  constexpr X25519PublicKey() = default;  // all zero: a key nobody has
  constexpr explicit X25519PublicKey(const std::array<std::uint8_t, kSize>& bytes)
      : bytes_(bytes) {}

  // The 44 characters of base64 that `wg` prints.
  static Result<X25519PublicKey> parse(std::string_view text);
  std::string to_string() const;

  constexpr const std::array<std::uint8_t, kSize>& bytes() const { return bytes_; }

  friend constexpr auto operator<=>(const X25519PublicKey&, const X25519PublicKey&) = default;

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

class X25519PrivateKey {
 public:
  static constexpr std::size_t kSize = 32;

  static X25519PrivateKey generate(Rng& rng);
  // Clamps the bytes (RFC 7748 section 5), so that a key has one form wherever it is stored.
  explicit X25519PrivateKey(std::span<const std::uint8_t, kSize> bytes);

  X25519PublicKey public_key() const;

  X25519PrivateKey clone() const { return X25519PrivateKey(expose()); }
  std::span<const std::uint8_t, kSize> expose() const { return scalar_.expose(); }

 private:
  SecretArray<kSize> scalar_;
};

using SharedSecret = SecretArray<32>;

// The secret both sides compute. None when it is all zero, which a peer forces with a public key of
// low order: such a secret is known to everybody.
[[nodiscard]] std::optional<SharedSecret> x25519(const X25519PrivateKey& ours,
                                                 const X25519PublicKey& theirs);

// Spreads well in a table; not keyed, so tables that strangers fill need a bound of their own.
std::size_t hash_of(const X25519PublicKey& key);

}  // namespace sinew::crypto

template <>
struct std::hash<sinew::crypto::X25519PublicKey> {
  std::size_t operator()(const sinew::crypto::X25519PublicKey& key) const noexcept {
    return sinew::crypto::hash_of(key);
  }
};
