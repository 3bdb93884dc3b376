// A tunnel under attack from the same network. Mallory owns 10.128.0.0/16 as well, so that she can
// send from ten thousand addresses and hear the answers.
//
//   alice 192.0.2.1 ---+          +--- 192.0.2.2  bob, who is attacked
//   carol 192.0.2.3 ---+--- net --+
//   dave  192.0.2.4 ---+          +--- 192.0.2.66 mallory, 10.128.0.0/16
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "base/rng.h"
#include "os/clock.h"
#include "os/poll.h"
#include "os/socket.h"
#include "support/datagram_tap.h"
#include "support/lab.h"
#include "support/packet_count.h"
#include "support/tcp_flow.h"
#include "support/udp_probe.h"
#include "support/wg_pair.h"
#include "wg/cookie.h"
#include "wg/messages.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;
constexpr std::string_view kBob = "192.0.2.2:51820";

// An initiation that nobody's key has made, but whose first MAC is right.
Bytes empty_initiation(wg::CookieHolder& macs, Rng& rng) {
  Bytes message(wg::kInitiationSize);
  rng.fill(message);
  store_le(message.data(), std::uint32_t{1});
  macs.add_macs(message, MonoTime());
  return message;
}

// Initiations for Bob from so many addresses in turn, until it is destroyed.
class Flood {
 public:
  Flood(Node& mallory, const WgEnd& bob, std::uint32_t sources)
      : socket_(mallory.udp_socket(must(Endpoint::parse("0.0.0.0:4000")))),
        macs_(must(wg::PublicKey::parse(bob.public_key()))),
        sources_(sources),
        thread_([this] { run(); }) {}
  Flood(const Flood&) = delete;
  Flood& operator=(const Flood&) = delete;
  ~Flood() {
    is_over_ = true;
    thread_.join();
  }

  std::uint64_t sent() const { return sent_; }
  std::uint64_t answers() const { return answers_; }

 private:
  // Small pieces at short intervals, so that hardly a moment is left in which the budget of
  // initiations grows for somebody else.
  static constexpr int kBurst = 3;
  static constexpr Duration kPause = 50us;

