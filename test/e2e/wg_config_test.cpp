// Configuring a tunnel while it runs: wg-quick, syncconf, keys, peers. The topology is that of
// WgPair.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "os/file.h"
#include "support/lab.h"
#include "support/packet_count.h"
#include "support/skip.h"
#include "support/tcp_flow.h"
#include "support/udp_probe.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr std::size_t kMegabyte = 1 << 20;

std::string write(const Lab& lab, const std::string& name, const std::string& text) {
  std::string path = lab.folder() + "/" + name;
  must(os::write_file(path, text, 0600));
  return path;
}

// Where the kernel has WireGuard, wg-quick never starts a program in its place.
bool asks_wg_quick_for_us() {
  if (!std::filesystem::exists("/sys/module/wireguard")) return true;
  test::skip("this kernel has WireGuard, so wg-quick does not ask for another");
  return false;
}

// wg-quick asks the kernel first. This one has no WireGuard, whatever the machine's has.
std::string folder_of_ip_without_wireguard(const Lab& lab) {
  const std::string folder = lab.folder() + "/bin";
  std::filesystem::create_directory(folder);
  must(os::write_file(folder + "/ip",
                      "#!/bin/sh\n"
                      "[ \"$5 $6\" != \"type wireguard\" ] || exit 1\n"
                      "exec /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin ip \"$@\"\n",
                      0755));
  return folder;
}

os::RunOutcome wg_quick(Node& node, const std::string& folder, const std::string& verb,
                        const std::string& file) {
  return node.run({"env", "PATH=" + folder + ":/usr/sbin:/usr/bin:/sbin:/bin",
                   "WG_QUICK_USERSPACE_IMPLEMENTATION=" SINEW_WG_PROGRAM, "wg-quick", verb, file},
                  {.time = 20s});
}

// Takes longer than the 20 ms for which a peer that has called may not call again.
bool is_reached(WgEnd& end, const std::string& address) {
  return end.node()
      .run({"ping", "-n", "-q", "-i", "0.02", "-c", "3", "-w", "8", address})
      .status.succeeded();
}

}  // namespace

TEST_CASE("wg-quick brings an interface up on us and takes it down again") {
  if (!are_tunnels_possible()) return;
  if (!asks_wg_quick_for_us()) return;
  Lab lab;
  Network& net = lab.network("net");
  WgEnd bob(lab, lab.node("bob").join(net, {"192.0.2.2/24"}), WgProgram::kSinew, {"10.9.0.2/24"});
  Node& alice = lab.node("alice").join(net, {"192.0.2.1/24"});
  const auto key = new_wg_key();
  const auto public_key = public_key_of(key);
  bob.set({"peer", public_key, "allowed-ips", "10.9.0.1/32"});
  const std::string folder = folder_of_ip_without_wireguard(lab);
  // All traffic goes into the tunnel, which takes marks, rules and a routing table of its own.
  for (const std::string routes : {"10.9.0.0/24", "0.0.0.0/0"}) {
    CAPTURE(routes);
    const std::string interface = "q" + bob.interface();
    const std::string file =
        write(lab, interface + ".conf",
              "[Interface]\nPrivateKey = " + key + "\nAddress = 10.9.0.1/24\nMTU = 1400\n" +
                  "[Peer]\nPublicKey = " + bob.public_key() + "\nAllowedIPs = " + routes +
                  "\nEndpoint = 192.0.2.2:51820\n");
    const auto up = wg_quick(alice, folder, "up", file);
    INFO(up.out << up.err);
    REQUIRE(up.status.succeeded());
    CHECK(alice.can_ping("10.9.0.2"));
    CHECK(alice.run({"wg", "show", interface, "fwmark"}).out ==
          (routes == "0.0.0.0/0" ? "0xca6c\n" : "off\n"));
    const auto down = wg_quick(alice, folder, "down", file);
    INFO(down.out << down.err);
    CHECK(down.status.succeeded());
    CHECK_FALSE(alice.run({"ip", "link", "show", interface}).status.succeeded());
  }
}

