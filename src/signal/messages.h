// The datagrams of the signal protocol: their sizes, their order of bytes, and the one gate for
// types and lengths. Integers are big endian. docs/protocol/signal.md has the tables and says what
// each field is for. Pure values.
//
//     HELLO    C1 01 01 fl | tag 8 | ephemeral 32 | random 16 | zeros 24 | mac 16         100 bytes
//     WELCOME  C1 02 01 00 | random 16 | server key 32 | cookie 32 | mac 16               100 bytes
//     OPEN     C1 03 01 fl | tag 8 | ephemeral 32 | cookie 32 | node key 32 + 16 | request + 16
//     DATA     C1 04 01 fl | tag 8 | session 8 | counter 8 | message + 16
//     RESET    C1 05 01 00 | session 8 | counter 8 | mac 16                                36 bytes
//
// fl is 0, or kClear: what would be encrypted stands there readable, and its 16 bytes authenticate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/strong_id.h"
#include "crypto/x25519.h"
#include "signal/cluster_key.h"

namespace sinew::signal {

inline constexpr std::uint8_t kFirstByte = 0xC1;
inline constexpr std::uint8_t kVersion = 1;
inline constexpr std::uint8_t kClear = 1;  // the one flag there is

inline constexpr std::size_t kHeaderSize = 4;
inline constexpr std::size_t kMacSize = 16;
inline constexpr std::size_t kSealSize = 16;  // of what is sealed, or authenticated only
inline constexpr std::size_t kHelloSize = 100;
inline constexpr std::size_t kWelcomeSize = 100;
inline constexpr std::size_t kOpenHeadSize = kHeaderSize + 8 + 32 + 32;
inline constexpr std::size_t kOpenOverhead = kOpenHeadSize + 32 + kSealSize + kSealSize;
inline constexpr std::size_t kDataHeadSize = kHeaderSize + 8 + 8 + 8;
inline constexpr std::size_t kDataOverhead = kDataHeadSize + kSealSize;
inline constexpr std::size_t kResetSize = kHeaderSize + 8 + 8 + kMacSize;
// Passes the internet unfragmented, also inside tunnels.
inline constexpr std::size_t kMaxDatagramSize = 1200;
inline constexpr std::size_t kMaxMessageSize = kMaxDatagramSize - kDataOverhead;
inline constexpr std::size_t kMaxOpenMessageSize = kMaxDatagramSize - kOpenOverhead;

// An answer to somebody who has not proven to be at his address is never longer than the question.
static_assert(kWelcomeSize <= kHelloSize);
static_assert(kResetSize <= kDataOverhead);

using PublicKey = crypto::X25519PublicKey;
using PrivateKey = crypto::X25519PrivateKey;
using Mac = std::array<std::uint8_t, kMacSize>;
using Random = std::array<std::uint8_t, 16>;
using Cookie = std::array<std::uint8_t, 32>;
using SessionId = StrongId<struct SessionIdTag, std::uint64_t>;

enum class Kind : std::uint8_t {
  kInvalid = 0,
  kHello = 1,
  kWelcome = 2,
  kOpen = 3,
  kData = 4,
  kReset = 5,
};

// Whether the datagram belongs to this protocol at all; what it is behind that, kind_of() says.
inline bool is_signal(ByteView datagram) {
  return !datagram.empty() && datagram[0] == kFirstByte;
}

// The gate: behind it lengths, version and flags are right, and decoders stop the program when
// they are handed what did not pass.
Kind kind_of(ByteView datagram);

// Each decode() takes a datagram that kind_of() named so.
struct Hello {
  static constexpr std::size_t kSize = kHelloSize;
  std::uint8_t flags = 0;
  ClusterTag tag{};
  PublicKey ephemeral;
  Random random{};

  static Hello decode(ByteView datagram);
  // With its mac, which proves the cluster's secret.
  Bytes encode(const ClusterKey& key) const;
  static bool is_authentic(ByteView datagram, const ClusterKey& key);
};

struct Welcome {
  static constexpr std::size_t kSize = kWelcomeSize;
  Random random{};  // of the hello
  PublicKey server;
  Cookie cookie{};

  static Welcome decode(ByteView datagram);
  // The mac covers the hello's ephemeral key too.
  Bytes encode(const ClusterKey& key, const PublicKey& ephemeral) const;
  static bool is_authentic(ByteView datagram, const ClusterKey& key, const PublicKey& ephemeral);
};

struct OpenHead {
  static constexpr std::size_t kSize = kOpenHeadSize;
  std::uint8_t flags = 0;
  ClusterTag tag{};
  PublicKey ephemeral;
  Cookie cookie{};

  static OpenHead decode(ByteView datagram);
  void encode(ByteWriter& out) const;
};

struct DataHead {
  static constexpr std::size_t kSize = kDataHeadSize;
  std::uint8_t flags = 0;
  ClusterTag tag{};
  SessionId session;
  std::uint64_t counter = 0;

  static DataHead decode(ByteView datagram);
  void encode(ByteWriter& out) const;
};

struct Reset {
  static constexpr std::size_t kSize = kResetSize;
  SessionId session;          // both of the datagram
  std::uint64_t counter = 0;  // that had no session

  static Reset decode(ByteView datagram);
  // The mac covers the server's key, so that the word of one nucleus ends no session of another.
  Bytes encode(const ClusterKey& key, const PublicKey& server) const;
  static bool is_authentic(ByteView datagram, const ClusterKey& key, const PublicKey& server);
};

static_assert(Hello::kSize == 100);
static_assert(Welcome::kSize == 100);
static_assert(OpenHead::kSize == 76);
static_assert(DataHead::kSize == 28);
static_assert(Reset::kSize == 36);

}  // namespace sinew::signal
