// ChaCha20-Poly1305 (RFC 8439) for one message, and for many packets under one key at once: the
// packet path seals and opens a batch in a fraction of the time that as many single calls of any
// library take (docs/decisions/0002).
//
// An AeadCipher is a key set up for the widest vector unit of this machine. It has no state: the
// caller owns the nonces, and a nonce is used once for a key. Pure; safe to use from several
// threads at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/secret.h"

namespace sinew::crypto {

struct AeadKernel;  // crypto/aead_kernel.h
std::string_view name_of(const AeadKernel& kernel);

inline constexpr std::size_t kAeadKeySize = 32;
inline constexpr std::size_t kAeadTagSize = 16;
inline constexpr std::size_t kAeadNonceSize = 12;

using AeadKey = SecretArray<kAeadKeySize>;
using AeadNonce = std::array<std::uint8_t, kAeadNonceSize>;

// The nonce of transport packets: four zero bytes and the counter, little endian.
AeadNonce nonce_of_counter(std::uint64_t counter);

// One packet of a batch. `plain` and `sealed` (16 bytes longer: ciphertext, then tag) may start at
// the same byte, so that a packet is worked on in place; any other overlap is not allowed.
struct SealItem {
  std::uint64_t counter;
  ByteView plain;
  ByteSpan sealed;
};
struct OpenItem {
  std::uint64_t counter;
  ByteView sealed;  // one shorter than a tag is not authentic
  ByteSpan plain;   // written only if the packet is authentic
  bool is_authentic = false;
};

class AeadCipher {
 public:
  explicit AeadCipher(const AeadKey& key) : AeadCipher(key, best_kernel()) {}
  // With a kernel of the caller's choice, out of supported_kernels(): for tests and benchmarks.
  AeadCipher(const AeadKey& key, const AeadKernel& kernel);
  // What was moved away has no kernel: using it stops the program, instead of sealing with zeros.
  AeadCipher(AeadCipher&& other) noexcept
      : kernel_(std::exchange(other.kernel_, nullptr)), key_(std::move(other.key_)) {}
  AeadCipher& operator=(AeadCipher&& other) noexcept {
    kernel_ = std::exchange(other.kernel_, nullptr);
    key_ = std::move(other.key_);
    return *this;
  }

  // `sealed` is 16 bytes longer than `plain`.
  void seal(const AeadNonce& nonce, ByteView aad, ByteView plain, ByteSpan sealed) const;
  // False and `plain` untouched unless `sealed` is authentic. `plain` is 16 bytes shorter than
  // `sealed`.
  [[nodiscard]] bool open(const AeadNonce& nonce, ByteView aad, ByteView sealed,
                          ByteSpan plain) const;

  void seal_batch(std::span<const SealItem> items) const;
  // Sets `is_authentic` of each item and returns how many are.
  [[nodiscard]] std::size_t open_batch(std::span<OpenItem> items) const;

  static const AeadKernel& best_kernel();
  // The kernels this machine can run, the best one first.
  static std::span<const AeadKernel* const> supported_kernels();

 private:
  const AeadKernel* kernel_;
  AeadKey key_;
};

}  // namespace sinew::crypto
