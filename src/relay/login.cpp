#include "relay/login.h"

#include <algorithm>
#include <utility>

#include "base/encoding.h"
#include "crypto/equal.h"
#include "crypto/hash.h"
#include "json/cursor.h"
#include "json/parse.h"
#include "json/value.h"

namespace sinew::relay {
namespace {

constexpr json::Limits kInfoLimits{.bytes = kMaxLoginBytes, .depth = 8, .values = 512};

SecretArray<32> derive(const SecretArray<32>& key, std::string_view purpose) {
  SecretArray<32> derived;
  crypto::hkdf_expand<crypto::Sha256>(key, as_bytes(purpose), derived.expose_mutable());
  return derived;
}

AdmissionKey::Tag tag_of(const SecretArray<32>& key) {
  const SecretArray<32> derived = derive(key, "tag");
  AdmissionKey::Tag tag{};
  std::ranges::copy(derived.expose().first<AdmissionKey::kTagSize>(), tag.begin());
  return tag;
}

Result<AdmissionKey::Proof> parse_proof(const json::Cursor& cursor) {
  const std::optional<Bytes> bytes = from_base64(TRY(cursor.string()));
  if (!bytes || bytes->size() != AdmissionKey::kProofSize)
    return cursor.error("expected 40 bytes in base64");
  return ByteReader(*bytes).array<AdmissionKey::kProofSize>();
}

Result<bool> parse_flag(const json::Cursor& root, std::string_view name) {
  const auto found = TRY(root.find(name));
  if (!found) return false;
  return found->boolean();
}

template <typename T>
Result<T> parse_number(const json::Cursor& root, std::string_view name, T otherwise) {
  const auto found = TRY(root.find(name));
  if (!found) return otherwise;
  return found->integer<T>();
}

}  // namespace

AdmissionKey::AdmissionKey(SecretArray<32> key) : key_(std::move(key)), tag_(tag_of(key_)) {}

GroupId AdmissionKey::group() const {
  return GroupId(load_be<std::uint64_t>(tag_.data()));
}

AdmissionKey::Proof AdmissionKey::prove(const NodeKey& client, const NodeKey& server) const {
  crypto::Hmac<crypto::Sha256> mac(key_.expose());
  mac.update(client.bytes());
  mac.update(server.bytes());
  Proof proof{};
  std::ranges::copy(tag_, proof.begin());
  mac.finish(ByteSpan(proof).subspan(kTagSize));
  return proof;
}

bool AdmissionKey::accepts(const Proof& proof, const NodeKey& client, const NodeKey& server) const {
  return crypto::equal_constant_time(proof, prove(client, server));
}

std::optional<GroupId> Admission::admit(const NodeKey& client, const NodeKey& server,
                                        const std::optional<AdmissionKey::Proof>& proof) const {
  if (proof) {
    const auto named = std::ranges::find_if(clusters, [&](const AdmissionKey& cluster) {
      return std::ranges::equal(cluster.tag(), ByteView(*proof).first(AdmissionKey::kTagSize));
    });
    if (named != clusters.end() && named->accepts(*proof, client, server)) return named->group();
  }
  if (keys.contains(client)) return kKeyListGroup;
  if (is_open) return kOpenGroup;
  return std::nullopt;
}

bool Admission::still_admits(const NodeKey& client, GroupId group) const {
  if (group == kOpenGroup) return is_open;
  if (group == kKeyListGroup) return keys.contains(client);
  return std::ranges::find(clusters, group, &AdmissionKey::group) != clusters.end();
}

Admission Admission::clone() const {
  Admission copy{.is_open = is_open, .keys = keys, .clusters = {}};
  for (const AdmissionKey& cluster : clusters)
    copy.clusters.push_back(cluster.clone());
  return copy;
}

std::string to_json(const ClientInfo& info) {
  json::Value::Object members = {{"version", info.version}, {"CanAckPings", info.can_ack_pings}};
  if (info.is_prober) members.push_back({"IsProber", true});
  if (info.proof) members.push_back({"clusterProof", to_base64(*info.proof)});
  return json::write(json::Value(std::move(members)));
}

std::string to_json(const ServerInfo& info) {
  json::Value::Object members = {{"version", info.version}};
  if (info.bytes_per_second != 0) {
    members.push_back({"TokenBucketBytesPerSecond", info.bytes_per_second});
    members.push_back({"TokenBucketBytesBurst", info.burst_bytes});
  }
  return json::write(json::Value(std::move(members)));
}

Result<ClientInfo> parse_client_info(std::string_view text) {
  const json::Value value = TRY(json::parse(text, kInfoLimits));
  const json::Cursor root(value);
  ClientInfo info{.version = TRY(parse_number<unsigned>(root, "version", 0)),
                  .can_ack_pings = TRY(parse_flag(root, "CanAckPings")),
                  .is_prober = TRY(parse_flag(root, "IsProber")),
                  .proof = {}};
  if (const auto proof = TRY(root.find("clusterProof"))) info.proof = TRY(parse_proof(*proof));
  return info;
}

Result<ServerInfo> parse_server_info(std::string_view text) {
  const json::Value value = TRY(json::parse(text, kInfoLimits));
  const json::Cursor root(value);
  return ServerInfo{
      .version = TRY(parse_number<unsigned>(root, "version", 0)),
      .bytes_per_second = TRY(parse_number<std::uint64_t>(root, "TokenBucketBytesPerSecond", 0)),
      .burst_bytes = TRY(parse_number<std::uint64_t>(root, "TokenBucketBytesBurst", 0))};
}

Bytes seal_info(const crypto::BoxKey& key, std::string_view text, Rng& rng) {
  crypto::BoxKey::Nonce nonce;
  rng.fill(nonce);
  Bytes sealed(nonce.size() + crypto::BoxKey::kTagSize + text.size());
  std::ranges::copy(nonce, sealed.begin());
  key.seal(nonce, as_bytes(text), ByteSpan(sealed).subspan(nonce.size()));
  return sealed;
}

std::optional<std::string> open_info(const crypto::BoxKey& key, ByteView sealed) {
  ByteReader reader(sealed);
  const auto nonce = reader.array<crypto::BoxKey::kNonceSize>();
  const ByteView box = reader.rest();
  if (reader.failed() || box.size() < crypto::BoxKey::kTagSize) return std::nullopt;
  Bytes plain(box.size() - crypto::BoxKey::kTagSize);
  if (!key.open(nonce, box, plain)) return std::nullopt;
  return std::string(as_text(plain));
}

}  // namespace sinew::relay