  void run() {
    while (!is_over_) {
      for (int i = 0; i < kBurst; ++i)
        send_from(sent_ % sources_);
      pollfd nothing{.fd = -1, .events = 0, .revents = 0};
      must(os::poll_until({&nothing, 1}, os::SystemClock().now() + kPause));
      std::array<char, 2048> answer;
      while (::recv(socket_.get(), answer.data(), answer.size(), 0) > 0)
        ++answers_;
    }
  }
  void send_from(std::uint64_t source) {
    Bytes message = empty_initiation(macs_, rng_);
    auto to = must(os::to_socket_address(must(Endpoint::parse(kBob)), AF_INET));
    iovec part{.iov_base = message.data(), .iov_len = message.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> control{};
    msghdr header{};
    header.msg_name = to.get();
    header.msg_namelen = to.size;
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = IPPROTO_IP;
    item->cmsg_type = IP_PKTINFO;
    item->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(0x0a80'0000 + static_cast<std::uint32_t>(source));
    std::memcpy(CMSG_DATA(item), &info, sizeof info);
    if (::sendmsg(socket_.get(), &header, 0) > 0) ++sent_;
  }

  os::Fd socket_;
  SeededRng rng_{4};
  wg::CookieHolder macs_;
  std::uint32_t sources_;
  std::atomic<bool> is_over_ = false;
  std::atomic<std::uint64_t> sent_ = 0;
  std::atomic<std::uint64_t> answers_ = 0;
  std::thread thread_;
};

struct Siege : WgPair {
  Siege() {
    mallory.ip("route add local 10.128.0.0/16 dev lo\n");
    bob.node().route("10.128.0.0/16", "192.0.2.66");
    introduce();
  }
  WgEnd& join(const std::string& name, const std::string& number, WgProgram program) {
    Node& node = lab.node(name).join(network, {"192.0.2." + number + "/24"});
    ends.push_back(
        std::make_unique<WgEnd>(lab, node, program, Addresses{"10.9.0." + number + "/24"}));
    bob.add_peer(*ends.back(), {.allowed_ips = "10.9.0." + number + "/32"});
    return *ends.back();
  }
  // As if for the first time.
  void call_bob(WgEnd& end) {
    end.set({"peer", bob.public_key(), "remove"});
    end.add_peer(bob, {.allowed_ips = "10.9.0.2/32", .endpoint = std::string(kBob)});
  }

  Node& mallory = lab.node("mallory").join(network, {"192.0.2.66/24"});
  std::vector<std::unique_ptr<WgEnd>> ends;
};

bool has_mac2(const TappedDatagram& datagram) {
  if (wg::kind_of(datagram.bytes) != wg::Kind::kInitiation) return false;
  const ByteView mac2 = ByteView(datagram.bytes).last(wg::kMacSize);
  return std::ranges::any_of(mac2, [](std::uint8_t byte) { return byte != 0; });
}

bool is_echo(const TappedDatagram& datagram) {
  constexpr std::size_t kEchoSize = 96;  // 84 bytes, padded
  return datagram.bytes.size() == kEchoSize + wg::kDataOverhead;
}

}  // namespace

TEST_CASE(
    "T-WG-UNDERLOAD (L07): under a flood from 10,000 addresses sessions go on, and cookies "
    "let the honest in") {
  if (!are_tunnels_possible()) return;
  Siege siege;
  WgEnd& carol = siege.join("carol", "3", WgProgram::kWireguardGo);
  WgEnd& dave = siege.join("dave", "4", WgProgram::kSinew);
  TcpFlow flow(siege.alice.node(), siege.bob.node(), "10.9.0.2");
  REQUIRE(flow.carry(kMegabyte));
  DatagramTap from_dave(siege.network, dave.node());
  {
    const Flood flood(siege.mallory, siege.bob, 10'000);
    while (flood.sent() < 10'000)
      REQUIRE(flow.carry(kMegabyte));
    REQUIRE(flood.answers() > 0);
    // Who is let in by chance calls again.
    constexpr int kCalls = 20;
    bool has_dave_used_one = false;
    for (int i = 0; i < kCalls; ++i) {
      const bool has_carol_used_one = carol.program().output().contains("Receiving cookie");
      if (has_carol_used_one && has_dave_used_one) break;
      const std::vector<std::string> ping = {"ping", "-c", "1", "-w", "30", "10.9.0.2"};
      if (!has_carol_used_one) siege.call_bob(carol);
      if (!has_dave_used_one) siege.call_bob(dave);
      Process carols_ping = carol.node().start(ping);
      Process daves_ping = dave.node().start(ping);
      CHECK(flow.carry(kMegabyte));
      CHECK(carols_ping.wait(40s).succeeded());
      CHECK(daves_ping.wait(40s).succeeded());
      while (const auto datagram = from_dave.next(0s))
        has_dave_used_one |= has_mac2(*datagram);
    }
    CHECK(carol.program().output().contains("Receiving cookie"));
    CHECK(has_dave_used_one);
    CHECK(flow.carry(kMegabyte));
  }
  CHECK(siege.bob.counter("dropped_cookie_needed") > 1'000);
}

TEST_CASE("T-WG-FLOOD (L05): a flood from one address makes nobody else wait or need a cookie") {
  if (!are_tunnels_possible()) return;
  Siege siege;
  WgEnd& carol = siege.join("carol", "3", WgProgram::kWireguardGo);
  const Flood flood(siege.mallory, siege.bob, 1);
  REQUIRE(siege.alice.node().can_ping("10.9.0.2"));
  TcpFlow flow(siege.alice.node(), siege.bob.node(), "10.9.0.2");
  while (flood.sent() < 5'000)
    REQUIRE(flow.carry(kMegabyte));
  siege.call_bob(carol);
  CHECK(carol.node().can_ping("10.9.0.2"));
  CHECK_FALSE(carol.program().output().contains("Receiving cookie"));
  CHECK(flood.answers() > 0);
}

TEST_CASE("T-SILENT (L23): 100,000 random datagrams get no answer") {
  if (!are_tunnels_possible()) return;
  Siege siege;
  UdpProbe mallory(siege.mallory, "192.0.2.66:4000");
  TcpFlow flow(siege.alice.node(), siege.bob.node(), "10.9.0.2");
  const Endpoint bob = must(Endpoint::parse(kBob));
  SeededRng rng(5);
  constexpr std::array<std::size_t, 4> kSizes = {wg::kInitiationSize, wg::kResponseSize,
                                                 wg::kCookieSize, 96};
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    const bool is_shaped = i % 2 == 0;
    Bytes bytes(is_shaped ? kSizes[i / 2 % 4] : rng.below(300));
    rng.fill(bytes);
    if (is_shaped) store_le(bytes.data(), i / 2 % 4 + 1);
    mallory.send(bob, as_text(bytes));
    // What waits in Bob's socket stays below what fits there.
    if (i % 500 == 0) REQUIRE(flow.carry(10'000));
  }
  // The first answer is that to a message with a right MAC, sent more often than is admitted.
  wg::CookieHolder macs(must(wg::PublicKey::parse(siege.bob.public_key())));
  for (int i = 0; i < 50; ++i)
    mallory.send(bob, as_text(empty_initiation(macs, rng)));
  const auto answer = mallory.receive();
  REQUIRE(answer);
  CHECK(wg::kind_of(as_bytes(answer->text)) == wg::Kind::kCookie);
  CHECK(siege.bob.counter("dropped_bad_mac1") >= 20'000);
  CHECK(siege.bob.counter("lost_not_wireguard") >= 40'000);
}

TEST_CASE("recorded packets, sent again ten thousand times in any order, are taken once") {
  if (!are_tunnels_possible()) return;
  constexpr std::size_t kRecorded = 100;
  constexpr std::uint64_t kRepeated = 10'000;
  Siege siege;
  DatagramTap tap(siege.network, siege.alice.node());
  PacketCount echoes(siege.bob.node(), "echoes",
                     "iifname \"" + siege.bob.interface() + "\" icmp type echo-request");
  REQUIRE(siege.alice.node()
              .run({"ping", "-q", "-i", "0.01", "-c", std::to_string(kRecorded), "10.9.0.2"})
              .status.succeeded());
  std::vector<Bytes> recorded;
  while (recorded.size() < kRecorded)
    recorded.push_back(tap.wait_for(is_echo).bytes);
  CHECK(echoes.value() == kRecorded);

  TcpFlow flow(siege.alice.node(), siege.bob.node(), "10.9.0.2");
  UdpProbe mallory(siege.mallory, "192.0.2.66:4000");
  SeededRng rng(6);
  const std::uint64_t before = siege.bob.counter("dropped_replay");
  for (std::uint64_t i = 0; i < kRepeated; ++i) {
    mallory.send(must(Endpoint::parse(kBob)), as_text(recorded[rng.below(recorded.size())]));
    if (i % 500 == 0) REQUIRE(flow.carry(10'000));
  }
  CHECK(flow.carry(kMegabyte));
  CHECK(siege.bob.counter("dropped_replay") == before + kRepeated);
  CHECK(echoes.value() == kRecorded);
  CHECK(siege.bob.peer_field("endpoints", siege.alice) == "192.0.2.1:51820");
}
