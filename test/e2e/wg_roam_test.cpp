// A tunnel whose ends move about, vanish and return, and one whose ends a stranger wants to move.
// The topology is that of WgPair, and where a stranger takes part:
//
//   alice 192.0.2.1 ---+--- net --- 192.0.2.2 bob
//   carol 192.0.2.3 ---+
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/rng.h"
#include "support/datagram_tap.h"
#include "support/lab.h"
#include "support/tcp_flow.h"
#include "support/udp_probe.h"
#include "support/wg_pair.h"
#include "wg/cookie.h"
#include "wg/messages.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;

constexpr auto kOurs = WgProgram::kSinew;
constexpr auto kTheirs = WgProgram::kWireguardGo;

void move(Node& node, const std::string& from, const std::string& to) {
  node.ip("address del " + from + " dev net\naddress add " + to + " dev net\n");
}

// How often one echo request is answered; none is sent twice.
bool is_answered_at_once(WgEnd& end, const std::string& address) {
  return end.node().run({"ping", "-n", "-q", "-c", "1", "-W", "5", address}).status.succeeded();
}

// Every kind of message that a stranger can make who knows Bob's public key and, from the wire, the
// index of his session.
std::vector<Bytes> forgeries(const std::string& public_key, wg::SessionIndex index, Rng& rng) {
  const auto random = [&rng](std::size_t size) {
    Bytes bytes(size);
    rng.fill(bytes);
    return bytes;
  };
  wg::CookieHolder macs(must(wg::PublicKey::parse(public_key)));
  std::vector<Bytes> out;
  for (const std::size_t size : {wg::kInitiationSize, wg::kResponseSize}) {
    Bytes handshake = random(size);
    store_le(handshake.data(), std::uint32_t{size == wg::kInitiationSize ? 1U : 2U});
    store_le(handshake.data() + (size == wg::kInitiationSize ? 4 : 8), index.value());
    macs.add_macs(handshake, MonoTime());
    out.push_back(handshake);
  }
  Bytes cookie = random(wg::kCookieSize);
  store_le(cookie.data(), std::uint32_t{3});
  store_le(cookie.data() + 4, index.value());
  out.push_back(cookie);
  for (const std::size_t inside : {0U, 64U, 1400U}) {
    Bytes data = random(wg::kDataOverhead + inside);
    wg::DataHeader{.receiver = index, .counter = 5'000}.store(data.data());
    out.push_back(data);
  }
  for (const std::size_t size : {1U, 31U, 32U, 148U, 1472U})
    out.push_back(random(size));
  return out;
}

bool is_echo(const TappedDatagram& datagram) {
  return wg::kind_of(datagram.bytes) == wg::Kind::kData &&
         datagram.bytes.size() > wg::kKeepaliveSize;
}

}  // namespace

TEST_CASE(
    "T-WG-ROAM (L09): TCP goes on when the caller changes its address, its port, its family") {
  if (!are_tunnels_possible()) return;
  using Ends = std::pair<WgProgram, WgProgram>;
  for (const auto& [ours, theirs] : {Ends{kOurs, kOurs}, {kOurs, kTheirs}, {kTheirs, kOurs}}) {
    CAPTURE(ours == kOurs);
    CAPTURE(theirs == kOurs);
    WgPair pair({.alice = ours, .bob = theirs});
    pair.introduce();
    TcpFlow flow(pair.alice.node(), pair.bob.node(), "10.9.0.2");
    REQUIRE(flow.carry(2 * kMegabyte));
    const std::string handshake = pair.bob.peer_field("latest-handshakes", pair.alice);

    // wireguard-go goes on sending from an address that is gone.
    const std::string address = ours == kOurs ? "192.0.2.101" : "192.0.2.1";
    if (ours == kOurs) move(pair.alice.node(), "192.0.2.1/24", address + "/24");
    CHECK(is_answered_at_once(pair.alice, "10.9.0.2"));
    CHECK(pair.bob.peer_field("endpoints", pair.alice) == address + ":51820");
    CHECK(flow.carry(2 * kMegabyte));

    pair.alice.set({"listen-port", "51821"});
    CHECK(is_answered_at_once(pair.alice, "10.9.0.2"));
    CHECK(pair.bob.peer_field("endpoints", pair.alice) == address + ":51821");
    CHECK(flow.carry(2 * kMegabyte));

    pair.alice.set({"peer", pair.bob.public_key(), "endpoint", "[2001:db8::2]:51820"});
    CHECK(is_answered_at_once(pair.alice, "10.9.0.2"));
    CHECK(pair.bob.peer_field("endpoints", pair.alice) == "[2001:db8::1]:51821");
    CHECK(flow.carry(2 * kMegabyte));
    CHECK(pair.bob.peer_field("latest-handshakes", pair.alice) == handshake);
  }
}