TEST_CASE("`wg show all dump` and `wg syncconf` say and change what is meant") {
  if (!are_tunnels_possible()) return;
  WgPair pair({.bob = WgProgram::kWireguardGo});
  const std::string preshared_key = new_wg_key();
  pair.introduce({.preshared_key = preshared_key});
  REQUIRE(pair.alice.node().can_ping("10.9.0.2"));
  const std::string handshake = pair.alice.peer_field("latest-handshakes", pair.bob);
  const std::string private_key = must(os::read_file(pair.alice.key_file(), 100));
  const std::string dump = pair.alice.show({"dump"});
  INFO(dump);
  CHECK(dump.starts_with(private_key + "\t" + pair.alice.public_key() + "\t51820\toff\n"));
  CHECK(dump.contains(pair.bob.public_key() + "\t" + preshared_key +
                      "\t192.0.2.2:51820\t10.9.0.2/32,fd09::2/128\t" + handshake + "\t"));
  CHECK(pair.alice.node().run({"wg", "show", "all", "dump"}).out.contains(pair.bob.public_key()));

  TcpFlow flow(pair.alice.node(), pair.bob.node(), "10.9.0.2");
  REQUIRE(flow.carry(kMegabyte));
  const std::string file = write(
      pair.lab, "alice.conf",
      "[Interface]\nListenPort = 51820\nPrivateKey = " + private_key +
          "\n[Peer]\nPublicKey = " + pair.bob.public_key() + "\nPresharedKey = " + preshared_key +
          "\nAllowedIPs = 10.9.0.2/32, 10.9.7.0/24\nPersistentKeepalive = 25\n" +
          "[Peer]\nPublicKey = " + public_key_of(new_wg_key()) + "\nAllowedIPs = 10.9.8.0/24\n");
  const auto synced = pair.alice.node().run({"wg", "syncconf", pair.alice.interface(), file});
  INFO(synced.err);
  REQUIRE(synced.status.succeeded());
  CHECK(flow.carry(kMegabyte));
  CHECK(pair.alice.peer_field("allowed-ips", pair.bob) == "10.9.0.2/32 10.9.7.0/24");
  CHECK(pair.alice.peer_field("persistent-keepalive", pair.bob) == "25");
  CHECK(pair.alice.peer_field("latest-handshakes", pair.bob) == handshake);
}

TEST_CASE("T-WG-REKEYCFG (L15): new keys of either kind take effect at once, under load") {
  if (!are_tunnels_possible()) return;
  constexpr int kRotations = 20;
  WgPair pair;
  pair.introduce();
  REQUIRE(is_reached(pair.alice, "10.9.0.2"));
  Process load = pair.alice.node().start({"ping", "-q", "-i", "0.01", "10.9.0.2"});
  std::string preshared_key;
  for (int i = 0; i < kRotations; ++i) {
    CAPTURE(i);
    if (i % 2 == 0) {
      preshared_key = new_wg_key();
      const std::string file = write(pair.lab, "psk", preshared_key);
      pair.bob.set({"peer", pair.alice.public_key(), "preshared-key", file});
      pair.alice.set({"peer", pair.bob.public_key(), "preshared-key", file});
    } else {
      // The one who is called first, or the first call meets somebody who does not know the key.
      const std::string key = new_wg_key();
      pair.bob.set({"peer", pair.alice.public_key(), "remove", "peer", public_key_of(key),
                    "allowed-ips", "10.9.0.1/32", "preshared-key",
                    write(pair.lab, "psk", preshared_key)});
      pair.alice.set_private_key(key);
    }
    REQUIRE(is_reached(pair.alice, "10.9.0.2"));
    CHECK(pair.bob.peer_field("preshared-keys", pair.alice) == preshared_key);
  }
  CHECK(load.is_running());

  // A preshared key that only one side has ends it.
  const std::string file = write(pair.lab, "psk", new_wg_key());
  pair.alice.set({"peer", pair.bob.public_key(), "preshared-key", file});
  CHECK_FALSE(pair.alice.node().can_ping("10.9.0.2"));
}

