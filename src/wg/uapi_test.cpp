#include "wg/uapi.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/encoding.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::wg::uapi;

namespace {

const std::string kPrivate = "e8dc0855c30f36f38b2a1002d9a6ff70882fcc6958f116d7d5639bd281d5d25c";
const std::string kAlice = "6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b";
const std::string kBob = "e4a9f3630252d6ecae15ee9c7c46c2a4d914bdd28f677a78923a5707011d2c1d";
const std::string kZero(64, '0');

template <typename Key>
std::string hex(const Key& key) {
  return to_hex(key.expose());
}
std::string hex(const PublicKey& key) {
  return to_hex(key.bytes());
}

IpPrefix prefix(std::string_view text) {
  return IpPrefix::parse(text).value();
}

DeviceEdit parsed(std::string_view lines) {
  auto edit = parse_set("set=1\n" + std::string(lines) + "\n");
  REQUIRE_MESSAGE(edit.has_value(), edit.error().message);
  return std::move(*edit);
}
PeerEdit parsed_peer(std::string_view lines) {
  DeviceEdit edit = parsed("public_key=" + kAlice + "\n" + std::string(lines));
  REQUIRE(edit.peers.size() == 1);
  return std::move(edit.peers.front());
}
Error refused(std::string_view lines) {
  const auto edit = parse_set("set=1\n" + std::string(lines) + "\n");
  REQUIRE_MESSAGE(!edit.has_value(), lines);
  return edit.error();
}
Error refused_peer(std::string_view lines) {
  return refused("public_key=" + kAlice + "\n" + std::string(lines));
}

// What `wg` of Debian 12 sends, byte for byte.

// wg set ... listen-port 51820 fwmark 0xca6c private-key k peer ... preshared-key psk
//   endpoint 192.0.2.7:4321 persistent-keepalive 25 allowed-ips 10.0.0.0/8,fd00::1/64
TEST_CASE("`wg set` with everything it can set is understood") {
  const DeviceEdit edit = parsed(
      "private_key=e8dc0855c30f36f38b2a1002d9a6ff70882fcc6958f116d7d5639bd281d5d25c\n"
      "listen_port=51820\n"
      "fwmark=51820\n"
      "public_key=6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b\n"
      "preshared_key=e4a9f3630252d6ecae15ee9c7c46c2a4d914bdd28f677a78923a5707011d2c1d\n"
      "endpoint=192.0.2.7:4321\n"
      "persistent_keepalive_interval=25\n"
      "replace_allowed_ips=true\n"
      "allowed_ip=10.0.0.0/8\n"
      "allowed_ip=fd00::1/64\n");
  REQUIRE(edit.private_key);
  REQUIRE(*edit.private_key);
  CHECK(hex(**edit.private_key) == kPrivate);
  CHECK(edit.listen_port == 51820);
  CHECK(edit.fwmark == 51820);
  CHECK_FALSE(edit.replaces_peers);
  REQUIRE(edit.peers.size() == 1);
  const PeerEdit& peer = edit.peers.front();
  CHECK(hex(peer.public_key) == kAlice);
  CHECK_FALSE(peer.is_removal);
  CHECK_FALSE(peer.is_update_only);
  REQUIRE(peer.preshared_key);
  CHECK(hex(*peer.preshared_key) == kBob);
  CHECK(peer.endpoint == Endpoint::parse("192.0.2.7:4321").value());
  CHECK(peer.persistent_keepalive == 25s);
  CHECK(peer.replaces_allowed_ips);
  REQUIRE(peer.allowed_ips.size() == 2);
  CHECK(peer.allowed_ips[0] == AllowedIpEdit{prefix("10.0.0.0/8")});
  CHECK(peer.allowed_ips[1] == AllowedIpEdit{prefix("fd00::/64")});
}

// wg set ... peer ... remove peer ... allowed-ips 192.168.4.5
TEST_CASE("`wg set` that removes one peer and adds another is understood") {
  const DeviceEdit edit = parsed(
      "public_key=6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b\n"
      "remove=true\n"
      "public_key=e4a9f3630252d6ecae15ee9c7c46c2a4d914bdd28f677a78923a5707011d2c1d\n"
      "replace_allowed_ips=true\n"
      "allowed_ip=192.168.4.5/32\n");
  CHECK_FALSE(edit.private_key);
  CHECK_FALSE(edit.listen_port);
  CHECK_FALSE(edit.fwmark);
  REQUIRE(edit.peers.size() == 2);
  CHECK(edit.peers[0].is_removal);
  CHECK_FALSE(edit.peers[0].replaces_allowed_ips);
  CHECK_FALSE(edit.peers[1].is_removal);
  CHECK(edit.peers[1].allowed_ips.size() == 1);
}

// wg set ... fwmark off private-key /dev/null listen-port 0
TEST_CASE("`wg set` that takes key, mark and port away is understood") {
  const DeviceEdit edit = parsed(
      "private_key=0000000000000000000000000000000000000000000000000000000000000000\n"
      "listen_port=0\n"
      "fwmark=0\n");
  REQUIRE(edit.private_key);
  CHECK_FALSE(edit.private_key->has_value());
  CHECK(edit.listen_port == 0);
  CHECK(edit.fwmark == 0);
}

// wg set ... peer ... endpoint [fe80::1%lo]:4321 persistent-keepalive off preshared-key /dev/null
TEST_CASE("`wg set` with the name of an interface behind an address is understood") {
  const std::string request =
      "set=1\n"
      "public_key=6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b\n"
      "preshared_key=0000000000000000000000000000000000000000000000000000000000000000\n"
      "endpoint=[fe80::1%lo]:4321\n"
      "persistent_keepalive_interval=0\n"
      "\n";
  CHECK_FALSE(parse_set(request));
  const ZoneLookup zones = [](std::string_view name) -> std::optional<std::uint32_t> {
    if (name == "lo") return 7;
    return std::nullopt;
  };
  const auto edit = parse_set(request, zones);
  REQUIRE(edit);
  const PeerEdit& peer = edit->peers.at(0);
  CHECK(peer.endpoint == Endpoint::parse("[fe80::1%7]:4321").value());
  CHECK(peer.persistent_keepalive == 0s);
  REQUIRE(peer.preshared_key);
  CHECK(hex(*peer.preshared_key) == kZero);
}

// wg setconf; addconf sends the same without replace_peers.
TEST_CASE("`wg setconf` is understood") {
  const DeviceEdit edit = parsed(
      "private_key=e8dc0855c30f36f38b2a1002d9a6ff70882fcc6958f116d7d5639bd281d5d25c\n"
      "listen_port=51820\n"
      "fwmark=32\n"
      "replace_peers=true\n"
      "public_key=6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b\n"
      "endpoint=192.0.2.7:4321\n"
      "replace_allowed_ips=true\n"
      "allowed_ip=10.0.0.1/8\n"
      "allowed_ip=fd00::/64\n"
      "public_key=e4a9f3630252d6ecae15ee9c7c46c2a4d914bdd28f677a78923a5707011d2c1d\n"
      "preshared_key=6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b\n"
      "persistent_keepalive_interval=25\n"
      "replace_allowed_ips=true\n"
      "allowed_ip=0.0.0.0/0\n"
      "allowed_ip=::/0\n");
  CHECK(edit.replaces_peers);
  REQUIRE(edit.peers.size() == 2);
  CHECK(edit.peers[0].allowed_ips.at(0).prefix == prefix("10.0.0.0/8"));
  CHECK(edit.peers[1].allowed_ips.at(0).prefix == prefix("0.0.0.0/0"));
  CHECK(edit.peers[1].allowed_ips.at(1).prefix == prefix("::/0"));
}

// wg syncconf asks get=1 first, then removes those that are too many.
TEST_CASE("`wg syncconf` is understood") {
  CHECK(operation_of("get=1\n\n").value() == Operation::kGet);
  const DeviceEdit edit = parsed(
      "private_key=e8dc0855c30f36f38b2a1002d9a6ff70882fcc6958f116d7d5639bd281d5d25c\n"
      "listen_port=51820\n"
      "fwmark=32\n"
      "public_key=1111111111111111111111111111111111111111111111111111111111111111\n"
      "remove=true\n"
      "public_key=6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b\n"
      "endpoint=192.0.2.7:4321\n"
      "replace_allowed_ips=true\n"
      "allowed_ip=10.0.0.1/8\n");
  REQUIRE(edit.peers.size() == 2);
  CHECK(edit.peers[0].is_removal);
  CHECK_FALSE(edit.replaces_peers);
}

TEST_CASE("a request ends with its first empty line") {
  CHECK_FALSE(request_size(""));
  CHECK_FALSE(request_size("set=1\n"));
  CHECK_FALSE(request_size("set=1\nlisten_port=1\n"));
  CHECK(request_size("set=1\n\n") == 7);
  CHECK(request_size("set=1\n\nget=1\n\n") == 7);
  CHECK(request_size("\nget=1\n\n") == 1);
}

TEST_CASE("an operation is get or set, and get asks for nothing else") {
  CHECK(operation_of("get=1\n\n").value() == Operation::kGet);
  CHECK(operation_of("set=1\n\n").value() == Operation::kSet);
  CHECK(operation_of("get=1\nfwmark=1\n\n").error().kind == ErrorKind::kInvalid);
  for (const std::string_view text : {"\n", "get=2\n\n", "set=2\n\n", "set\n\n", " set=1\n\n"})
    CHECK(operation_of(text).error().kind == ErrorKind::kUnsupported);
}

TEST_CASE("a request that sets nothing is fine") {
  const DeviceEdit edit = parsed("");
  CHECK_FALSE(edit.private_key);
  CHECK_FALSE(edit.replaces_peers);
  CHECK(edit.peers.empty());
}

TEST_CASE("what is not lines of key=value up to one empty line is not the protocol") {
  for (const std::string_view text :
       {"", "set=1", "set=1\n", "get=1\n\n", "set=1\nlisten_port=1\n", "set=1\nlisten_port=1",
        "set=1\nlisten_port\n\n", "set=1\n\n\n", "set=1\n\nlisten_port=1\n\n", "set=1\r\n\r\n"}) {
    const auto edit = parse_set(text);
    REQUIRE_FALSE(edit);
    CHECK(errno_of(edit.error().kind) == Errno::kProtocol);
  }
}

TEST_CASE("a request larger than the bound is refused before it is read") {
  const std::string text = "set=1\n" + std::string(kMaxRequestSize - 5, 'x');
  const auto edit = parse_set(text);
  REQUIRE_FALSE(edit);
  CHECK(errno_of(edit.error().kind) == Errno::kNoMemory);
}

TEST_CASE("keys are 64 hexadecimal digits in either case") {
  std::string upper = kAlice;
  std::ranges::transform(upper, upper.begin(),
                         [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
  REQUIRE(upper != kAlice);
  CHECK(hex(parsed("public_key=" + upper + "\n").peers.at(0).public_key) == kAlice);
  const std::string cut = kAlice.substr(1);
  for (const std::string& bad :
       {std::string(), cut, "0" + kAlice, "g" + cut, " " + cut, "0x" + cut.substr(1)}) {
    for (const std::string key : {"private_key=", "public_key="})
      CHECK(refused(key + bad + "\n").kind == ErrorKind::kInvalid);
    CHECK(refused_peer("preshared_key=" + bad + "\n").kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("a private key is stored clamped, as the first implementations do") {
  const DeviceEdit edit = parsed("private_key=" + std::string(64, 'f') + "\n");
  CHECK(hex(**edit.private_key) == "f8" + std::string(60, 'f') + "7f");
}

TEST_CASE("an error quotes neither keys nor anything else of the request") {
  const std::string secret = kPrivate.substr(0, 63);
  for (const std::string& line :
       {"private_key=" + secret, "privat_key=" + secret, secret, secret + "=", "=" + secret}) {
    const Error error = refused(line + "\n");
    CHECK(error.message.starts_with("line 2: "));
    CHECK(error.message.find(secret.substr(0, 4)) == std::string::npos);
  }
  CHECK(refused_peer("preshared_key=" + secret + "\n").message ==
        "line 3: preshared_key expects 64 hexadecimal digits");
}

TEST_CASE("numbers keep their bounds") {
  CHECK(parsed("listen_port=65535\n").listen_port == 65535);
  CHECK(parsed("fwmark=4294967295\n").fwmark == 0xffff'ffff);
  CHECK(parsed("fwmark=0xffffffff\n").fwmark == 0xffff'ffff);
  CHECK(parsed("fwmark=0xCA6c\n").fwmark == 0xca6c);
  CHECK(parsed_peer("persistent_keepalive_interval=65535\n").persistent_keepalive == 65535s);
  for (const std::string_view line :
       {"listen_port=65536", "listen_port=-1", "listen_port=", "listen_port= 1", "listen_port=0x10",
        "fwmark=4294967296", "fwmark=0x100000000", "fwmark=0x", "fwmark=0x-1", "fwmark=0x1g",
        "fwmark=", "fwmark=off"})
    CHECK(refused(std::string(line) + "\n").kind == ErrorKind::kInvalid);
  for (const std::string_view line : {"65536", "-1", "", "off", "25s"})
    CHECK(refused_peer("persistent_keepalive_interval=" + std::string(line) + "\n").kind ==
          ErrorKind::kInvalid);
}

TEST_CASE("flags are true or absent") {
  CHECK(parsed("replace_peers=true\n").replaces_peers);
  CHECK(parsed_peer("remove=true\n").is_removal);
  CHECK(parsed_peer("update_only=true\n").is_update_only);
  CHECK(parsed_peer("replace_allowed_ips=true\n").replaces_allowed_ips);
  for (const std::string value : {"false", "1", "", "True", "true "}) {
    CHECK(refused("replace_peers=" + value + "\n").kind == ErrorKind::kInvalid);
    for (const std::string key : {"remove=", "update_only=", "replace_allowed_ips="})
      CHECK(refused_peer(key + value + "\n").kind == ErrorKind::kInvalid);
  }
}

TEST_CASE("only version 1 is spoken") {
  parsed_peer("protocol_version=1\n");
  CHECK(refused_peer("protocol_version=2\n").kind == ErrorKind::kInvalid);
}

TEST_CASE("keys of a device stand before its peers, keys of a peer behind its public key") {
  for (const std::string_view line :
       {"private_key=", "listen_port=1", "fwmark=1", "replace_peers=true", "errno=0", "nonsense=1"})
    CHECK(refused_peer(std::string(line) + "\n").kind == ErrorKind::kInvalid);
  for (const std::string_view line :
       {"remove=true", "update_only=true", "endpoint=192.0.2.1:1", "replace_allowed_ips=true",
        "allowed_ip=10.0.0.0/8", "protocol_version=1", "persistent_keepalive_interval=1"})
    CHECK(refused(std::string(line) + "\n").kind == ErrorKind::kInvalid);
}

TEST_CASE("endpoints are IPv4 or bracketed IPv6") {
  CHECK(parsed_peer("endpoint=[2001:db8::1]:4321\n").endpoint ==
        Endpoint::parse("[2001:db8::1]:4321").value());
  CHECK(parsed_peer("endpoint=[fe80::1%3]:4321\n").endpoint->address.zone() == 3);
  CHECK(parsed_peer("endpoint=[::ffff:192.0.2.1]:4321\n").endpoint->address.is_v4());
  for (const std::string_view text :
       {"", "192.0.2.1", "192.0.2.1:0", "192.0.2.1:65536", "2001:db8::1:4321", "example.org:1",
        "[fe80::1%eth9]:1", "[192.0.2.1]:1"})
    CHECK(refused_peer("endpoint=" + std::string(text) + "\n").kind == ErrorKind::kInvalid);
}

TEST_CASE("bits behind the length of an allowed-IP are cleared") {
  const PeerEdit peer = parsed_peer("allowed_ip=10.1.2.3/9\nallowed_ip=fd00::1:2/112\n");
  CHECK(peer.allowed_ips.at(0).prefix == prefix("10.0.0.0/9"));
  CHECK(peer.allowed_ips.at(1).prefix == prefix("fd00::1:0/112"));
}

TEST_CASE("a minus takes an allowed-IP away") {
  const PeerEdit peer = parsed_peer("allowed_ip=-10.1.2.3/8\nallowed_ip=-::/0\n");
  CHECK(peer.allowed_ips.at(0) == AllowedIpEdit{prefix("10.0.0.0/8"), true});
  CHECK(peer.allowed_ips.at(1) == AllowedIpEdit{prefix("::/0"), true});
}

TEST_CASE("an allowed-IP without a length, or with one too long, is refused") {
  for (const std::string_view text :
       {"", "-", "--10.0.0.0/8", "+10.0.0.0/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "::/129",
        "10.0.0/8", "10.0.0.0/08", "10.0.0.0/-1", "10.0.0.0/8 ", "fe80::1%1/128", "10.0.0.0/8/8"})
    CHECK(refused_peer("allowed_ip=" + std::string(text) + "\n").kind == ErrorKind::kInvalid);
}

TEST_CASE("L04 a v4-mapped allowed-IP does not become an IPv4 one") {
  for (const std::string_view text : {"::ffff:10.0.0.0/104", "::ffff:0:0/96", "::ffff:10.0.0.1/32"})
    CHECK(refused_peer("allowed_ip=" + std::string(text) + "\n").kind == ErrorKind::kInvalid);
}

TEST_CASE("of a key that comes twice the last counts") {
  const DeviceEdit edit = parsed("listen_port=1\nlisten_port=2\nprivate_key=" + kPrivate +
                                 "\nprivate_key=" + kZero + "\n");
  CHECK(edit.listen_port == 2);
  REQUIRE(edit.private_key);
  CHECK_FALSE(edit.private_key->has_value());
  const PeerEdit peer = parsed_peer("endpoint=192.0.2.1:1\nendpoint=192.0.2.2:2\n");
  CHECK(peer.endpoint == Endpoint::parse("192.0.2.2:2").value());
}

TEST_CASE("a replacement takes away the allowed-IPs named before it") {
  const PeerEdit peer =
      parsed_peer("allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=10.1.0.0/16\n");
  REQUIRE(peer.allowed_ips.size() == 1);
  CHECK(peer.allowed_ips[0].prefix == prefix("10.1.0.0/16"));
}

TEST_CASE("a peer may come twice, and its sections keep their order") {
  const DeviceEdit edit = parsed("public_key=" + kAlice + "\nremove=true\npublic_key=" + kAlice +
                                 "\nallowed_ip=10.0.0.0/8\n");
  REQUIRE(edit.peers.size() == 2);
  CHECK(edit.peers[0].is_removal);
  CHECK_FALSE(edit.peers[1].is_removal);
  CHECK(edit.peers[1].public_key == edit.peers[0].public_key);
}

TEST_CASE("an all-zero public key is a peer as any other, which nobody can be") {
  CHECK(parsed("public_key=" + kZero + "\n").peers.at(0).public_key == PublicKey());
}

TEST_CASE("every kind of error has a number other than none") {
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kInternal); ++kind)
    CHECK(errno_of(static_cast<ErrorKind>(kind)) != Errno::kNone);
  CHECK(errno_of(ErrorKind::kConflict) == Errno::kAddressInUse);
  CHECK(format_errno(Errno::kInvalid) == "errno=22\n\n");
  CHECK(format_errno(Errno::kNone) == "errno=0\n\n");
}

TEST_CASE("L18 130,560 allowed-IPs and 10,000 peers are read in one request") {
  std::string text = "set=1\npublic_key=" + kAlice + "\nreplace_allowed_ips=true\n";
  for (unsigned i = 0; i < 130'560; ++i)
    text +=
        "allowed_ip=fd00:" + std::to_string(i / 1000) + ':' + std::to_string(i % 1000) + "::/64\n";
  for (unsigned i = 0; i < 10'000; ++i)
    text += "public_key=" + std::string(56, 'a') + std::to_string(10'000'000 + i) +
            "\nallowed_ip=10.0.0.0/8\n";
  const auto edit = parse_set(text + "\n");
  REQUIRE_MESSAGE(edit, edit.error().message);
  CHECK(edit->peers.size() == 10'001);
  CHECK(edit->peers[0].allowed_ips.size() == 130'560);
}

}  // namespace
