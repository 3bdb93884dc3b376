// One peer floods a server with more than it can open; what another sends arrives all the same.
//
//   flooder 192.0.2.2 ----- first --- 192.0.2.1    server 10.9.0.1
//     tunnel 10.9.0.2                 198.51.100.1
//   modest  198.51.100.2 -- second ---+
//     tunnel 10.9.0.3
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/lab.h"
#include "support/packet_count.h"
#include "support/wg_pair.h"
#include "udp/udp_port.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

// The server passes what it has opened through all these rules in the call that delivers it, so
// opening costs far more than receiving, whatever the machine. Pings pass none.
std::string long_firewall() {
  constexpr int kRules = 2'000;
  std::string rules = "table inet filter {\n  chain flood {\n";
  for (int i = 0; i < kRules; ++i)
    rules += "    udp sport " + std::to_string(1 + i % 1'000) + " accept\n";
  return rules +
         "    drop\n  }\n  chain in {\n    type filter hook input priority 0\n"
         "    ip saddr 10.9.0.2 udp dport 10-100 jump flood\n  }\n}\n";
}

struct Peers {
  Peers() {
    flooder.add_peer(server, {.allowed_ips = "10.9.0.1/32", .endpoint = "192.0.2.1:51820"});
    modest.add_peer(server, {.allowed_ips = "10.9.0.1/32", .endpoint = "198.51.100.1:51820"});
    server.add_peer(flooder, {.allowed_ips = "10.9.0.2/32"});
    server.add_peer(modest, {.allowed_ips = "10.9.0.3/32"});
    // In a full socket there is no room for a train where there still is for a datagram. So the
    // flood comes as single ones, as from another machine.
    flooder.node().ip("link set first gso_max_segs 1\n");
    server.node().nft(long_firewall());
  }

  Lab lab;
  Network& first = lab.network("first");
  Network& second = lab.network("second");
  WgEnd server{lab,
               lab.node("server").join(first, {"192.0.2.1/24"}).join(second, {"198.51.100.1/24"}),
               WgProgram::kSinew,
               {"10.9.0.1/24"}};
  WgEnd flooder{
      lab, lab.node("flooder").join(first, {"192.0.2.2/24"}), WgProgram::kSinew, {"10.9.0.2/24"}};
  WgEnd modest{lab,
               lab.node("modest").join(second, {"198.51.100.2/24"}),
               WgProgram::kSinew,
               {"10.9.0.3/24"}};
};

// Datagrams into the tunnel, as fast as they go, until it is destroyed.
class Flood {
 public:
  explicit Flood(Node& from)
      : port_(
            must(from.inside([] { return udp::UdpPort::open({.address = IpAddress::any_v4()}); }))),
        thread_([this] { run(); }) {}
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  ~Flood() {
    is_over_ = true;
    thread_.join();
  }

 private:
  void run() {
    const Bytes bytes(64);
    // So many flows, because those of one are delivered together.
    std::vector<Endpoint> to(udp::UdpPort::kMaxSendBatch, must(Endpoint::parse("10.9.0.1:10")));
    std::vector<udp::Outgoing> messages;
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i].port = static_cast<std::uint16_t>(to[i].port + i);
      messages.push_back({.to = &to[i], .bytes = bytes});
    }
    while (!is_over_)
      port_.send(messages);
  }

  udp::UdpPort port_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

os::RunOutcome ping(WgEnd& from, std::uint64_t count) {
  return from.node().run({"ping", "-q", "-i", "0.003", "-c", std::to_string(count), "10.9.0.1"},
                         {.time = 60s});
}

}  // namespace

TEST_CASE("a peer that floods costs a modest one next to nothing, and itself a lot") {
  if (!are_tunnels_possible()) return;
  constexpr std::uint64_t kPings = 1'000;
  Peers peers;
  REQUIRE(peers.flooder.node().can_ping("10.9.0.1"));
  REQUIRE(peers.modest.node().can_ping("10.9.0.1"));
  const Flood flood(peers.flooder.node());
  ping(peers.modest, 100);  // meanwhile the limit is found
  PacketCount arrived(peers.server.node(), "arrived", "ip saddr 10.9.0.3");
  const std::uint64_t cut_before = peers.server.counter("lost_peer_over_share");
  const os::RunOutcome outcome = ping(peers.modest, kPings);
  INFO(outcome.out);
  INFO("dropped by the kernel: " << peers.server.counter("udp_received_overflow"));
  CHECK(arrived.value() >= kPings * 90 / 100);
  CHECK(peers.server.counter("lost_peer_over_share") > cut_before + 10 * kPings);
}
