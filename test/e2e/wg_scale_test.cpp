// Many peers, many addresses.
//
//   alice 192.0.2.1 --- net --- 192.0.2.2 bob, 192.0.2.3 carol, 192.0.2.4 dave
//     tunnel 10.9.0.1               10.9.0.2       10.9.0.3         10.9.0.4
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "base/ip.h"
#include "base/rng.h"
#include "base/text.h"
#include "os/file.h"
#include "support/lab.h"
#include "support/wg_pair.h"
#include "wg/messages.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

struct Star {
  Star() {
    const auto number = [](std::size_t i) { return std::to_string(i + 2); };
    for (std::size_t i = 0; i < programs.size(); ++i) {
      Node& node = lab.node(names[i]).join(net, {"192.0.2." + number(i) + "/24"});
      peers.push_back(std::make_unique<WgEnd>(lab, node, programs[i],
                                              Addresses{"10.9.0." + number(i) + "/16"}));
      peers[i]->add_peer(alice, {.allowed_ips = "10.9.0.1/32", .endpoint = "192.0.2.1:51820"});
    }
  }

  // The lines of a configuration file for Alice about her real peers.
  std::string sections() const {
    std::string text;
    for (std::size_t i = 0; i < peers.size(); ++i) {
      text += "[Peer]\nPublicKey = " + peers[i]->public_key() + "\nAllowedIPs = 10.9.0." +
              std::to_string(i + 2) + "/32\n";
    }
    return text;
  }
  std::string interface_section() const {
    return "[Interface]\nListenPort = 51820\nPrivateKey = " +
           must(os::read_file(alice.key_file(), 100)) + "\n";
  }
  // `wg setconf` or `wg syncconf`.
  void configure(const std::string& verb, const std::string& text) {
    const std::string path = lab.folder() + "/alice.conf";
    must(os::write_file(path, text, 0600));
    const auto outcome = alice.node().run({"wg", verb, alice.interface(), path});
    INFO(outcome.err);
    REQUIRE(outcome.status.succeeded());
  }

  const std::vector<std::string> names = {"bob", "carol", "dave"};
  const std::vector<WgProgram> programs = {WgProgram::kSinew, WgProgram::kWireguardGo,
                                           WgProgram::kSinew};
  Lab lab;
  Network& net = lab.network("net");
  WgEnd alice{
      lab, lab.node("alice").join(net, {"192.0.2.1/24"}), WgProgram::kSinew, {"10.9.0.1/16"}};
  std::vector<std::unique_ptr<WgEnd>> peers;
};

std::string section_of_stranger(std::uint32_t number, SeededRng& rng) {
  const auto key = wg::PrivateKey::generate(rng).public_key();
  return "[Peer]\nPublicKey = " + key.to_string() + "\nAllowedIPs = 10.64." +
         std::to_string(number >> 8) + "." + std::to_string(number & 255) + "/32\n";
}

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

}  // namespace

TEST_CASE("a thousand peers are set, changed and served; those that stay notice nothing") {
  if (!are_tunnels_possible()) return;
  constexpr std::uint32_t kStrangers = 1'000;
  Star star;
  SeededRng rng(3);
  std::string half;
  std::string rest;
  for (std::uint32_t i = 0; i < kStrangers; ++i)
    (i % 2 == 0 ? half : rest) += section_of_stranger(i, rng);
  star.configure("setconf", star.interface_section() + half + star.sections() + rest);
  CHECK(line_count(star.alice.show({"peers"})) == kStrangers + star.peers.size());
  for (const auto& peer : star.peers) {
    CHECK(peer->node().can_ping("10.9.0.1"));
    transfer(*peer, star.alice, "10.9.0.1", {"-n", "5M"});
  }

  std::vector<std::string> handshakes;
  for (const auto& peer : star.peers)
    handshakes.push_back(star.alice.peer_field("latest-handshakes", *peer));
  star.configure("syncconf", star.interface_section() + star.sections() + half);
  CHECK(line_count(star.alice.show({"peers"})) == kStrangers / 2 + star.peers.size());
  for (std::size_t i = 0; i < star.peers.size(); ++i) {
    CHECK(star.peers[i]->node().can_ping("10.9.0.1"));
    CHECK(star.alice.peer_field("latest-handshakes", *star.peers[i]) == handshakes[i]);
  }
  CHECK(line_count(star.alice.show({"dump"})) == 1 + kStrangers / 2 + star.peers.size());
}

TEST_CASE("T-UAPI-BIG (L18): 130,560 allowed IPs are set, read back and obeyed") {
  if (!are_tunnels_possible()) return;
  constexpr std::uint32_t kCount = 130'560;
  constexpr std::uint32_t kPerPeer = kCount / 2;
  Star star;
  std::string text = star.interface_section() + star.sections();
  std::set<std::string> expected;
  const auto address = [](std::uint32_t number) {
    std::array<std::uint8_t, 4> bytes;
    store_be(bytes.data(), 0x0a80'0000 + number * 3);  // 10.128.0.0 and on, none beside another
    return IpAddress::v4(bytes).to_string();
  };
  for (std::uint32_t peer = 0; peer < 2; ++peer) {
    text += "[Peer]\nPublicKey = " + star.peers[peer]->public_key() + "\nAllowedIPs = 10.9.0." +
            std::to_string(peer + 2) + "/32";
    for (std::uint32_t i = peer; i < kCount; i += 2) {
      text += ", " + address(i) + "/32";
      expected.insert(address(i) + "/32");
    }
    text += "\n";
  }
  star.configure("setconf", text);
  std::string listed;
  for (std::uint32_t peer = 0; peer < 2; ++peer) {
    const std::string field = star.alice.peer_field("allowed-ips", *star.peers[peer]);
    CHECK(std::ranges::count(field, ' ') == kPerPeer);
    listed += field + " ";
  }
  std::size_t found = 0;
  for (std::size_t at = 0; at < listed.size();) {
    const std::size_t end = listed.find(' ', at);
    found += expected.contains(listed.substr(at, end - at)) ? 1 : 0;
    at = end + 1;
  }
  CHECK(found == kCount);

  star.alice.node().ip("route add 10.128.0.0/10 dev " + star.alice.interface() + "\n");
  for (const std::uint32_t number : {0U, 1U, kCount / 2, kCount - 2, kCount - 1}) {
    CAPTURE(number);
    WgEnd& owner = *star.peers[number % 2];
    CHECK(owner.node().can_ping("10.9.0.1"));
    owner.node().ip("address add " + address(number) + "/32 dev " + owner.interface() + "\n");
    CHECK(star.alice.node().can_ping(address(number)));
  }
  for (const auto& peer : star.peers)
    CHECK(peer->node().can_ping("10.9.0.1"));
}
