#include "node/peers.h"

#include <doctest/doctest.h>

#include <set>

#include "support/runtime.h"

namespace sinew::node {
namespace {

const MonoTime kNow(1h);
const WallTime kWall(1'700'000'000s);

// Keeps who may use which address, as the packet path does.
class FakePackets final : public PacketPath {
 public:
  Result<> set_peer(const netmap::NodeKey& key, const std::vector<IpPrefix>& addresses,
                    DetourNumber detour) override {
    ++sets;
    if (refuses) return Error{ErrorKind::kOverloaded, "too many peers"};
    peers[key] = addresses;
    detours[key] = detour;
    ways[key] = "detour";
    return {};
  }
  void remove_peer(const netmap::NodeKey& key) override {
    peers.erase(key);
    ways.erase(key);
  }
  void send_directly(const netmap::NodeKey& key, const Endpoint& to) override {
    ways[key] = to.to_string();
  }
  void send_over(const netmap::NodeKey& key, DetourNumber detour) override {
    CHECK(detours[key] == detour);
    ways[key] = "detour";
  }
  void inject(DetourNumber, ByteView) override {}
  Result<> send(const Endpoint&, ByteView) override { return {}; }
  std::uint16_t port() const override { return 1; }
  std::uint32_t interface_number() const override { return 1; }
  void network_changed() override {}
  std::vector<PeerTraffic> traffic() const override { return {}; }
  Result<> set_addresses(const netmap::Self&) override { return {}; }

  std::map<netmap::NodeKey, std::vector<IpPrefix>> peers;
  std::map<netmap::NodeKey, DetourNumber> detours;
  std::map<netmap::NodeKey, std::string> ways;
  int sets = 0;
  bool refuses = false;
};

struct Setup {
  SeededRng rng{7};
  FakePackets packets;
  os::SystemClock clock;
  test::RecordingSink sink;
  path::Agent paths{rng,
                    crypto::X25519PrivateKey::generate(rng),
                    crypto::X25519PrivateKey::generate(rng).public_key(),
                    {}};
  Peers peers{packets, paths, Log(sink, clock, LogLevel::kDebug, "test")};

  netmap::Peer peer(std::string name, std::uint8_t last_byte) {
    netmap::Peer peer;
    peer.key = crypto::X25519PrivateKey::generate(rng).public_key();
    peer.disco = {crypto::X25519PrivateKey::generate(rng).public_key()};
    peer.name = std::move(name);
    peer.v4 = IpAddress::v4(10, 147, 0, last_byte);
    peer.v6 = *IpAddress::parse("fd00::" + std::to_string(last_byte));
    return peer;
  }
};

TEST_CASE("a peer may use its own two addresses and nothing else") {
  Setup setup;
  const netmap::Peer peer = setup.peer("one", 1);
  setup.peers.upsert(peer, kNow);
  CHECK(setup.packets.peers[peer.key] ==
        std::vector{IpPrefix::of_host(*peer.v4), IpPrefix::of_host(*peer.v6)});
  CHECK(setup.paths.describe(peer.key, kNow));
}

TEST_CASE("a removed peer has no access and no way the moment the call returns") {
  Setup setup;
  const netmap::Peer peer = setup.peer("one", 1);
  const netmap::Peer other = setup.peer("other", 2);
  setup.peers.upsert(peer, kNow);
  setup.peers.upsert(other, kNow);
  const DetourNumber detour = setup.peers.find(peer.key)->detour;
  setup.peers.remove(peer.key, kNow);
  CHECK_FALSE(setup.packets.peers.contains(peer.key));
  CHECK_FALSE(setup.paths.describe(peer.key, kNow));
  CHECK(setup.peers.find(peer.key) == nullptr);
  CHECK(setup.peers.find(detour) == nullptr);
  CHECK(setup.peers.find_named("one") == nullptr);
  // A route that was on its way gives nothing back.
  const path::Direct direct{*Endpoint::parse("192.0.2.1:7"), path::kMainSocket};
  setup.peers.take_route({peer.key, path::Route::to(direct)}, kWall);
  CHECK_FALSE(setup.packets.ways.contains(peer.key));
  CHECK(setup.packets.peers.contains(other.key));
  setup.peers.remove(peer.key, kNow);
  CHECK(setup.peers.size() == 1);
}

TEST_CASE("a record that says the same again changes nothing in the packet path") {
  Setup setup;
  netmap::Peer peer = setup.peer("one", 1);
  setup.peers.upsert(peer, kNow);
  setup.peers.upsert(peer, kNow);
  peer.is_online = false;
  peer.name = "two";
  setup.peers.upsert(peer, kNow);
  CHECK(setup.packets.sets == 1);
  CHECK(setup.peers.find_named("two") != nullptr);
  CHECK(setup.peers.find_named("one") == nullptr);
}

TEST_CASE("a peer with another address has that one and loses the old one") {
  Setup setup;
  netmap::Peer peer = setup.peer("one", 1);
  setup.peers.upsert(peer, kNow);
  const DetourNumber detour = setup.peers.find(peer.key)->detour;
  peer.v4 = IpAddress::v4(10, 147, 0, 9);
  peer.v6.reset();
  setup.peers.upsert(peer, kNow);
  CHECK(setup.packets.peers[peer.key] == std::vector{IpPrefix::of_host(*peer.v4)});
  CHECK(setup.peers.find(peer.key)->detour == detour);
  CHECK(setup.peers.find_named("10.147.0.1") == nullptr);
  CHECK(setup.peers.find_named("10.147.0.9") != nullptr);
}

TEST_CASE("every peer has a detour of its own, and a number is not given twice") {
  Setup setup;
  std::set<DetourNumber> numbers;
  for (int i = 0; i < 50; ++i) {
    const netmap::Peer peer = setup.peer("p" + std::to_string(i), static_cast<std::uint8_t>(i));
    setup.peers.upsert(peer, kNow);
    const Peers::Entry* const entry = setup.peers.find(peer.key);
    REQUIRE(entry != nullptr);
    CHECK(numbers.insert(entry->detour).second);
    CHECK(setup.peers.find(entry->detour) == entry);
    if (i % 2 == 0) setup.peers.remove(peer.key, kNow);
  }
  CHECK(setup.peers.size() == 25);
}

TEST_CASE("only a direct route from WireGuard's own socket leaves the detour") {
  Setup setup;
  const netmap::Peer peer = setup.peer("one", 1);
  setup.peers.upsert(peer, kNow);
  const Endpoint there = *Endpoint::parse("192.0.2.1:7");
  const auto take = [&](const path::Route& route) {
    setup.peers.take_route({peer.key, route}, kWall);
    CHECK(setup.peers.find(peer.key)->route == route);
    return setup.packets.ways[peer.key];
  };
  CHECK(take(path::Route::to({there, path::kMainSocket})) == "192.0.2.1:7");
  CHECK(take(path::Route::to({there, path::SocketNumber(3)})) == "detour");
  CHECK(take(path::Route::to({there, path::kMainSocket})) == "192.0.2.1:7");
  CHECK(take(path::Route::relay()) == "detour");
  CHECK(take(path::Route::none()) == "detour");
}

TEST_CASE("what comes over another socket belongs to the peer whose route that is, while it is") {
  Setup setup;
  const netmap::Peer peer = setup.peer("one", 1);
  setup.peers.upsert(peer, kNow);
  const path::Direct beside{*Endpoint::parse("192.0.2.1:7"), path::SocketNumber(3)};
  CHECK(setup.peers.find_beside(beside) == nullptr);
  setup.peers.take_route({peer.key, path::Route::to(beside)}, kWall);
  CHECK(setup.peers.find_beside(beside) == setup.peers.find(peer.key));
  setup.peers.take_route({peer.key, path::Route::relay()}, kWall);
  CHECK(setup.peers.find_beside(beside) == nullptr);
  setup.peers.take_route({peer.key, path::Route::to(beside)}, kWall);
  setup.peers.remove(peer.key, kNow);
  CHECK(setup.peers.find_beside(beside) == nullptr);
}

TEST_CASE("a peer is found by name without regard to case, by either address, and by key") {
  Setup setup;
  const netmap::Peer peer = setup.peer("Robot-7", 7);
  setup.peers.upsert(peer, kNow);
  setup.peers.upsert(setup.peer("other", 8), kNow);
  const Peers::Entry* const entry = setup.peers.find(peer.key);
  for (const std::string& word :
       {std::string("Robot-7"), std::string("rOBOT-7"), std::string("10.147.0.7"),
        std::string("fd00::7"), std::string("fd00:0::0:7"), peer.key.to_string()}) {
    CAPTURE(word);
    CHECK(setup.peers.find_named(word) == entry);
  }
  for (const char* word : {"", "robot", "robot-77", "10.147.0.70", "fd00::70"})
    CHECK(setup.peers.find_named(word) == nullptr);
}

TEST_CASE("a name that two peers have means neither of them") {
  Setup setup;
  const netmap::Peer first = setup.peer("twin", 1);
  setup.peers.upsert(first, kNow);
  const netmap::Peer second = setup.peer("TWIN", 2);
  setup.peers.upsert(second, kNow);
  CHECK(setup.peers.find_named("twin") == nullptr);
  setup.peers.remove(second.key, kNow);
  CHECK(setup.peers.find_named("twin") == setup.peers.find(first.key));
}

TEST_CASE("a peer that the packet path refuses is logged with its name made harmless") {
  Setup setup;
  setup.packets.refuses = true;
  setup.peers.upsert(setup.peer("\x1b[2Jevil", 1), kNow);
  REQUIRE_FALSE(setup.sink.lines.empty());
  CHECK(setup.sink.lines.back().contains("too many peers"));
  CHECK_FALSE(setup.sink.lines.back().contains('\x1b'));
}

}  // namespace
}  // namespace sinew::node
