// Passwords at rest, and keys out of them: Argon2id (RFC 9106) in a PHC string,
//
//     $argon2id$v=19$m=65536,t=2,p=1$<salt>$<hash>
//
// Hashing and verifying take about a tenth of a second and the memory named in the cost, on
// purpose: call them from a worker, behind a rate limit. Pure; the salt comes from the Rng.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/rng.h"
#include "base/secret.h"

namespace sinew::crypto {

struct PasswordCost {
  std::uint32_t memory_kib = 65'536;
  std::uint32_t passes = 2;

  friend constexpr bool operator==(const PasswordCost&, const PasswordCost&) = default;
};

// A cost below the first or above the second is no valid cost. The upper bound keeps a stored
// string that somebody tampered with from taking all memory.
inline constexpr PasswordCost kMinPasswordCost{.memory_kib = 8, .passes = 1};
inline constexpr PasswordCost kMaxPasswordCost{.memory_kib = 262'144, .passes = 16};

// kOverloaded when the memory is not there.
[[nodiscard]] Result<std::string> hash_password(const SecretBytes& password,
                                                const PasswordCost& cost, Rng& rng);

// Whether `stored` is the hash of `password`. False for a string that is none of ours.
[[nodiscard]] bool verify_password(const SecretBytes& password, std::string_view stored);

// Whether `stored` was made at another cost than `cost`, or cannot be read: hash again after the
// next successful login.
[[nodiscard]] bool needs_rehash(std::string_view stored, const PasswordCost& cost);

using PasswordSalt = std::array<std::uint8_t, 16>;

// A key that whoever knows the password computes again from the same salt and cost. kOverloaded
// when the memory is not there.
[[nodiscard]] Result<SecretArray<32>> stretch_password(const SecretBytes& password,
                                                       const PasswordSalt& salt,
                                                       const PasswordCost& cost);

}  // namespace sinew::crypto
