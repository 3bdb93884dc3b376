#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "base/encoding.h"
#include "base/rng.h"
#include "wg/device.h"
#include "wg/testing.h"
#include "wg/uapi.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr MonoTime kNow(1h);

const std::string kPrivate = "e8dc0855c30f36f38b2a1002d9a6ff70882fcc6958f116d7d5639bd281d5d25c";
const std::string kAlice = "6009f3e5317e9575c9b5ed78b638b7ce530d7eda8bee404c4b86b789bb70600b";
const std::string kBob = "e4a9f3630252d6ecae15ee9c7c46c2a4d914bdd28f677a78923a5707011d2c1d";
const std::string kZero(64, '0');

IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}

PublicKey key(const std::string& hex) {
  const Bytes bytes = from_hex(hex).value();
  std::array<std::uint8_t, PublicKey::kSize> array;
  std::ranges::copy(bytes, array.begin());
  return PublicKey(array);
}

struct Fixture {
  explicit Fixture(std::size_t peers = 1000) : device(rng, Device::Limits{.peers = peers}) {}

  Result<> set(const std::string& lines) {
    return uapi::apply(TRY(uapi::parse_set("set=1\n" + lines + "\n")), device, kNow);
  }
  void must_set(const std::string& lines) {
    const auto result = set(lines);
    REQUIRE_MESSAGE(result.has_value(), result.error().message);
  }
  std::string get(std::uint16_t port = 0, std::uint32_t fwmark = 0) const {
    std::string text;
    uapi::format_get(device, port, fwmark, [&](std::string_view piece) { text += piece; });
    return text;
  }
  PeerId peer(const std::string& hex) const { return device.find_peer(key(hex)).value(); }
  bool has(const std::string& hex) const { return device.find_peer(key(hex)).has_value(); }

  SeededRng rng{1};
  Device device;
};

std::string peer_text(const std::string& public_key, const std::string& preshared,
                      const std::string& endpoint, unsigned keepalive, const std::string& ips) {
  return "public_key=" + public_key + "\npreshared_key=" + preshared + "\nprotocol_version=1\n" +
         endpoint +
         "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
         "persistent_keepalive_interval=" +
         std::to_string(keepalive) + '\n' + ips;
}

TEST_CASE("a device with nothing set answers get with nothing but success") {
  CHECK(Fixture().get() == "errno=0\n\n");
}

TEST_CASE("what `wg setconf` sets is what get=1 answers, peers by key and prefixes sorted") {
  Fixture fixture;
  fixture.must_set("private_key=" + kPrivate +
                   "\n"
                   "listen_port=51820\n"
                   "fwmark=32\n"
                   "replace_peers=true\n"
                   "public_key=" +
                   kBob + "\npreshared_key=" + kAlice +
                   "\n"
                   "persistent_keepalive_interval=25\n"
                   "replace_allowed_ips=true\n"
                   "allowed_ip=::/0\n"
                   "allowed_ip=0.0.0.0/0\n"
                   "public_key=" +
                   kAlice +
                   "\n"
                   "endpoint=192.0.2.7:4321\n"
                   "replace_allowed_ips=true\n"
                   "allowed_ip=fd00::/64\n"
                   "allowed_ip=10.0.0.1/8\n");
  const std::string alice = peer_text(kAlice, kZero, "endpoint=192.0.2.7:4321\n", 0,
                                      "allowed_ip=10.0.0.0/8\nallowed_ip=fd00::/64\n");
  const std::string bob =
      peer_text(kBob, kAlice, "", 25, "allowed_ip=0.0.0.0/0\nallowed_ip=::/0\n");
  CHECK(fixture.get(51820, 32) == "private_key=" + kPrivate + "\nlisten_port=51820\nfwmark=32\n" +
                                      alice + bob + "errno=0\n\n");
  CHECK(fixture.get() == "private_key=" + kPrivate + "\n" + alice + bob + "errno=0\n\n");
}

TEST_CASE("setting the same again leaves the peers where they are") {
  Fixture fixture;
  const std::string lines =
      "private_key=" + kPrivate + "\npublic_key=" + kAlice + "\nallowed_ip=10.0.0.0/8\n";
  fixture.must_set(lines);
  const PeerId alice = fixture.peer(kAlice);
  const std::string before = fixture.get();
  fixture.must_set(lines);
  CHECK(fixture.peer(kAlice) == alice);
  CHECK(fixture.get() == before);
}

