#include "node/settings.h"

#include <doctest/doctest.h>

namespace sinew::node {
namespace {

TEST_CASE("a configuration comes back from its file as it was") {
  Configuration configuration;
  configuration.mode = Mode::kDual;
  configuration.cluster = "lab";
  configuration.nuclei = {{"nucleus.example", 51'820}, {"2001:db8::1", 443}};
  configuration.port = 443;
  configuration.vip = IpAddress::v4(10, 147, 3, 4);
  configuration.range = *IpPrefix::parse("10.9.0.0/24");
  configuration.name = "robot-1";
  configuration.settings.relay = *RelayServer::parse("relay.example:8443#" + std::string(64, 'a'));
  configuration.settings.uses_port_mapping = false;
  configuration.settings.ipv6_threshold = 7ms;
  configuration.settings.is_probing = false;
  const auto back = parse_configuration(json::write(to_json(configuration)));
  REQUIRE(back);
  CHECK(*back == configuration);
}

TEST_CASE("a configuration that was damaged says where") {
  const auto wrong = parse_configuration(R"({"mode":"edge","cluster":7})");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().message.contains("cluster"));
  CHECK_FALSE(parse_configuration("{"));
}

TEST_CASE("a host and a port are told apart in every spelling") {
  CHECK(*HostPort::parse("a.example:443", 1) == HostPort{"a.example", 443});
  CHECK(*HostPort::parse("a.example", 51'820) == HostPort{"a.example", 51'820});
  CHECK(*HostPort::parse("192.0.2.1:7", 1) == HostPort{"192.0.2.1", 7});
  CHECK(*HostPort::parse("[2001:db8::1]:7", 1) == HostPort{"2001:db8::1", 7});
  CHECK(*HostPort::parse("2001:db8::1", 9) == HostPort{"2001:db8::1", 9});
  CHECK(HostPort{"2001:db8::1", 7}.to_string() == "[2001:db8::1]:7");
  for (const char* wrong :
       {"", ":1", "a:", "a:0", "a:65536", "a b:1", "[::1", "[::1]x", "[::1]:", "a/b"})
    CHECK_FALSE(HostPort::parse(wrong, 1));
}

TEST_CASE("settings change by the words of the command line") {
  Settings settings;
  CHECK(change(settings, "relay", "off"));
  CHECK_FALSE(settings.uses_relay);
  CHECK(change(settings, "relay", "derp.example:8443"));
  CHECK(settings.uses_relay);
  CHECK(settings.relay == RelayServer{HostPort{"derp.example", 8443}});
  CHECK(change(settings, "relay", "enable"));
  CHECK_FALSE(settings.relay);
  CHECK(change(settings, "portmap", "0"));
  CHECK_FALSE(settings.uses_port_mapping);
  CHECK(change(settings, "encrypt", "false"));
  CHECK_FALSE(settings.is_metadata_sealed);
  CHECK(change(settings, "probes", "off"));
  CHECK_FALSE(settings.is_probing);
}

TEST_CASE("a relay is named with the certificate it made, and has one number for all who name it") {
  const std::string hex(64, 'b');
  const auto relay = RelayServer::parse("[2001:db8::1]:443#" + hex);
  REQUIRE(relay);
  CHECK(relay->to_string() == "[2001:db8::1]:443#" + hex);
  CHECK(record_of(*relay).certificate->front() == 0xbb);
  CHECK(record_of(*relay).id == record_of(*RelayServer::parse("[2001:db8::1]:443")).id);
  CHECK(record_of(*relay).id != record_of(*RelayServer::parse("[2001:db8::1]:444")).id);
  for (const char* wrong : {"a:1#", "a:1#zz", "a:1#abcd", "#", ""})
    CHECK_FALSE(RelayServer::parse(wrong));
}

TEST_CASE("IPv6 that is off is not preferred either, and preferring it switches it on") {
  Settings settings;
  CHECK(change(settings, "ipv6", "off"));
  CHECK_FALSE(settings.uses_ipv6);
  CHECK_FALSE(settings.prefers_ipv6);
  CHECK(change(settings, "ipv6", "prefer"));
  CHECK(settings.uses_ipv6);
  CHECK(settings.prefers_ipv6);
}

TEST_CASE("a wrong setting changes nothing and names the right ones") {
  Settings settings;
  for (const auto& [what, value] :
       {std::pair{"portmap", "maybe"}, {"relay", "maybe"}, {"ipv6", "six"}, {"relais", "on"}}) {
    const auto changed = change(settings, what, value);
    REQUIRE_FALSE(changed);
    CHECK(changed.error().message.contains("is none of"));
  }
  CHECK(settings == Settings{});
}

}  // namespace
}  // namespace sinew::node
