// Module disco: the probes with which two nodes find out over which addresses they reach each other
// (docs/protocol/disco.md). Here is the wire format alone: what stands in a message, sealing and
// opening it. Who is asked when is `path`'s business.
//
// A message is a NaCl box between the disco keys of two nodes, so only the two can make or read it.
// A stranger's datagram is recognised by the key in front, before any arithmetic: who keeps a table
// of known keys pays one look-up for it and never answers. A recorded message can be played again
// from another address; the reader has to bear that (a Ping is answered where it came from, with
// fewer bytes; a Pong holds only for the transaction it names). Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/rng.h"
#include "crypto/box.h"
#include "crypto/x25519.h"
#include "netmap/netmap.h"

namespace sinew::disco {

inline constexpr std::array<std::uint8_t, 4> kMagic{0xD1, 'S', 'N', 'W'};
inline constexpr std::size_t kHeaderSize =
    kMagic.size() + crypto::X25519PublicKey::kSize + crypto::BoxKey::kNonceSize;
inline constexpr std::size_t kOverhead = kHeaderSize + crypto::BoxKey::kTagSize;
inline constexpr std::size_t kMaxMessageSize = 1500;  // bytes; longer ones are not opened

using TransactionId = std::array<std::uint8_t, 12>;

// "Are you there?" Names its sender's node key, which the receiver compares with the one it knows
// for this disco key.
struct Ping {
  static constexpr std::size_t kSize = kOverhead + 1 + 12 + 32;  // without padding

  TransactionId transaction{};
  netmap::NodeKey sender;
  // Of the whole datagram. Larger than kSize: padded, to find out whether packets of that size
  // pass.
  std::size_t size = kSize;

  friend bool operator==(const Ping&, const Ping&) = default;
};

// "I am, and this is where your ping came from."
struct Pong {
  static constexpr std::size_t kSize = kOverhead + 1 + 12 + 18;

  TransactionId transaction{};
  Endpoint observed;

  friend bool operator==(const Pong&, const Pong&) = default;
};

// "Ping me, at these addresses, now." Travels over a relay, while both sides' NATs are still shut.
struct CallMe {
  static constexpr std::size_t kSize = kOverhead + 1 + 32 + 3 + 1 + netmap::kMaxCandidates * 19;

  netmap::NodeKey sender;
  netmap::Connectivity connectivity;
  bool is_answer = false;  // to a CallMe; asks for none in return
  // The sender holds many sockets open towards the receiver's address: its ports are to be guessed.
  bool has_open_sockets = false;
  std::vector<netmap::Candidate> candidates;  // at most netmap::kMaxCandidates

  friend bool operator==(const CallMe&, const CallMe&) = default;
};

static_assert(Ping::kSize == 121);
static_assert(Pong::kSize == 107);
static_assert(CallMe::kSize == 341);  // at most
static_assert(Pong::kSize < Ping::kSize, "an answer is never longer than its question");

using Message = std::variant<Ping, Pong, CallMe>;

// True for what starts with the magic and is long enough to be a message.
bool is_disco(ByteView datagram);

// Whose key the message claims to be sealed with. None when it is not disco.
std::optional<netmap::DiscoKey> sender_of(ByteView datagram);

// The datagram. `own` is the public half of the key that `box` was made with. A Ping's size is
// brought into [Ping::kSize, kMaxMessageSize]; candidates behind the bound are left out.
Bytes seal(const Message& message, const crypto::BoxKey& box, const netmap::DiscoKey& own,
           Rng& rng);

// The message. None when it is forged, truncated, of an unknown type, or not spelled the one way
// this page spells it.
std::optional<Message> open(ByteView datagram, const crypto::BoxKey& box);

}  // namespace sinew::disco
