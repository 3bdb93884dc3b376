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
#include "support/udp_probe.h"
#include "support/wg_pair.h"
#include "udp/udp_port.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

struct Peers {
  Peers() {
    flooder.add_peer(server, {.allowed_ips = "10.9.0.1/32", .endpoint = "192.0.2.1:51820"});
    modest.add_peer(server, {.allowed_ips = "10.9.0.1/32", .endpoint = "198.51.100.1:51820"});
    server.add_peer(flooder, {.allowed_ips = "10.9.0.2/32"});
    server.add_peer(modest, {.allowed_ips = "10.9.0.3/32"});
    // Nobody listens, and nobody is told so.
    server.node().nft(
        "table inet quiet {\n  chain in {\n    type filter hook input priority 0\n"
        "    udp dport 9 drop\n  }\n}\n");
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
  static constexpr std::uint16_t kSize = 1380;
  static constexpr std::size_t kTrain = 44;

  void run() {
    const Bytes bytes(kSize * kTrain);
    const Endpoint to = must(Endpoint::parse("10.9.0.1:9"));
    const std::vector<udp::Outgoing> trains(8, {.to = &to, .segment_size = kSize, .bytes = bytes});
    while (!is_over_)
      port_.send(trains);
  }

  udp::UdpPort port_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

// Leaves the server a tenth of a core, as on a machine that has more urgent things to do.
Process crowd(WgEnd& server) {
  Process other = server.node().start({"taskset", "-c", "0", "sh", "-c", "while :; do :; done"});
  const std::string pid = std::to_string(server.program().pid());
  for (const auto& command : {std::vector<std::string>{"taskset", "-a", "-c", "-p", "0", pid},
                              std::vector<std::string>{"renice", "-n", "10", "-p", pid}})
    REQUIRE(server.node().run(command).status.succeeded());
  return other;
}

// Until the limit holds, or for as long as patience lasts.
bool is_cut(WgEnd& server) {
  UdpProbe nobody(server.node(), "192.0.2.1:4000");
  for (int i = 0; i < 200 && server.counter("lost_peer_over_share") == 0; ++i)
    static_cast<void>(nobody.receive(100ms));
  return server.counter("lost_peer_over_share") > 0;
}

}  // namespace

TEST_CASE("a peer that floods costs a modest one next to nothing, and itself a lot") {
  if (!are_tunnels_possible() || !is_possible({"taskset", "renice"})) return;
  constexpr std::uint64_t kPings = 1'000;
  Peers peers;
  REQUIRE(peers.flooder.node().can_ping("10.9.0.1"));
  REQUIRE(peers.modest.node().can_ping("10.9.0.1"));
  const Process other = crowd(peers.server);
  const Flood flood(peers.flooder.node());
  REQUIRE(is_cut(peers.server));
  PacketCount arrived(peers.server.node(), "arrived", "ip saddr 10.9.0.3");
  const std::uint64_t cut_before = peers.server.counter("lost_peer_over_share");
  const auto ping = peers.modest.node().run(
      {"ping", "-q", "-i", "0.003", "-c", std::to_string(kPings), "10.9.0.1"}, {.time = 60s});
  INFO(ping.out);
  INFO("dropped by the kernel: " << peers.server.counter("udp_received_overflow"));
  CHECK(arrived.value() >= kPings * 95 / 100);
  CHECK(peers.server.counter("lost_peer_over_share") > cut_before + 10 * kPings);
}
