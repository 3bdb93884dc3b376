// What a node and a nucleus cost when the network is large.
//
//     nucleus 192.0.2.1 ---+
//     edge    192.0.2.2 ---+--- net
//     crowd   192.0.2.3 ---+    500 nodes, as far as the nucleus can tell: they register and stay
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/error.h"
#include "os/random.h"
#include "os/socket.h"
#include "signal/client.h"
#include "support/mesh_node.h"

namespace sinew::lab {
namespace {

constexpr bool kIsSanitized = __has_feature(address_sanitizer);

// Clients of the signal protocol over one socket.
class Crowd {
 public:
  Crowd(Node& node, const Endpoint& nucleus, std::size_t size)
      : socket_(node.udp_socket({IpAddress::v4(192, 0, 2, 3), 4000})) {
    const auto cluster =
        signal::ClusterKey::derive("lab", SecretBytes(std::string_view(MeshNode::kSecret)));
    REQUIRE(cluster);
    for (std::size_t i = 0; i < size; ++i) {
      clients_.emplace_back(
          rng_,
          signal::Client::Config{.key = cluster->clone(),
                                 .node = crypto::X25519PrivateKey::generate(rng_),
                                 .disco = {crypto::X25519PrivateKey::generate(rng_).public_key()},
                                 .name = "member-" + std::to_string(i),
                                 .wanted_v4 = std::nullopt,
                                 .wanted_v6 = std::nullopt,
                                 .is_wanted_required = false,
                                 .replaces = false,
                                 .is_sealed = true,
                                 .nucleus_key = std::nullopt});
      clients_.back().set_servers({nucleus}, clock_.now());
    }
  }

  // Lets all of them have their turns for a while.
  void run_for(Duration duration) {
    const MonoTime end = clock_.now() + duration;
    while (clock_.now() < end)
      turn();
  }
  std::size_t count_complete() const {
    return static_cast<std::size_t>(std::ranges::count_if(clients_, [&](const auto& client) {
      return client.is_map_complete() && client.map().peers.size() + 1 >= clients_.size();
    }));
  }

 private:
  void turn() {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, 5);
    receive();
    const MonoTime now = clock_.now();
    for (signal::Client& client : clients_) {
      if (client.deadline() <= now) client.expire(now);
      while (const auto transmit = client.next_transmit())
        send(*transmit);
      while (client.next_event()) {
      }
    }
  }
  void receive() {
    std::array<std::uint8_t, 2048> room;
    for (int i = 0; i < 256; ++i) {
      os::SocketAddress from;
      const ssize_t size =
          ::recvfrom(socket_.get(), room.data(), room.size(), MSG_DONTWAIT, from.get(), &from.size);
      if (size < 0) return;
      const ByteView datagram = ByteView(room).first(static_cast<std::size_t>(size));
      const signal::Route route{.endpoint = os::to_endpoint(from), .stream = 0};
      for (signal::Client& client : clients_) {
        if (client.feed(datagram, route, clock_.now())) break;
      }
    }
  }
  void send(const signal::Transmit& transmit) {
    const auto to = os::to_socket_address(transmit.to.endpoint, AF_INET);
    if (!to) return;
    static_cast<void>(::sendto(socket_.get(), transmit.bytes.data(), transmit.bytes.size(),
                               MSG_DONTWAIT, to->get(), to->size));
  }

  os::SystemClock clock_;
  os::SystemRng rng_;
  os::Fd socket_;
  std::vector<signal::Client> clients_;
};

// In KiB; the first field of that name in /proc/PID/status.
std::size_t memory_of(pid_t process, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) return std::stoul(line.substr(field.size() + 1));
  }
  return 0;
}

std::size_t known_peers(MeshNode& node) {
  const json::Value status = node.status();
  const json::Value* const peers = status.find("peers");
  const json::Value* const known = peers == nullptr ? nullptr : peers->find("known");
  const auto* number = known == nullptr ? nullptr : std::get_if<std::int64_t>(&known->held());
  return number == nullptr ? 0 : static_cast<std::size_t>(*number);
}

TEST_CASE("a node that knows 500 peers keeps within 15 MiB, and costs nothing for them") {
  if (!is_possible()) return;
  constexpr std::size_t kMembers = 500;
  constexpr std::size_t kMostKiB = 15 * 1024;
  Lab lab;
  Network& net = lab.network("net");
  Node& hub = lab.node("nucleus").join(net, {"192.0.2.1/24"});
  Node& place = lab.node("edge").join(net, {"192.0.2.2/24"});
  Node& crowd_place = lab.node("crowd").join(net, {"192.0.2.3/24"});
  MeshNode nucleus(lab, hub, {.mode = "nucleus"});
  MeshNode edge(lab, place, {.nuclei = {"192.0.2.1"}});

  Crowd crowd(crowd_place, {IpAddress::v4(192, 0, 2, 1), 51'820}, kMembers);
  for (int i = 0; i < 100 && (crowd.count_complete() < kMembers || known_peers(edge) < kMembers);
       ++i)
    crowd.run_for(200ms);
  CHECK(crowd.count_complete() == kMembers);
  CHECK(known_peers(edge) == kMembers);
  const std::size_t memory = memory_of(edge.program().pid(), "VmRSS");
  MESSAGE("resident: node " << memory << " KiB, nucleus "
                            << memory_of(nucleus.program().pid(), "VmRSS") << " KiB");
  CHECK(memory > 0);
  // The sanitizer's own memory is several times that.
  CHECK((kIsSanitized || memory < kMostKiB));
}

}  // namespace
}  // namespace sinew::lab
