#include "crypto/password.h"

#include <fmt/format.h>
#include <sodium/crypto_pwhash.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/encoding.h"
#include "base/ip.h"
#include "base/verify.h"
#include "crypto/sodium.h"

namespace sinew::crypto {
namespace {

constexpr std::size_t kHashSize = 32;
constexpr std::size_t kMinSaltSize = 8;  // RFC 9106 section 3.1
constexpr std::size_t kMaxSaltSize = 32;
constexpr unsigned long long kBytesPerKib = 1024;

bool is_valid(const PasswordCost& cost) {
  return cost.memory_kib >= kMinPasswordCost.memory_kib &&
         cost.memory_kib <= kMaxPasswordCost.memory_kib && cost.passes >= kMinPasswordCost.passes &&
         cost.passes <= kMaxPasswordCost.passes;
}

// PHC strings leave the padding out.
std::string to_unpadded_base64(ByteView bytes) {
  std::string text = to_base64(bytes);
  text.erase(std::min(text.find('='), text.size()));
  return text;
}

std::optional<Bytes> from_unpadded_base64(std::string_view text) {
  if (text.find('=') != std::string_view::npos) return std::nullopt;
  std::string padded(text);
  padded.append((4 - text.size() % 4) % 4, '=');
  return from_base64(padded);
}

// The library takes no null pointer, which is what an empty password has.
const char* text_of(const SecretBytes& password) {
  return password.is_empty() ? "" : password.expose_text().data();
}

// Takes what stands before `end` off the front of `rest`, and `end` with it.
std::optional<std::string_view> take_until(std::string_view& rest, std::string_view end) {
  const std::size_t at = rest.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at + end.size());
  return taken;
}

// The cost of a PHC string that is well-formed to its last character and within bounds.
std::optional<PasswordCost> cost_of(std::string_view stored) {
  if (take_until(stored, "$argon2id$v=19$m=") != "") return std::nullopt;
  const auto memory = take_until(stored, ",t=");
  const auto passes = take_until(stored, ",p=1$");
  const auto salt_text = take_until(stored, "$");
  if (!memory || !passes || !salt_text) return std::nullopt;
  const auto memory_kib = parse_decimal(*memory, UINT32_MAX);
  const auto pass_count = parse_decimal(*passes, UINT32_MAX);
  const auto salt = from_unpadded_base64(*salt_text);
  const auto hash = from_unpadded_base64(stored);
  if (!memory_kib || !pass_count || !salt || !hash) return std::nullopt;
  if (salt->size() < kMinSaltSize || salt->size() > kMaxSaltSize) return std::nullopt;
  if (hash->size() != kHashSize) return std::nullopt;
  const PasswordCost cost{.memory_kib = *memory_kib, .passes = *pass_count};
  return is_valid(cost) ? std::optional(cost) : std::nullopt;
}

}  // namespace

Result<std::string> hash_password(const SecretBytes& password, const PasswordCost& cost, Rng& rng) {
  VERIFY(is_valid(cost));
  init_sodium();
  std::array<std::uint8_t, crypto_pwhash_SALTBYTES> salt;
  rng.fill(salt);
  std::array<std::uint8_t, kHashSize> hash;
  const int failed = crypto_pwhash(
      hash.data(), hash.size(), text_of(password), password.size(), salt.data(), cost.passes,
      static_cast<std::size_t>(cost.memory_kib * kBytesPerKib), crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) return Error{ErrorKind::kOverloaded, "hash password: out of memory"};
  return fmt::format("$argon2id$v=19$m={},t={},p=1${}${}", cost.memory_kib, cost.passes,
                     to_unpadded_base64(salt), to_unpadded_base64(hash));
}

bool verify_password(const SecretBytes& password, std::string_view stored) {
  if (!cost_of(stored)) return false;
  init_sodium();
  return crypto_pwhash_str_verify(std::string(stored).c_str(), text_of(password),
                                  password.size()) == 0;
}

bool needs_rehash(std::string_view stored, const PasswordCost& cost) {
  return cost_of(stored) != cost;
}

Result<SecretArray<32>> stretch_password(const SecretBytes& password, const PasswordSalt& salt,
                                         const PasswordCost& cost) {
  VERIFY(is_valid(cost));
  static_assert(sizeof(PasswordSalt) == crypto_pwhash_SALTBYTES);
  init_sodium();
  SecretArray<32> key;
  const auto out = key.expose_mutable();
  const int failed = crypto_pwhash(
      out.data(), out.size(), text_of(password), password.size(), salt.data(), cost.passes,
      static_cast<std::size_t>(cost.memory_kib * kBytesPerKib), crypto_pwhash_ALG_ARGON2ID13);
  if (failed != 0) return Error{ErrorKind::kOverloaded, "stretch password: out of memory"};
  return key;
}

}  // namespace sinew::crypto
