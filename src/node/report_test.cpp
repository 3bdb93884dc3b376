#include "node/report.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include "os/random.h"
#include "support/runtime.h"

namespace sinew::node {
namespace {

// Carries nothing.
class IdlePackets final : public PacketPath {
 public:
  Result<> set_peer(const netmap::NodeKey&, const std::vector<IpPrefix>&, DetourNumber) override {
    return {};
  }
  void remove_peer(const netmap::NodeKey&) override {}
  void send_directly(const netmap::NodeKey&, const Endpoint&) override {}
  void send_over(const netmap::NodeKey&, DetourNumber) override {}
  void inject(DetourNumber, ByteView) override {}
  Result<> send(const Endpoint&, ByteView) override { return {}; }
  std::uint16_t port() const override { return 4711; }
  std::uint32_t interface_number() const override { return 1; }
  void network_changed() override {}
  std::vector<PeerTraffic> traffic() const override { return {}; }
  Result<> set_addresses(const netmap::Self&) override { return {}; }
};

// A node that has not been started: it knows nobody.
struct Setup {
  test::TestRuntime test;
  os::SystemRng rng;
  IdlePackets packets;
  std::unique_ptr<Inbox> inbox = *Inbox::open();
  Configuration configuration;
  std::unique_ptr<Mesh> mesh = make();

  std::unique_ptr<Mesh> make() {
    configuration.cluster = "lab";
    configuration.name = "\x1b[2J robot";
    configuration.nuclei = {{"192.0.2.1", 51'820}};
    auto cluster =
        signal::ClusterKey::derive("lab", SecretBytes(std::string_view("a long secret")));
    REQUIRE(cluster);
    auto made = Mesh::create(
        {.runtime = &test.runtime,
         .rng = &rng,
         .packets = &packets,
         .inbox = inbox.get(),
         .log = test.runtime.log()},
        {.node = crypto::X25519PrivateKey::generate(rng), .cluster = *std::move(cluster)},
        configuration);
    REQUIRE(made);
    return *std::move(made);
  }
};

std::vector<std::string> names_in(const json::Value& value) {
  std::vector<std::string> names;
  REQUIRE(value.as_object() != nullptr);
  for (const json::Value::Member& member : *value.as_object())
    names.push_back(member.name);
  return names;
}

using Names = std::vector<std::string>;

TEST_CASE("status has the fields that the page on the control socket promises") {
  Setup setup;
  const json::Value status = report_status(*setup.mesh, setup.configuration);
  CHECK(names_in(status) == Names{"state", "name", "cluster", "mode", "address", "address_v6",
                                  "interface", "port", "public_key", "nat", "nuclei", "relays",
                                  "peers", "refusal", "dropped"});
  CHECK(*status.find("state") == json::Value("connecting"));
  CHECK(*status.find("cluster") == json::Value("lab"));
  CHECK(*status.find("port") == json::Value(4711));
  CHECK(*status.find("name") == json::Value(setup.configuration.name));
  CHECK(names_in(*status.find("peers")) == Names{"known", "online", "direct", "relayed"});
  const json::Value::Array& nuclei = *status.find("nuclei")->as_array();
  REQUIRE(nuclei.size() == 1);
  CHECK(names_in(nuclei[0]) ==
        Names{"name", "state", "transport", "observed", "round_trip_ms", "problem"});
  CHECK(*nuclei[0].find("name") == json::Value("192.0.2.1:51820"));
  CHECK_FALSE(json::write(status).contains('\x1b'));
}

TEST_CASE("a node that knows nobody lists nobody, and a survey that has not been is unknown") {
  Setup setup;
  CHECK(report_peers(*setup.mesh, MonoTime(1h), WallTime()) == json::Value(json::Value::Array()));
  const json::Value check = report_netcheck(*setup.mesh);
  CHECK(names_in(check) == Names{"udp", "ipv4", "ipv6", "nat", "mapping", "filtering", "hairpin",
                                 "gateway", "port_mapping", "mapped", "candidates", "latencies",
                                 "relays"});
  CHECK(check.find("udp")->is_null());
  CHECK(check.find("hairpin")->is_null());
}

}  // namespace
}  // namespace sinew::node
