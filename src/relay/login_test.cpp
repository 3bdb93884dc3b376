#include "relay/login.h"

#include <doctest/doctest.h>

#include "base/encoding.h"
#include "base/rng.h"

using namespace sinew;
using namespace sinew::relay;

namespace {

SecretArray<32> cluster_key(std::uint8_t byte) {
  SecretArray<32> key;
  key.expose_mutable()[0] = byte;
  return key;
}

NodeKey node(std::uint8_t byte) {
  std::array<std::uint8_t, 32> bytes{};
  bytes[0] = byte;
  return NodeKey(bytes);
}

Admission of_clusters(std::initializer_list<std::uint8_t> numbers) {
  Admission admission;
  for (const std::uint8_t number : numbers)
    admission.clusters.push_back(AdmissionKey(cluster_key(number)));
  return admission;
}

}  // namespace

TEST_CASE("admission: a proof is worth nothing to another client, at another relay, elsewhere") {
  const AdmissionKey key(cluster_key(1));
  const auto proof = key.prove(node(1), node(2));
  CHECK(key.accepts(proof, node(1), node(2)));
  CHECK_FALSE(key.accepts(proof, node(3), node(2)));
  CHECK_FALSE(key.accepts(proof, node(1), node(3)));
  CHECK_FALSE(key.accepts(proof, node(2), node(1)));
  CHECK_FALSE(AdmissionKey(cluster_key(2)).accepts(proof, node(1), node(2)));
  for (std::size_t at = 0; at < proof.size(); ++at) {
    auto forged = proof;
    forged[at] ^= 1;
    REQUIRE_FALSE(key.accepts(forged, node(1), node(2)));
  }
}

TEST_CASE("admission: a closed relay admits members of its clusters, each to its group") {
  const Admission admission = of_clusters({1, 2});
  const auto proof = [](std::uint8_t number) {
    return AdmissionKey(cluster_key(number)).prove(node(1), node(9));
  };
  const auto first = admission.admit(node(1), node(9), proof(1));
  const auto second = admission.admit(node(1), node(9), proof(2));
  REQUIRE(first);
  REQUIRE(second);
  CHECK(*first != *second);
  CHECK_FALSE(admission.admit(node(1), node(9), proof(3)));
  CHECK_FALSE(admission.admit(node(1), node(9), std::nullopt));
  CHECK_FALSE(admission.admit(node(2), node(9), proof(1)));
}

TEST_CASE("admission: a cluster comes before the list, and the list before open") {
  Admission admission = of_clusters({1});
  admission.is_open = true;
  admission.keys.insert(node(1));
  const AdmissionKey key(cluster_key(1));
  CHECK(admission.admit(node(1), node(9), key.prove(node(1), node(9))) == key.group());
  CHECK(admission.admit(node(1), node(9), std::nullopt) == kKeyListGroup);
  CHECK(admission.admit(node(2), node(9), std::nullopt) == kOpenGroup);
  AdmissionKey::Proof wrong = key.prove(node(1), node(9));
  wrong.back() ^= 1;
  CHECK(admission.admit(node(2), node(9), wrong) == kOpenGroup);
}

TEST_CASE("admission: what was admitted is admitted as long as its reason stands") {
  Admission admission = of_clusters({1});
  admission.keys.insert(node(1));
  const GroupId group = AdmissionKey(cluster_key(1)).group();
  CHECK(admission.still_admits(node(5), group));
  CHECK(admission.still_admits(node(1), kKeyListGroup));
  CHECK_FALSE(admission.still_admits(node(2), kKeyListGroup));
  CHECK_FALSE(admission.still_admits(node(1), kOpenGroup));
  CHECK_FALSE(of_clusters({2}).still_admits(node(5), group));
  CHECK(admission.clone().still_admits(node(5), group));
}

TEST_CASE("info: comes back as it was, and is what other clients and relays write") {
  const AdmissionKey key(cluster_key(1));
  const ClientInfo info{
      .version = 2, .can_ack_pings = true, .is_prober = true, .proof = key.prove(node(1), node(2))};
  const auto parsed = parse_client_info(to_json(info));
  REQUIRE(parsed);
  CHECK(parsed->version == 2);
  CHECK(parsed->can_ack_pings);
  CHECK(parsed->is_prober);
  CHECK(parsed->proof == info.proof);
  CHECK(parse_client_info(R"({"meshKey":"00","version":2,"CanAckPings":true,"AppName":"x"})"));
  const auto server = parse_server_info(
      R"({"version":2,"TokenBucketBytesPerSecond":1000,"TokenBucketBytesBurst":5000})");
  REQUIRE(server);
  CHECK(server->bytes_per_second == 1'000);
  CHECK(server->burst_bytes == 5'000);
  CHECK(parse_server_info(to_json(ServerInfo{}))->bytes_per_second == 0);
}

TEST_CASE("info: what is no info is refused") {
  CHECK_FALSE(parse_client_info(""));
  CHECK_FALSE(parse_client_info("[]"));
  CHECK_FALSE(parse_client_info(R"({"version":"2"})"));
  CHECK_FALSE(parse_client_info(R"({"clusterProof":"AAAA"})"));
  CHECK_FALSE(parse_client_info(R"({"CanAckPings":1})"));
}

TEST_CASE("info: a seal opens for the other one and for nobody else, whole and unchanged") {
  SeededRng rng(1);
  const auto a = crypto::X25519PrivateKey::generate(rng);
  const auto b = crypto::X25519PrivateKey::generate(rng);
  const auto c = crypto::X25519PrivateKey::generate(rng);
  const Bytes sealed = seal_info(*crypto::BoxKey::between(a, b.public_key()), "hello", rng);
  const auto key = crypto::BoxKey::between(b, a.public_key());
  CHECK(open_info(*key, sealed) == "hello");
  CHECK_FALSE(open_info(*crypto::BoxKey::between(c, a.public_key()), sealed));
  for (std::size_t size = 0; size < sealed.size(); ++size)
    REQUIRE_FALSE(open_info(*key, ByteView(sealed).first(size)));
}
