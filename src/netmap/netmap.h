// Module netmap: everything a node has to know about its network, as one value. A source (the
// nucleus, or an admin) produces it, the node applies it, and nothing else configures the mesh.
//
// All of it is the word of the source: names are text of strangers, addresses are claims until a
// peer has answered there. A peer is its node key; everything else about it may change. Pure
// values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/strong_id.h"
#include "crypto/x25519.h"

namespace sinew::netmap {

// Who a machine is: its WireGuard key, by which relays and the nucleus know it too.
using NodeKey = crypto::X25519PublicKey;

// What a machine's probes are sealed with. A fresh one for each run of the program, so that an old
// record never opens a path.
struct DiscoKey {
  crypto::X25519PublicKey key;

  friend constexpr auto operator<=>(const DiscoKey&, const DiscoKey&) = default;
};

// A relay of the map; 0 names none.
using RelayId = StrongId<struct RelayIdTag, std::uint16_t>;

inline constexpr std::size_t kMaxNameBytes = 63;
inline constexpr std::size_t kMaxCandidates = 12;

// How a machine knows that it may be reached at an address.
enum class CandidateKind : std::uint8_t {
  kLocal = 1,      // an address of one of its interfaces
  kReflexive = 2,  // what a STUN server saw
  kMapped = 3,     // the router was asked for it: NAT-PMP, PCP or UPnP
  kObserved = 4,   // what the nucleus saw
};

struct Candidate {
  Endpoint endpoint;
  CandidateKind kind = CandidateKind::kLocal;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

// What RFC 4787 calls the mapping and filtering behaviour of a NAT, as far as it was found out.
enum class NatBehaviour : std::uint8_t {
  kUnknown = 0,
  kNone = 1,  // not translated; nothing filtered
  kEndpointIndependent = 2,
  kAddressDependent = 3,
  kAddressAndPortDependent = 4,
};

// How a machine is connected: what decides whether two of them can reach each other directly, and
// what the operator is told when they cannot.
struct Connectivity {
  bool has_udp = true;  // false: no answer over UDP from anywhere
  NatBehaviour mapping = NatBehaviour::kUnknown;
  NatBehaviour filtering = NatBehaviour::kUnknown;
  bool has_port_mapping = false;  // the router keeps a port open for us

  friend bool operator==(const Connectivity&, const Connectivity&) = default;
};

struct Peer {
  NodeKey key;
  DiscoKey disco;
  std::string name;                   // at most kMaxNameBytes; not yet safe to print
  std::optional<IpAddress> v4;        // inside the network
  std::optional<IpAddress> v6;        // the same
  std::vector<Candidate> candidates;  // at most kMaxCandidates
  RelayId home;                       // where it listens for what is relayed
  Connectivity connectivity;
  bool is_online = true;

  friend bool operator==(const Peer&, const Peer&) = default;
};

struct Relay {
  RelayId id;
  std::string name;
  std::string host;                       // a name or an address
  std::uint16_t port = 0;                 // TLS
  std::optional<std::uint16_t> udp_port;  // STUN, and relaying over UDP
  crypto::X25519PublicKey key;            // its login is sealed to it; all zero: not known before
  // SHA-256 of its certificate. None: the certificate is to be signed by a public authority.
  std::optional<std::array<std::uint8_t, 32>> certificate;

  friend bool operator==(const Relay&, const Relay&) = default;
};

// What the source says of ourselves.
struct Self {
  std::optional<IpAddress> v4;
  std::optional<IpAddress> v6;
  unsigned v4_length = 0;  // of the network's prefixes, which are routed into the tunnel
  unsigned v6_length = 0;
  std::string name;

  friend bool operator==(const Self&, const Self&) = default;
};

struct NetMap {
  Self self;
  std::map<NodeKey, Peer> peers;
  std::map<RelayId, Relay> relays;

  friend bool operator==(const NetMap&, const NetMap&) = default;
};

}  // namespace sinew::netmap
