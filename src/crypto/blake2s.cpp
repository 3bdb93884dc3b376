#include "crypto/blake2s.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/secret.h"
#include "base/verify.h"

namespace sinew::crypto {
namespace {

// RFC 7693 section 2.6: the first words of the fractional parts of the square roots of the primes.
constexpr std::array<std::uint32_t, 8> kIv = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                              0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

// Section 2.7: which message word each step of each round takes.
constexpr std::uint8_t kSigma[10][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                         {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                         {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                         {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                         {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                         {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                         {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                         {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                         {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                         {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

// Section 3.1, the function G.
inline void mix(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d,
                std::uint32_t x, std::uint32_t y) {
  a += b + x;
  d = std::rotr(d ^ a, 16);
  c += d;
  b = std::rotr(b ^ c, 12);
  a += b + y;
  d = std::rotr(d ^ a, 8);
  c += d;
  b = std::rotr(b ^ c, 7);
}

}  // namespace

Blake2s::Blake2s(std::size_t digest_size, ByteView key) : state_(kIv), digest_size_(digest_size) {
  VERIFY(digest_size >= 1 && digest_size <= kDigestSize);
  VERIFY(key.size() <= kMaxKeySize);
  // The parameter block of section 2.5: digest size, key size, fanout 1, depth 1.
  state_[0] ^= 0x01010000U | static_cast<std::uint32_t>(key.size()) << 8 |
               static_cast<std::uint32_t>(digest_size);
  if (key.empty()) return;
  std::copy(key.begin(), key.end(), buffer_.begin());
  buffered_ = kBlockSize;
}

Blake2s::~Blake2s() {
  wipe({reinterpret_cast<std::uint8_t*>(state_.data()), sizeof state_});
  wipe(buffer_);
}

void Blake2s::update(ByteView data) {
  if (data.size() > kBlockSize - buffered_) {
    const ByteView head = data.first(kBlockSize - buffered_);
    std::copy(head.begin(), head.end(), buffer_.data() + buffered_);
    data = data.subspan(head.size());
    compress(buffer_.data(), false);
    buffered_ = 0;
    for (; data.size() > kBlockSize; data = data.subspan(kBlockSize))
      compress(data.data(), false);
  }
  std::copy(data.begin(), data.end(), buffer_.data() + buffered_);
  buffered_ += data.size();
}

void Blake2s::finish(ByteSpan digest) {
  VERIFY(digest.size() == digest_size_);
  std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), buffer_.end(), 0);
  compress(buffer_.data(), true);
  std::array<std::uint8_t, kDigestSize> whole;
  for (std::size_t i = 0; i < state_.size(); ++i)
    store_le(whole.data() + 4 * i, state_[i]);
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  wipe(whole);
}

// Section 3.2, the function F.
void Blake2s::compress(const std::uint8_t* block, bool is_last) {
  compressed_ += is_last ? buffered_ : kBlockSize;
  std::array<std::uint32_t, 16> m;
  for (std::size_t i = 0; i < m.size(); ++i)
    m[i] = load_le<std::uint32_t>(block + 4 * i);
  std::array<std::uint32_t, 16> v;
  std::copy(state_.begin(), state_.end(), v.begin());
  std::copy(kIv.begin(), kIv.end(), v.begin() + 8);
  v[12] ^= static_cast<std::uint32_t>(compressed_);
  v[13] ^= static_cast<std::uint32_t>(compressed_ >> 32);
  if (is_last) v[14] = ~v[14];
#pragma clang loop unroll(full)
  for (const auto& s : kSigma) {
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < state_.size(); ++i)
    state_[i] ^= v[i] ^ v[i + 8];
}

}  // namespace sinew::crypto
