// Who a client is, and whether a relay serves it. A client proves that it holds the private key of
// its node key by sealing its ClientInfo with it; an admission decides which such keys are served,
// and who may reach whom.
//
// A group is a set of clients that may reach one another; nothing is relayed between groups. All
// whom an open relay admits are one group, all of the key list another, and each cluster is one of
// its own. A client of a cluster proves knowledge of the cluster's admission key, bound to its own
// key and the relay's: a proof is worth nothing to another client and at another relay. The
// admission key opens nothing else (it is derived from the cluster's secret one way).
//
// Pure values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/strong_id.h"
#include "crypto/box.h"
#include "relay/frames.h"

namespace sinew::relay {

using GroupId = StrongId<struct GroupIdTag, std::uint64_t>;

inline constexpr Duration kLoginTimeout = 10s;
inline constexpr Duration kKeepAliveInterval = 60s;                       // from the relay
inline constexpr Duration kSilenceTimeout = 2 * kKeepAliveInterval + 5s;  // counts as lost

inline constexpr GroupId kOpenGroup{0};
inline constexpr GroupId kKeyListGroup{1};

// What a relay has to know of a cluster.
class AdmissionKey {
 public:
  // Public name of the key, by which a relay of many clusters finds it.
  static constexpr std::size_t kTagSize = 8;
  static constexpr std::size_t kProofSize = kTagSize + 32;
  using Tag = std::array<std::uint8_t, kTagSize>;
  using Proof = std::array<std::uint8_t, kProofSize>;

  // What members of a cluster derive from its secret for this purpose alone.
  explicit AdmissionKey(SecretArray<32> key);
  AdmissionKey clone() const { return AdmissionKey(key_.clone()); }

  const SecretArray<32>& secret() const { return key_; }
  const Tag& tag() const { return tag_; }
  GroupId group() const;
  // The tag, and a MAC over both keys.
  Proof prove(const NodeKey& client, const NodeKey& server) const;
  bool accepts(const Proof& proof, const NodeKey& client, const NodeKey& server) const;

 private:
  SecretArray<32> key_;
  Tag tag_;
};

// Whom a relay serves. Any of the three is enough; a cluster comes before the list and the list
// before open, so that whoever can be in a closed group is.
struct Admission {
  bool is_open = false;
  std::set<NodeKey> keys;
  std::vector<AdmissionKey> clusters;

  std::optional<GroupId> admit(const NodeKey& client, const NodeKey& server,
                               const std::optional<AdmissionKey::Proof>& proof) const;
  // Whether a client admitted to `group` before would still be.
  bool still_admits(const NodeKey& client, GroupId group) const;
  Admission clone() const;
};

struct ClientInfo {
  unsigned version = kVersion;
  bool can_ack_pings = false;
  bool is_prober = false;
  std::optional<AdmissionKey::Proof> proof;
};
struct ServerInfo {
  unsigned version = kVersion;
  std::uint64_t bytes_per_second = 0;  // 0: not said
  std::uint64_t burst_bytes = 0;
};

// The JSON inside; members that are not known are ignored.
std::string to_json(const ClientInfo& info);
std::string to_json(const ServerInfo& info);
Result<ClientInfo> parse_client_info(std::string_view json);
Result<ServerInfo> parse_server_info(std::string_view json);

// nonce 24 | box: the sealed part of both info frames.
Bytes seal_info(const crypto::BoxKey& key, std::string_view json, Rng& rng);
std::optional<std::string> open_info(const crypto::BoxKey& key, ByteView sealed);

}  // namespace sinew::relay
