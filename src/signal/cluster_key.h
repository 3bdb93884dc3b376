// Module signal: the protocol between nodes and a nucleus, docs/protocol/signal.md. Both sides are
// objects without I/O: datagrams, time and randomness go in; datagrams, events and the next
// deadline come out. The same datagrams travel over UDP and inside a TLS stream.
//
// This header: what a cluster's secret turns into. The secret is stretched once, because people
// choose short ones and whoever records a handshake can guess offline; everything else is derived
// from the result under a label of its own. One secret serves one cluster: the cluster's name is
// the salt, so equal secrets of two clusters have nothing in common. Pure; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace sinew::signal {

inline constexpr std::size_t kMaxClusterNameBytes = 64;

// Names a cluster on the wire. Not secret, and nobody learns the cluster's name from it.
using ClusterTag = std::array<std::uint8_t, 8>;

class ClusterKey {
 public:
  // Letters, digits, '-', '_' and '.', 1 to kMaxClusterNameBytes of them.
  static Result<> check_name(std::string_view name);

  // Argon2id over 19 MiB in two passes: tens of milliseconds, on purpose. kInvalid for a name that
  // is none and for an empty secret.
  static Result<ClusterKey> derive(std::string_view name, const SecretBytes& secret);
  // From what root() gave, so that a program stretches once.
  explicit ClusterKey(SecretArray<32> root);

  ClusterKey clone() const { return ClusterKey(root_.clone()); }

  const SecretArray<32>& root() const { return root_; }
  const ClusterTag& tag() const { return tag_; }
  ByteView hello_key() const { return hello_.expose(); }
  ByteView welcome_key() const { return welcome_.expose(); }
  ByteView reset_key() const { return reset_.expose(); }
  // What members prove to a relay; knowing it opens no session with a nucleus.
  SecretArray<32> relay_admission_key() const;

 private:
  SecretArray<32> root_;
  ClusterTag tag_;
  SecretArray<32> hello_;
  SecretArray<32> welcome_;
  SecretArray<32> reset_;
};

}  // namespace sinew::signal