TEST_CASE("what is not named stays as it is") {
  Fixture fixture;
  fixture.must_set(
      "private_key=" + kPrivate + "\npublic_key=" + kAlice + "\npreshared_key=" + kBob +
      "\nendpoint=192.0.2.1:1\npersistent_keepalive_interval=9\nallowed_ip=10.0.0.0/8\n");
  const std::string before = fixture.get();
  fixture.must_set("public_key=" + kAlice + "\n");
  fixture.must_set("");
  CHECK(fixture.get() == before);
}

TEST_CASE("zeros take keys away") {
  Fixture fixture;
  fixture.must_set("private_key=" + kPrivate + "\npublic_key=" + kAlice +
                   "\npreshared_key=" + kBob + "\n");
  CHECK(fixture.device.private_key() != nullptr);
  fixture.must_set("private_key=" + kZero + "\npublic_key=" + kAlice + "\npreshared_key=" + kZero +
                   "\n");
  CHECK(fixture.device.private_key() == nullptr);
  CHECK(fixture.get() == peer_text(kAlice, kZero, "", 0, "") + "errno=0\n\n");
}

TEST_CASE("replace_peers removes those that are not named again") {
  Fixture fixture;
  fixture.must_set("public_key=" + kAlice + "\nallowed_ip=10.0.0.0/8\npublic_key=" + kBob + "\n");
  fixture.must_set("replace_peers=true\npublic_key=" + kBob + "\n");
  CHECK_FALSE(fixture.has(kAlice));
  CHECK(fixture.has(kBob));
  CHECK_FALSE(fixture.device.allowed_ips().find(address("10.0.0.1")));
}

TEST_CASE("remove takes a peer away with its allowed-IPs, and passes over one that is unknown") {
  Fixture fixture;
  fixture.must_set("public_key=" + kAlice + "\nallowed_ip=10.0.0.0/8\n");
  fixture.must_set("public_key=" + kAlice + "\nremove=true\npublic_key=" + kBob +
                   "\nremove=true\n");
  CHECK(fixture.device.peer_count() == 0);
  CHECK(fixture.device.allowed_ips().size() == 0);
}

TEST_CASE("a peer that is removed and named again starts anew") {
  Fixture fixture;
  fixture.must_set("public_key=" + kAlice + "\npreshared_key=" + kBob +
                   "\nallowed_ip=10.0.0.0/8\n");
  fixture.must_set("public_key=" + kAlice + "\nremove=true\npublic_key=" + kAlice +
                   "\nallowed_ip=10.1.0.0/16\n");
  CHECK(fixture.get() ==
        peer_text(kAlice, kZero, "", 0, "allowed_ip=10.1.0.0/16\n") + "errno=0\n\n");
}

TEST_CASE("update_only changes a peer that is known and makes none, wherever it stands") {
  Fixture fixture;
  fixture.must_set("public_key=" + kAlice + "\n");
  fixture.must_set("public_key=" + kAlice +
                   "\nupdate_only=true\nallowed_ip=10.0.0.0/8\npublic_key=" + kBob +
                   "\nallowed_ip=10.0.0.0/8\nupdate_only=true\n");
  CHECK_FALSE(fixture.has(kBob));
  CHECK(fixture.device.allowed_ips().find(address("10.0.0.1")) == fixture.peer(kAlice));
}

TEST_CASE("a peer with our own key is passed over, also when the key comes with it") {
  Fixture fixture;
  fixture.must_set("public_key=" + kAlice + "\nallowed_ip=10.0.0.0/8\n");
  fixture.must_set("private_key=" + kPrivate + "\n");
  const std::string ourselves = to_hex(fixture.device.public_key()->bytes());
  const std::string lines = "public_key=" + ourselves + "\nallowed_ip=10.0.0.0/8\nremove=true\n";
  fixture.must_set(lines);
  CHECK(fixture.device.peer_count() == 1);
  CHECK(fixture.device.allowed_ips().find(address("10.0.0.1")) == fixture.peer(kAlice));

  Fixture other;
  other.must_set("private_key=" + kPrivate + "\npublic_key=" + ourselves +
                 "\nallowed_ip=10.0.0.0/8\npublic_key=" + kAlice + "\n");
  CHECK(other.device.peer_count() == 1);
  CHECK(other.device.allowed_ips().size() == 0);
}

