// Hashes and what is built on them: SHA-256, HMAC (RFC 2104) and HKDF (RFC 5869) over SHA-256 or
// BLAKE2s. A hash object is fed with update() and finished once; it allocates nothing and wipes its
// state. Pure; one thread.
#pragma once

#include <sodium/crypto_hash_sha256.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"
#include "base/verify.h"
#include "crypto/blake2s.h"

namespace sinew::crypto {

using Digest = std::array<std::uint8_t, 32>;

class Sha256 {
 public:
  static constexpr std::size_t kBlockSize = 64;
  static constexpr std::size_t kDigestSize = crypto_hash_sha256_BYTES;

  Sha256();
  Sha256(const Sha256&) = default;
  Sha256& operator=(const Sha256&) = default;
  ~Sha256();

  void update(ByteView data);
  // Writes kDigestSize bytes. Once, and nothing after it.
  void finish(ByteSpan digest);

 private:
  crypto_hash_sha256_state state_;
};

// What HMAC and HKDF are built over.
template <typename T>
concept Hash =
    std::copyable<T> && std::default_initializable<T> && T::kDigestSize == sizeof(Digest) &&
    T::kBlockSize >= T::kDigestSize && requires(T hash, ByteView data, ByteSpan digest) {
      hash.update(data);
      hash.finish(digest);
    };

// HMAC (RFC 2104). Copy a fresh one to authenticate several messages under one key.
template <Hash H>
class Hmac {
 public:
  explicit Hmac(ByteView key) {
    SecretArray<H::kBlockSize> pad;
    const ByteSpan block = pad.expose_mutable();
    if (key.size() > block.size()) {
      H hash;
      hash.update(key);
      hash.finish(block.first(H::kDigestSize));
    } else {
      std::copy(key.begin(), key.end(), block.begin());
    }
    for (std::uint8_t& byte : block)
      byte ^= kInnerPad;
    inner_.update(block);
    for (std::uint8_t& byte : block)
      byte ^= kInnerPad ^ kOuterPad;
    outer_.update(block);
  }

  void update(ByteView data) { inner_.update(data); }
  // Writes H::kDigestSize bytes. Once, and nothing after it.
  void finish(ByteSpan mac) {
    SecretArray<H::kDigestSize> digest;
    inner_.finish(digest.expose_mutable());
    outer_.update(digest.expose());
    outer_.finish(mac);
  }

 private:
  static constexpr std::uint8_t kInnerPad = 0x36;
  static constexpr std::uint8_t kOuterPad = 0x5c;

  H inner_;
  H outer_;
};

inline Digest sha256(ByteView data) {
  Sha256 hash;
  hash.update(data);
  Digest digest;
  hash.finish(digest);
  return digest;
}

template <Hash H>
Digest hmac(ByteView key, ByteView data) {
  Hmac<H> hash(key);
  hash.update(data);
  Digest mac;
  hash.finish(mac);
  return mac;
}

// HKDF-Extract (RFC 5869 section 2.2): an evenly random key from key material that is not.
template <Hash H>
SecretArray<H::kDigestSize> hkdf_extract(ByteView salt, ByteView key_material) {
  Hmac<H> hash(salt);
  hash.update(key_material);
  SecretArray<H::kDigestSize> key;
  hash.finish(key.expose_mutable());
  return key;
}

// HKDF-Expand (RFC 5869 section 2.3): fills `out`, at most 255 digests, from an extracted key.
template <Hash H>
void hkdf_expand(const SecretArray<H::kDigestSize>& key, ByteView info, ByteSpan out) {
  VERIFY(out.size() <= 255 * H::kDigestSize);
  const Hmac<H> keyed(key.expose());
  SecretArray<H::kDigestSize> block;
  for (std::uint8_t counter = 1; !out.empty(); ++counter) {
    Hmac<H> hash = keyed;
    if (counter > 1) hash.update(block.expose());
    hash.update(info);
    hash.update({&counter, 1});
    hash.finish(block.expose_mutable());
    const std::size_t size = std::min(out.size(), block.kSize);
    std::copy_n(block.expose().begin(), size, out.begin());
    out = out.subspan(size);
  }
}

// The HKDF of the Noise protocol (section 4.3) over BLAKE2s; WireGuard's Kdf1, Kdf2 and Kdf3:
//
//     auto [next_chaining_key, key] = noise_kdf<2>(chaining_key, shared_secret);
template <std::size_t Count>
  requires(Count >= 1 && Count <= 3)
std::array<SecretArray<32>, Count> noise_kdf(const SecretArray<32>& chaining_key, ByteView input) {
  const SecretArray<32> key = hkdf_extract<Blake2s>(chaining_key.expose(), input);
  SecretArray<32 * Count> all;
  hkdf_expand<Blake2s>(key, {}, all.expose_mutable());
  std::array<SecretArray<32>, Count> keys;
  for (std::size_t i = 0; i < Count; ++i) {
    std::ranges::copy(all.expose().subspan(32 * i, 32), keys[i].expose_mutable().begin());
  }
  return keys;
}

}  // namespace sinew::crypto
