// The keys of a session and the datagrams under them. The schedule, with K the cluster's root key,
// e and n the node's ephemeral and own key, S the nucleus' key:
//
//     c1       = HKDF-Extract(K, X25519(e, S))
//     identity = HKDF-Expand(c1, "sinew signal identity" | open head)      seals the node's key
//     c2       = HKDF-Extract(c1, X25519(n, S))
//     request, to nucleus, to node, id
//              = HKDF-Expand(c2, "sinew signal session" | open head | n's public key)
//
// so only somebody with K, n and e on one side, or K and S on the other, has the keys; a watcher
// does not learn who n is. The ephemeral key is new for each handshake, hence no key seals twice
// under one counter. There is no forward secrecy against S and K: what is said here are addresses.
//
// Pure; one thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "crypto/aead.h"
#include "crypto/x25519.h"
#include "signal/cluster_key.h"
#include "signal/messages.h"

namespace sinew::signal {

// The last kSize counters up to the highest. Only authentic ones may reach accept().
class CounterWindow {
 public:
  static constexpr std::size_t kSize = 256;  // counters; a page burst is far smaller

  bool would_accept(std::uint64_t counter) const;
  // False when it was seen before, or is too old to tell.
  [[nodiscard]] bool accept(std::uint64_t counter);
  // Whether the one accepted last is newer than all before.
  bool is_newest(std::uint64_t counter) const { return counter == highest_; }

 private:
  std::uint64_t highest_ = 0;
  std::bitset<kSize> seen_;  // bit i: highest_ - i
};

// One end of a session.
class Channel {
 public:
  enum class Verdict : std::uint8_t { kNew, kReplayed, kForged };

  Channel(SessionId id, const ClusterTag& tag, const crypto::AeadKey& sending,
          const crypto::AeadKey& receiving, std::uint8_t flags);

  SessionId id() const { return id_; }
  std::uint8_t flags() const { return flags_; }
  // Datagrams sealed so far; each counter was one of 0 to this, exclusive.
  std::uint64_t sent() const { return sent_; }

  // A DATA datagram around `message`, at most kMaxMessageSize bytes.
  Bytes seal(ByteView message);
  // `datagram` is a DATA datagram of this session; `message` is set for a new one only.
  Verdict open(ByteView datagram, Bytes& message);
  bool was_newest(std::uint64_t counter) const { return window_.is_newest(counter); }

 private:
  SessionId id_;
  ClusterTag tag_;
  crypto::AeadCipher sending_;
  crypto::AeadCipher receiving_;
  std::uint8_t flags_;
  std::uint64_t sent_ = 0;
  CounterWindow window_;
};

// The node's half of the handshake's end: an OPEN datagram, and the session it asks for. None when
// the server's key is of low order. `first` is at most kMaxOpenMessageSize bytes.
struct Opening {
  Bytes datagram;
  Channel channel;
};
std::optional<Opening> seal_open(const ClusterKey& cluster, const PrivateKey& node,
                                 const PrivateKey& ephemeral, const PublicKey& server,
                                 const Cookie& cookie, std::uint8_t flags, ByteView first);

// The nucleus' half. None when it is forged.
struct Opened {
  PublicKey node;
  Bytes first;
  Channel channel;
};
std::optional<Opened> open_open(const ClusterKey& cluster, const PrivateKey& server,
                                ByteView datagram);

}  // namespace sinew::signal
