// BLAKE2s (RFC 7693): the hash and the keyed hash of WireGuard. Our own, because a handshake hashes
// about twenty short strings and a library's set-up costs more than the hashing
// (docs/decisions/0008-own-blake2s.md). Allocates nothing; wipes its state. Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace sinew::crypto {

class Blake2s {
 public:
  static constexpr std::size_t kBlockSize = 64;
  static constexpr std::size_t kDigestSize = 32;  // the longest and the usual one
  static constexpr std::size_t kMaxKeySize = 32;

  // digest_size is 1 to kDigestSize; a key makes it a message authentication code.
  explicit Blake2s(std::size_t digest_size = kDigestSize, ByteView key = {});
  Blake2s(const Blake2s&) = default;
  Blake2s& operator=(const Blake2s&) = default;
  ~Blake2s();

  void update(ByteView data);
  // Writes the digest, which is digest_size long. Once, and nothing after it.
  void finish(ByteSpan digest);

 private:
  void compress(const std::uint8_t* block, bool is_last);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, kBlockSize> buffer_{};  // the last block is held back until finish()
  std::size_t buffered_ = 0;
  std::uint64_t compressed_ = 0;  // bytes
  std::size_t digest_size_;
};

// The digest of one string.
template <std::size_t Size = Blake2s::kDigestSize>
std::array<std::uint8_t, Size> blake2s(ByteView data, ByteView key = {}) {
  Blake2s hash(Size, key);
  hash.update(data);
  std::array<std::uint8_t, Size> digest;
  hash.finish(digest);
  return digest;
}

}  // namespace sinew::crypto