TEST_CASE("the one who is called may move as well, because its keepalives tell") {
  if (!are_tunnels_possible()) return;
  for (const auto program : {kOurs, kTheirs}) {
    WgPair pair({.alice = program, .bob = kOurs});
    pair.introduce({.keepalive_of_bob = 1});
    TcpFlow flow(pair.alice.node(), pair.bob.node(), "10.9.0.2");
    REQUIRE(flow.carry(2 * kMegabyte));
    move(pair.bob.node(), "192.0.2.2/24", "192.0.2.102/24");
    CHECK(flow.carry(2 * kMegabyte));
    CHECK(pair.alice.peer_field("endpoints", pair.bob) == "192.0.2.102:51820");
  }
}

TEST_CASE("T-WG-ROAM-AUTH (L08): a stranger's packets, forged or repeated, move no endpoint") {
  if (!are_tunnels_possible()) return;
  WgPair pair;
  Node& carol = pair.lab.node("carol").join(pair.network, {"192.0.2.3/24"});
  pair.introduce();
  DatagramTap from_alice(pair.network, pair.alice.node());
  DatagramTap from_bob(pair.network, pair.bob.node());
  REQUIRE(is_answered_at_once(pair.alice, "10.9.0.2"));
  const TappedDatagram request = from_alice.wait_for(is_echo);
  const TappedDatagram reply = from_bob.wait_for(is_echo);

  SeededRng rng(1);
  UdpProbe stranger(carol, "192.0.2.3:51820");
  const auto attack = [&](WgEnd& victim, const TappedDatagram& seen) {
    const auto index = wg::DataHeader::load(seen.bytes.data()).receiver;
    for (const Bytes& forgery : forgeries(victim.public_key(), index, rng))
      stranger.send(seen.to, as_text(forgery));
    stranger.send(seen.to, as_text(seen.bytes));
  };
  attack(pair.bob, request);
  attack(pair.alice, reply);
  const std::string endpoint_of_bob = pair.alice.peer_field("endpoints", pair.bob);
  // These arrive after what the stranger has sent.
  CHECK(is_answered_at_once(pair.alice, "10.9.0.2"));
  CHECK(is_answered_at_once(pair.bob, "10.9.0.1"));
  CHECK(endpoint_of_bob == "192.0.2.2:51820");
  CHECK(pair.alice.peer_field("endpoints", pair.bob) == "192.0.2.2:51820");
  CHECK(pair.bob.peer_field("endpoints", pair.alice) == "192.0.2.1:51820");
  for (WgEnd* end : {&pair.alice, &pair.bob}) {
    CHECK(end->counter("dropped_replay") == 1);
    CHECK(end->counter("dropped_not_authentic") == 3);
    CHECK(end->counter("dropped_bad_cookie") == 1);
    CHECK(end->counter("lost_not_wireguard") == 5);
  }
}

TEST_CASE("TCP goes on after the cable was pulled, and after the link was down") {
  if (!are_tunnels_possible()) return;
  for (const auto program : {kOurs, kTheirs}) {
    WgPair pair({.alice = kOurs, .bob = program});
    pair.introduce();
    TcpFlow flow(pair.alice.node(), pair.bob.node(), "10.9.0.2");
    REQUIRE(flow.carry(2 * kMegabyte));
    pair.bob.node().unplug(pair.network);
    CHECK_FALSE(pair.alice.node().can_ping("10.9.0.2"));
    pair.bob.node().plug_in(pair.network);
    CHECK(flow.carry(2 * kMegabyte));

    pair.alice.node().ip("link set net down\n");
    CHECK_FALSE(pair.alice.node().can_ping("10.9.0.2"));
    pair.alice.node().ip("link set net up\n");
    CHECK(flow.carry(2 * kMegabyte));

    const std::string& tunnel = pair.alice.interface();
    pair.alice.node().ip("link set " + tunnel + " down\n");
    pair.alice.node().ip("link set " + tunnel + " up\n");
    CHECK(flow.carry(2 * kMegabyte));
  }
}