TEST_CASE("an allowed-IP moves, is taken away by its owner alone, and is replaced") {
  Fixture fixture;
  const AllowedIps& ips = fixture.device.allowed_ips();
  fixture.must_set("public_key=" + kAlice + "\nallowed_ip=10.0.0.0/8\nallowed_ip=10.2.0.0/16\n");
  fixture.must_set("public_key=" + kBob + "\nallowed_ip=10.0.0.0/8\nallowed_ip=-10.2.0.0/16\n");
  CHECK(ips.find(address("10.0.0.1")) == fixture.peer(kBob));
  CHECK(ips.find(address("10.2.0.1")) == fixture.peer(kAlice));
  fixture.must_set("public_key=" + kBob + "\nallowed_ip=-10.0.0.0/8\nallowed_ip=10.3.0.0/16\n");
  CHECK_FALSE(ips.find(address("10.0.0.1")));
  fixture.must_set("public_key=" + kBob + "\nreplace_allowed_ips=true\nallowed_ip=10.4.0.0/16\n");
  CHECK_FALSE(ips.find(address("10.3.0.1")));
  CHECK(ips.find(address("10.4.0.1")) == fixture.peer(kBob));
  fixture.must_set("public_key=" + kBob + "\nreplace_allowed_ips=true\n");
  CHECK(ips.size() == 1);
}

TEST_CASE("a request with a mistake in its last line changes nothing") {
  Fixture fixture;
  fixture.must_set("private_key=" + kPrivate + "\npublic_key=" + kAlice + "\n");
  const std::string before = fixture.get();
  const auto result =
      fixture.set("private_key=" + kBob + "\nreplace_peers=true\npublic_key=" + kBob +
                  "\nallowed_ip=10.0.0.0/33\n");
  REQUIRE_FALSE(result);
  CHECK(uapi::errno_of(result.error().kind) == uapi::Errno::kInvalid);
  CHECK(fixture.get() == before);
}

TEST_CASE("one peer more than the device may have is refused") {
  Fixture fixture(1);
  CHECK(fixture.set("public_key=" + kAlice + "\n").has_value());
  const auto result = fixture.set("public_key=" + kBob + "\n");
  REQUIRE_FALSE(result);
  CHECK(uapi::errno_of(result.error().kind) == uapi::Errno::kNoMemory);
  CHECK(fixture.set("replace_peers=true\npublic_key=" + kBob + "\n").has_value());
}

TEST_CASE("get=1 tells when the last handshake was and what has crossed") {
  test::World world(1);
  test::Host& alice = world.add_host();
  test::Host& bob = world.add_host();
  world.introduce(alice, bob);
  world.wall = WallTime(1'600'000'000s + 5ns);
  alice.say(bob, "hello");
  world.run_for(1s);
  REQUIRE(bob.has_heard("hello"));
  std::string text;
  uapi::format_get(alice.device, 0, 0, [&](std::string_view piece) { text += piece; });
  // The response came back after two crossings of 10 ms.
  CHECK(text.find("\nlast_handshake_time_sec=1600000000\nlast_handshake_time_nsec=20000005\n") !=
        std::string::npos);
  const PeerInfo info = alice.device.info(alice.peer(bob));
  REQUIRE(info.tx_bytes > 0);
  REQUIRE(info.rx_bytes > 0);
  REQUIRE(info.tx_bytes != info.rx_bytes);
  CHECK(text.find("\ntx_bytes=" + std::to_string(info.tx_bytes) +
                  "\nrx_bytes=" + std::to_string(info.rx_bytes) + '\n') != std::string::npos);
}

TEST_CASE("a handshake before 1970 is told as none") {
  test::World world(1);
  test::Host& alice = world.add_host();
  test::Host& bob = world.add_host();
  world.introduce(alice, bob);
  world.wall = WallTime(-1h);
  alice.say(bob, "hello");
  world.run_for(1s);
  REQUIRE(bob.has_heard("hello"));
  std::string text;
  uapi::format_get(alice.device, 0, 0, [&](std::string_view piece) { text += piece; });
  CHECK(text.find("\nlast_handshake_time_sec=0\nlast_handshake_time_nsec=0\n") !=
        std::string::npos);
}

TEST_CASE("L18 130,560 allowed-IPs are set and told in pieces of a few kilobytes") {
  Fixture fixture;
  std::string lines = "public_key=" + kAlice + "\nreplace_allowed_ips=true\n";
  for (unsigned i = 0; i < 130'560; ++i)
    lines +=
        "allowed_ip=fd00:" + std::to_string(i / 1000) + ':' + std::to_string(i % 1000) + "::/64\n";
  fixture.must_set(lines);
  std::size_t size = 0;
  std::size_t largest = 0;
  uapi::format_get(fixture.device, 1, 0, [&](std::string_view piece) {
    size += piece.size();
    largest = std::max(largest, piece.size());
  });
  CHECK(size > 130'560 * std::string_view("allowed_ip=fd00:0:0::/64").size());
  CHECK(largest <= 4096);
}

}  // namespace
