// The wire format of WireGuard and its limits (whitepaper sections 5.4 and 6.1). kind_of() is the
// one gate for types and lengths: behind it nothing checks them again, and decoders stop the
// program when they are handed what did not pass it. Integers are little endian. Pure values.
//
//     initiation  01 00 00 00 | sender 4 | ephemeral 32 | static 48 | timestamp 28 | mac1 16 | mac2
//     16 response    02 00 00 00 | sender 4 | receiver 4 | ephemeral 32 | empty 16 | mac1 16 | mac2
//     16 cookie      03 00 00 00 | receiver 4 | nonce 24 | cookie 32 data        04 00 00 00 |
//     receiver 4 | counter 8 | inner packet, padded | tag 16
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/secret.h"
#include "crypto/x25519.h"
#include "wg/ids.h"

namespace sinew::wg {

using PublicKey = crypto::X25519PublicKey;
using PrivateKey = crypto::X25519PrivateKey;
using PresharedKey = SecretArray<32>;  // all zero: none

// Section 6.1 and, where the paper leaves it open, the Linux kernel.
inline constexpr std::uint64_t kRekeyAfterMessages = std::uint64_t{1} << 60;
inline constexpr std::uint64_t kRejectAfterMessages = ~std::uint64_t{0} - (1 << 13);
inline constexpr Duration kRekeyAfterTime = 120s;
inline constexpr Duration kRejectAfterTime = 180s;
inline constexpr Duration kRekeyAttemptTime = 90s;
inline constexpr Duration kRekeyTimeout = 5s;
inline constexpr Duration kMaxJitter = 333ms;
inline constexpr Duration kKeepaliveTimeout = 10s;
inline constexpr unsigned kMaxTimerHandshakes = kRekeyAttemptTime / kRekeyTimeout;
inline constexpr Duration kForgetKeysAfter = 3 * kRejectAfterTime;
inline constexpr Duration kCookieLifetime = 120s;
inline constexpr Duration kCookieLatency = 5s;  // a held cookie is used this much shorter
// Most initiations of one peer that are answered. Timestamps are as coarse as this allows.
inline constexpr unsigned kInitiationsPerSecond = 50;

inline constexpr std::size_t kMacSize = 16;
inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kTimestampSize = 12;
inline constexpr std::size_t kInitiationSize = 148;
inline constexpr std::size_t kResponseSize = 92;
inline constexpr std::size_t kCookieSize = 64;
inline constexpr std::size_t kDataHeaderSize = 16;
inline constexpr std::size_t kDataOverhead = kDataHeaderSize + kTagSize;
inline constexpr std::size_t kKeepaliveSize = kDataOverhead;
inline constexpr std::size_t kMaxHandshakeSize = kInitiationSize;
inline constexpr std::size_t kPaddingSize = 16;

static_assert(kRejectAfterMessages == 0xffff'ffff'ffff'dfff);
static_assert(kMaxTimerHandshakes == 18);

enum class Kind : std::uint8_t {
  kInvalid = 0,
  kInitiation = 1,
  kResponse = 2,
  kCookie = 3,
  kData = 4,
};

// What a datagram is by its first four bytes, if its length fits that: exactly for the three
// handshake messages, at least an empty packet for data.
inline Kind kind_of(ByteView datagram) {
  constexpr std::size_t kTypeSize = 4;
  if (datagram.size() < kTypeSize) return Kind::kInvalid;
  // One type byte and three reserved zero bytes, read as one number.
  switch (load_le<std::uint32_t>(datagram.data())) {
    case 4: return datagram.size() >= kKeepaliveSize ? Kind::kData : Kind::kInvalid;
    case 1: return datagram.size() == kInitiationSize ? Kind::kInitiation : Kind::kInvalid;
    case 2: return datagram.size() == kResponseSize ? Kind::kResponse : Kind::kInvalid;
    case 3: return datagram.size() == kCookieSize ? Kind::kCookie : Kind::kInvalid;
    default: return Kind::kInvalid;
  }
}

// The three handshake messages without the two MACs at the end of the first and the second, which
// are over the bytes of the message and belong to cookie.h; encode() leaves them zero.
struct Initiation {
  static constexpr std::size_t kSize = kInitiationSize;

  SessionIndex sender;
  std::array<std::uint8_t, 32> ephemeral{};
  std::array<std::uint8_t, 32 + kTagSize> sealed_static{};
  std::array<std::uint8_t, kTimestampSize + kTagSize> sealed_timestamp{};

  static Initiation decode(ByteView message);
  void encode(std::span<std::uint8_t, kSize> out) const;
};

struct Response {
  static constexpr std::size_t kSize = kResponseSize;

  SessionIndex sender;
  SessionIndex receiver;
  std::array<std::uint8_t, 32> ephemeral{};
  std::array<std::uint8_t, kTagSize> sealed_nothing{};

  static Response decode(ByteView message);
  void encode(std::span<std::uint8_t, kSize> out) const;
};

struct CookieReply {
  static constexpr std::size_t kSize = kCookieSize;

  SessionIndex receiver;
  std::array<std::uint8_t, 24> nonce{};
  std::array<std::uint8_t, kMacSize + kTagSize> sealed_cookie{};

  static CookieReply decode(ByteView message);
  void encode(std::span<std::uint8_t, kSize> out) const;
};

// In front of every data packet.
struct DataHeader {
  static constexpr std::size_t kSize = kDataHeaderSize;

  SessionIndex receiver;
  std::uint64_t counter = 0;

  // kSize bytes are there.
  static DataHeader load(const std::uint8_t* from) {
    return {.receiver = SessionIndex(load_le<std::uint32_t>(from + 4)),
            .counter = load_le<std::uint64_t>(from + 8)};
  }
  void store(std::uint8_t* to) const {
    store_le(to, std::uint32_t{4});
    store_le(to + 4, receiver.value());
    store_le(to + 8, counter);
  }
};

static_assert(Initiation::kSize == 148);
static_assert(Response::kSize == 92);
static_assert(CookieReply::kSize == 64);
static_assert(DataHeader::kSize == 16);

// The size an inner packet is padded to before it is sealed: the next multiple of 16, so that its
// length says less, but never more than the MTU. A packet above the MTU counts from the last whole
// MTU on, as the kernel does.
inline std::size_t padded_size(std::size_t inner, std::size_t mtu) {
  const std::size_t last = mtu != 0 && inner > mtu ? inner % mtu : inner;
  std::size_t padded = (last + kPaddingSize - 1) / kPaddingSize * kPaddingSize;
  if (mtu != 0 && padded > mtu) padded = mtu;
  return inner - last + padded;
}

}  // namespace sinew::wg
