// The packet path with a Companion: two tunnels in this process, whose companions hand what is for
// a detour to each other, and a real network beside that.
//
//   alice 192.0.2.1 ---- net ---- 192.0.2.2 bob
//     tunnel 10.9.0.1   detours   10.9.0.2
//                        net ---- 192.0.2.3 stranger
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <map>
#include <thread>

#include "dataplane/tunnel.h"
#include "netlink/rtnetlink.h"
#include "os/clock.h"
#include "os/log_sink.h"
#include "os/mutex.h"
#include "os/random.h"
#include "support/lab.h"
#include "support/refused_call.h"
#include "support/tcp_flow.h"
#include "support/udp_probe.h"

using namespace sinew;
using namespace sinew::lab;
using dataplane::Companion;
using dataplane::detour_endpoint;
using dataplane::PeerChange;
using dataplane::Tunnel;
using dataplane::TunnelOptions;

namespace {

constexpr Duration kPatience = 20s;
constexpr std::size_t kMegabyte = 1 << 20;

// Asks until it is so, or patience ends.
template <typename F>
bool comes_true(F&& is_so) {
  const os::SystemClock clock;
  const MonoTime deadline = clock.now() + kPatience;
  while (!is_so()) {
    if (clock.now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

struct StrayNote {
  std::string text;
  std::size_t segment_size;
  Endpoint from;
};

// Hands what is for detours to another tunnel, as a relay would, and keeps what it is told.
class Forwarder final : public Companion {
 public:
  // What is for detour N arrives at `other` over `number`.
  void connect(Tunnel& other, std::uint32_t number) {
    number_ = number;
    other_ = &other;
  }
  void disconnect() { other_ = nullptr; }

  void take_stray(ByteView train, std::size_t segment_size, const wg::Path& from) override {
    const os::MutexLock lock(mutex_);
    strays_.push_back({std::string(as_text(train)), segment_size, from.remote});
  }
  bool take_detour(std::uint32_t, ByteView train, std::size_t segment_size) override {
    if (train.size() > segment_size) ++long_trains_;
    Tunnel* const other = other_;
    return other != nullptr && other->inject(number_, train, segment_size);
  }
  void peer_wanted(const wg::PublicKey& peer) override {
    const os::MutexLock lock(mutex_);
    ++wanted_[peer.to_string()];
  }
  void peer_heard(const wg::PublicKey& peer, const wg::Path& from) override {
    const os::MutexLock lock(mutex_);
    ++heard_[peer.to_string() + " " + from.remote.to_string()];
  }

  std::vector<StrayNote> strays() {
    const os::MutexLock lock(mutex_);
    return strays_;
  }
  int wanted(const wg::PublicKey& peer) {
    const os::MutexLock lock(mutex_);
    return wanted_[peer.to_string()];
  }
  int heard(const wg::PublicKey& peer, const Endpoint& from) {
    const os::MutexLock lock(mutex_);
    return heard_[peer.to_string() + " " + from.to_string()];
  }
  std::uint64_t long_trains() const { return long_trains_; }

 private:
  std::atomic<Tunnel*> other_ = nullptr;
  std::atomic<std::uint32_t> number_ = 0;
  std::atomic<std::uint64_t> long_trains_ = 0;
  os::Mutex mutex_;
  std::vector<StrayNote> strays_ SINEW_GUARDED_BY(mutex_);
  std::map<std::string, int> wanted_ SINEW_GUARDED_BY(mutex_);
  std::map<std::string, int> heard_ SINEW_GUARDED_BY(mutex_);
};

// One end: a tunnel that is operated by calls alone, and its thread.
class End {
 public:
  End(Node& node, int number, unsigned workers)
      : node_(&node), address_(IpAddress::v4(10, 9, 0, static_cast<std::uint8_t>(number))) {
    TunnelOptions options{.interface = "mesh%d", .workers = workers};
    options.handles_signals = false;
    options.has_uapi = false;
    options.companion = &companion;
    node.inside([&] {
      tunnel = must(Tunnel::open(options, rng_, clock_, log_));
      must(must(netlink::Rtnetlink::open()).add_address(tunnel->interface_index(), address_, 24));
      tunnel->set_private_key(key_);
      must(tunnel->start_link());
    });
    thread_ = std::thread([this] { node_->inside([this] { must(tunnel->run()); }); });
  }
  End(const End&) = delete;
  End& operator=(const End&) = delete;
  ~End() {
    if (tunnel) end();
  }

  void end() {
    tunnel->stop();
    thread_.join();
    tunnel.reset();
  }

  Node& node() { return *node_; }
  wg::PublicKey key() const { return key_.public_key(); }
  std::string address() const { return address_.to_string(); }
  Endpoint endpoint() const {
    return {.address = IpAddress::v4(192, 0, 2, address_.bytes()[3]), .port = tunnel->port()};
  }

  void set_peer(const End& peer, std::optional<Endpoint> endpoint, bool is_roaming = false) {
    const PeerChange change{.key = peer.key(),
                            .endpoint = endpoint,
                            .allowed_ips = {{IpPrefix::of_host(peer.address_)}},
                            .is_roaming = is_roaming};
    must(tunnel->configure_peers({&change, 1}));
  }
  void move_peer(const End& peer, const Endpoint& endpoint) {
    const PeerChange change{.key = peer.key(), .endpoint = endpoint};
    must(tunnel->configure_peers({&change, 1}));
  }
  void remove_peer(const End& peer) {
    const PeerChange change{.key = peer.key(), .is_removed = true};
    must(tunnel->configure_peers({&change, 1}));
  }
  std::optional<Endpoint> endpoint_of(const End& peer) const {
    const auto info = tunnel->peer_info(peer.key());
    return info ? info->endpoint : std::nullopt;
  }
  std::uint64_t counter(const std::string& name) {
    const std::string all = "\n" + tunnel->get_counters();
    const std::size_t at = all.find("\n" + name + "=");
    REQUIRE(at != std::string::npos);
    return std::stoull(all.substr(at + name.size() + 2));
  }

  Forwarder companion;
  std::unique_ptr<Tunnel> tunnel;

 private:
  os::SystemRng rng_;
  os::SystemClock clock_;
  os::FdLogSink sink_{os::Fd(::dup(2)), os::LogFormat::kText};
  Log log_{sink_, clock_, LogLevel::kError, "test"};
  wg::PrivateKey key_ = wg::PrivateKey::generate(rng_);
  Node* node_;
  IpAddress address_;
  std::thread thread_;
};

struct Site {
  explicit Site(unsigned workers = 1) : alice(alice_node, 1, workers), bob(bob_node, 2, workers) {
    alice.companion.connect(*bob.tunnel, 1);
    bob.companion.connect(*alice.tunnel, 2);
  }
  ~Site() {
    alice.companion.disconnect();
    bob.companion.disconnect();
  }
  // Each over a detour. Alice's number at Bob is 1, Bob's at Alice 2.
  void introduce_by_detours() {
    alice.set_peer(bob, detour_endpoint(2));
    bob.set_peer(alice, detour_endpoint(1));
  }

  Lab lab;
  Network& network = lab.network("net");
  Node& alice_node = lab.node("alice").join(network, {"192.0.2.1/24"});
  Node& bob_node = lab.node("bob").join(network, {"192.0.2.2/24"});
  End alice;
  End bob;
};

}  // namespace

TEST_CASE("sealed packets for a detour go to the companion and come in by inject") {
  if (!is_possible()) return;
  Site site;
  site.introduce_by_detours();
  CHECK(site.alice.node().can_ping(site.bob.address()));
  TcpFlow there(site.alice.node(), site.bob.node(), site.bob.address());
  TcpFlow back(site.bob.node(), site.alice.node(), site.alice.address(), 7001);
  CHECK(there.carry(20 * kMegabyte));
  CHECK(back.carry(20 * kMegabyte));
  CHECK(site.alice.companion.long_trains() > 0);
  CHECK(site.bob.companion.long_trains() > 0);
  CHECK(site.alice.counter("trains_detoured") > 0);
  CHECK(site.alice.counter("trains_injected") > 0);
  CHECK(site.alice.counter("trains_sent") == 0);
  CHECK(site.alice.counter("trains_received") == 0);
  CHECK(site.alice.endpoint_of(site.bob) == detour_endpoint(2));
  CHECK(site.alice.companion.heard(site.bob.key(), detour_endpoint(2)) > 0);
}

TEST_CASE("several workers share detours and sockets while peers move between them") {
  if (!is_possible()) return;
  Site site(3);
  site.introduce_by_detours();
  TcpFlow there(site.alice.node(), site.bob.node(), site.bob.address());
  TcpFlow back(site.bob.node(), site.alice.node(), site.alice.address(), 7001);
  const auto both_go_on = [&] {
    CHECK(there.carry(kMegabyte));
    CHECK(back.carry(kMegabyte));
  };
  both_go_on();
  site.alice.move_peer(site.bob, site.bob.endpoint());
  both_go_on();
  site.bob.move_peer(site.alice, site.alice.endpoint());
  both_go_on();
  site.alice.move_peer(site.bob, detour_endpoint(2));
  both_go_on();
  must(site.alice.tunnel->rebind());
  both_go_on();
  CHECK(site.alice.tunnel->peer_infos().size() == 1);
  CHECK(site.alice.counter("trains_sent") > 0);
}

TEST_CASE("a peer that does not roam keeps its endpoint, and where it is heard is told") {
  if (!is_possible()) return;
  Site site;
  site.alice.set_peer(site.bob, detour_endpoint(2));
  site.bob.set_peer(site.alice, site.alice.endpoint());
  CHECK(site.bob.node().can_ping(site.alice.address()));
  CHECK(site.alice.node().can_ping(site.bob.address()));
  CHECK(site.alice.endpoint_of(site.bob) == detour_endpoint(2));
  CHECK(site.bob.endpoint_of(site.alice) == site.alice.endpoint());
  CHECK(comes_true(
      [&] { return site.alice.companion.heard(site.bob.key(), site.bob.endpoint()) > 0; }));
  CHECK(comes_true(
      [&] { return site.bob.companion.heard(site.alice.key(), detour_endpoint(1)) > 0; }));
}

TEST_CASE("a detour that nobody takes loses its packets and says so") {
  if (!is_possible()) return;
  Site site;
  site.introduce_by_detours();
  REQUIRE(site.alice.node().can_ping(site.bob.address()));
  site.alice.companion.disconnect();
  CHECK_FALSE(site.alice.node().can_ping(site.bob.address()));
  CHECK(comes_true([&] { return site.alice.counter("lost_detour_refused") > 0; }));
  site.alice.companion.connect(*site.bob.tunnel, 1);
  CHECK(site.alice.node().can_ping(site.bob.address()));
}

TEST_CASE("other protocols on the port reach the companion, and nothing else does") {
  if (!is_possible()) return;
  Site site;
  Node& stranger = site.lab.node("stranger").join(site.network, {"192.0.2.3/24"});
  UdpProbe probe(stranger, "192.0.2.3:4000");
  const Endpoint alice = site.alice.endpoint();
  std::string stun("\x01\x01\x00\x00\x21\x12\xa4\x42", 8);
  stun.resize(20);
  probe.send(alice, "garbage");
  probe.send(alice, stun);
  probe.send(alice, "\xc1 signal");
  probe.send(alice, "\xe1 relayed");
  probe.send(alice, "\xd1 disco");
  REQUIRE(comes_true([&] { return site.alice.companion.strays().size() == 4; }));
  const auto strays = site.alice.companion.strays();
  CHECK(strays[0].text == stun);
  CHECK(strays[1].text == "\xc1 signal");
  CHECK(strays[2].text == "\xe1 relayed");
  CHECK(strays[3].text == "\xd1 disco");
  for (const StrayNote& stray : strays) {
    CHECK(stray.from == probe.local());
    CHECK(stray.segment_size == stray.text.size());
  }
  CHECK(comes_true([&] { return site.alice.counter("strays") == 4; }));
  CHECK(site.alice.counter("lost_not_wireguard") == 1);
}

TEST_CASE("strays that came over a detour are handed over with its endpoint, in one train") {
  if (!is_possible()) return;
  Site site;
  const std::string disco = "\xd1";
  const std::string whole = disco + "aa" + disco + "bb" + disco + "c";
  const std::string mixed = disco + "aa" + "gar" + disco;
  REQUIRE(site.alice.tunnel->inject(9, as_bytes(whole), 3));
  REQUIRE(site.alice.tunnel->inject(9, as_bytes(mixed), 3));
  REQUIRE(comes_true([&] { return site.alice.companion.strays().size() == 3; }));
  const auto strays = site.alice.companion.strays();
  CHECK(strays[0].text == whole);
  CHECK(strays[0].segment_size == 3);
  CHECK(strays[0].from == detour_endpoint(9));
  CHECK(strays[1].text == disco + "aa");
  CHECK(strays[2].text == disco);
}

TEST_CASE("what is sent aside comes from the tunnel's own port") {
  if (!is_possible()) return;
  Site site;
  Node& stranger = site.lab.node("stranger").join(site.network, {"192.0.2.3/24"});
  UdpProbe probe(stranger, "192.0.2.3:4000");
  must(site.alice.tunnel->send_aside(probe.local(), {}, as_bytes("probe")));
  const auto datagram = probe.receive();
  REQUIRE(datagram.has_value());
  CHECK(datagram->from == site.alice.endpoint());
  CHECK(datagram->text == "probe");
  CHECK_FALSE(site.alice.tunnel->send_aside(detour_endpoint(1), {}, as_bytes("x")).has_value());
}

TEST_CASE("a peer is wanted with the first packet for it, even while nobody knows where it is") {
  if (!is_possible()) return;
  Site site;
  site.alice.set_peer(site.bob, std::nullopt);
  CHECK(site.alice.companion.wanted(site.bob.key()) == 0);
  const os::SystemClock clock;
  const MonoTime begin = clock.now();
  site.alice.node().run({"ping", "-q", "-c", "30", "-i", "0.01", "-W", "1", site.bob.address()});
  CHECK(comes_true([&] { return site.alice.companion.wanted(site.bob.key()) > 0; }));
  const auto seconds = (clock.now() - begin) / dataplane::kNoticeInterval;
  CHECK(site.alice.companion.wanted(site.bob.key()) <= seconds + 1);

  site.alice.move_peer(site.bob, detour_endpoint(2));
  site.bob.set_peer(site.alice, detour_endpoint(1));
  CHECK(site.alice.node().can_ping(site.bob.address()));
}

TEST_CASE("a peer is wanted when a handshake with it begins, without any packet for it") {
  if (!is_possible()) return;
  Site site;
  const PeerChange change{.key = site.bob.key(),
                          .endpoint = detour_endpoint(2),
                          .persistent_keepalive = 25s,
                          .is_roaming = false};
  must(site.alice.tunnel->configure_peers({&change, 1}));
  CHECK(comes_true([&] { return site.alice.companion.wanted(site.bob.key()) > 0; }));
  CHECK(site.alice.counter("tunnel_reads") == 0);
}

TEST_CASE("a peer that is removed is cut off at once, and can come back") {
  if (!is_possible()) return;
  Site site;
  site.introduce_by_detours();
  REQUIRE(site.alice.node().can_ping(site.bob.address()));
  site.alice.remove_peer(site.bob);
  CHECK_FALSE(site.bob.node().can_ping(site.alice.address()));
  CHECK(site.alice.tunnel->peer_infos().empty());
  site.alice.set_peer(site.bob, detour_endpoint(2));
  CHECK(site.alice.node().can_ping(site.bob.address()));
}

TEST_CASE("a link that is stopped and started by calls keeps its port and carries again") {
  if (!is_possible()) return;
  Site site;
  site.introduce_by_detours();
  REQUIRE(site.alice.node().can_ping(site.bob.address()));
  const std::uint16_t port = site.alice.tunnel->port();
  CHECK(port != 0);
  must(site.alice.tunnel->stop_link());
  CHECK_FALSE(site.bob.node().can_ping(site.alice.address()));
  must(site.alice.tunnel->start_link());
  CHECK(site.alice.node().can_ping(site.bob.address()));
  CHECK(site.alice.tunnel->port() == port);
}

TEST_CASE("changes that cannot be made are refused") {
  if (!is_possible()) return;
  Site site;
  const PeerChange ourselves{.key = site.alice.key()};
  const auto refused = site.alice.tunnel->configure_peers({&ourselves, 1});
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().kind == ErrorKind::kInvalid);
}

TEST_CASE("a tunnel whose workers cannot all be started says so, and one that was stopped ends") {
  if (!is_possible()) return;
  Lab lab;
  Node& node = lab.node("alice");
  os::SystemRng rng;
  const os::SystemClock clock;
  os::FdLogSink sink(os::Fd(::dup(2)), os::LogFormat::kText);
  const Log log(sink, clock, LogLevel::kError, "test");
  TunnelOptions options{.interface = "mesh%d", .workers = 3};
  options.handles_signals = false;
  options.has_uapi = false;
  auto tunnel = node.inside([&] { return must(Tunnel::open(options, rng, clock, log)); });
  test::with_refused_call(SYS_clone3, EAGAIN, [&] {
    const auto ended = tunnel->run();
    REQUIRE_FALSE(ended.has_value());
    CHECK(ended.error().message.starts_with("run 3 workers: start a thread: "));
  });
  tunnel = node.inside([&] { return must(Tunnel::open(options, rng, clock, log)); });
  tunnel->stop();
  CHECK(tunnel->run().has_value());
}
