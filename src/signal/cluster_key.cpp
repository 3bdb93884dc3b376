#include "signal/cluster_key.h"

#include <algorithm>
#include <utility>

#include "crypto/hash.h"
#include "crypto/password.h"

namespace sinew::signal {
namespace {

// What a machine with little memory can spare, and a guesser has to spend for each try.
constexpr crypto::PasswordCost kStretchCost{.memory_kib = 19 * 1024, .passes = 2};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.';
}

crypto::PasswordSalt salt_of(std::string_view name) {
  crypto::Sha256 hash;
  hash.update(as_bytes("sinew cluster"));
  hash.update(as_bytes(name));
  crypto::Digest digest;
  hash.finish(digest);
  crypto::PasswordSalt salt;
  std::copy_n(digest.begin(), salt.size(), salt.begin());
  return salt;
}

void derive_into(const SecretArray<32>& root, std::string_view label, ByteSpan out) {
  crypto::hkdf_expand<crypto::Sha256>(root, as_bytes(label), out);
}

}  // namespace

Result<> ClusterKey::check_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxClusterNameBytes ||
      !std::ranges::all_of(name, is_name_character)) {
    return Error{ErrorKind::kInvalid,
                 "cluster name: 1 to 64 letters, digits, '-', '_' or '.' are allowed"};
  }
  return {};
}

Result<ClusterKey> ClusterKey::derive(std::string_view name, const SecretBytes& secret) {
  TRY(check_name(name));
  if (secret.is_empty()) return Error{ErrorKind::kInvalid, "cluster secret: it is empty"};
  return ClusterKey(TRY(crypto::stretch_password(secret, salt_of(name), kStretchCost)));
}

ClusterKey::ClusterKey(SecretArray<32> root) : root_(std::move(root)) {
  derive_into(root_, "sinew signal tag", tag_);
  derive_into(root_, "sinew signal hello", hello_.expose_mutable());
  derive_into(root_, "sinew signal welcome", welcome_.expose_mutable());
  derive_into(root_, "sinew signal reset", reset_.expose_mutable());
}

SecretArray<32> ClusterKey::relay_admission_key() const {
  SecretArray<32> key;
  derive_into(root_, "sinew relay admission", key.expose_mutable());
  return key;
}

}  // namespace sinew::signal