TEST_CASE("a peer that is removed in the middle of a transfer is cut off, and comes back") {
  if (!are_tunnels_possible()) return;
  WgPair pair;
  pair.introduce();
  TcpFlow flow(pair.alice.node(), pair.bob.node(), "10.9.0.2");
  REQUIRE(flow.carry(kMegabyte));
  for (const bool is_caller : {true, false}) {
    CAPTURE(is_caller);
    WgEnd& end = is_caller ? pair.alice : pair.bob;
    WgEnd& other = is_caller ? pair.bob : pair.alice;
    Process load = pair.alice.node().start({"iperf3", "-u", "-c", "10.9.0.2", "-b", "50M"});
    REQUIRE(flow.carry(kMegabyte));
    end.set({"peer", other.public_key(), "remove"});
    CHECK(end.show({"peers"}).empty());
    CHECK_FALSE(pair.alice.node().can_ping("10.9.0.2"));
    end.add_peer(other, {.allowed_ips = is_caller ? "10.9.0.2/32" : "10.9.0.1/32",
                         .endpoint = is_caller ? "192.0.2.2:51820" : "192.0.2.1:51820"});
    CHECK(end.node().can_ping(is_caller ? "10.9.0.2" : "10.9.0.1"));
    CHECK(flow.carry(kMegabyte));
  }
}

//   alice 192.0.2.1 ---+
//     10.9.0.1         net --- 192.0.2.2 bob 10.9.0.2
//   mallory 192.0.2.66 +       the way out of the tunnel
TEST_CASE(
    "L25 with everything in the tunnel nothing leaves in clear, and nothing comes in beside") {
  if (!are_tunnels_possible()) return;
  if (!asks_wg_quick_for_us()) return;
  Lab lab;
  Network& net = lab.network("net");
  WgEnd bob(lab, lab.node("bob").join(net, {"192.0.2.2/24"}), WgProgram::kSinew,
            {"10.9.0.2/24", "203.0.113.5/32"});
  // Mallory is the gateway of the network, and offers a way to every address.
  Node& mallory = lab.node("mallory").join(net, {"192.0.2.66/24", "203.0.113.5/32"});
  Node& alice = lab.node("alice").join(net, {"192.0.2.1/24"}).default_route("192.0.2.66");
  mallory.route("10.9.0.1/32", "192.0.2.1");
  const auto key = new_wg_key();
  bob.set({"peer", public_key_of(key), "allowed-ips", "10.9.0.1/32"});
  const std::string file = write(lab, "q" + bob.interface() + ".conf",
                                 "[Interface]\nPrivateKey = " + key + "\nAddress = 10.9.0.1/24\n" +
                                     "[Peer]\nPublicKey = " + bob.public_key() +
                                     "\nAllowedIPs = 0.0.0.0/0\nEndpoint = 192.0.2.2:51820\n");
  const std::string folder = folder_of_ip_without_wireguard(lab);
  PacketCount in_clear(mallory, "clear", "ip daddr 203.0.113.5");
  REQUIRE(alice.can_ping("203.0.113.5"));
  REQUIRE(in_clear.value() > 0);  // before the tunnel all goes past Mallory
  REQUIRE(wg_quick(alice, folder, "up", file).status.succeeded());
  const std::uint64_t before = in_clear.value();

  CHECK(alice.can_ping("203.0.113.5"));
  CHECK(in_clear.value() == before);

  // What is for the tunnel's address and does not come out of the tunnel is dropped.
  UdpProbe inside(alice, "10.9.0.1:7");
  UdpProbe outside(mallory, "192.0.2.66:7");
  UdpProbe peer(bob.node(), "10.9.0.2:7");
  outside.send(inside.local(), "from beside");
  peer.send(inside.local(), "from inside");
  const auto arrived = inside.receive();
  REQUIRE(arrived);
  CHECK(arrived->text == "from inside");
  CHECK_FALSE(inside.receive(UdpProbe::kShortPatience));
  CHECK(wg_quick(alice, folder, "down", file).status.succeeded());
}
