// A nucleus, its nodes and the bad wire between them, in virtual time. For tests only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/verify.h"
#include "signal/client.h"
#include "signal/server.h"

namespace sinew::signal::test {

inline ClusterKey key_of(std::uint8_t seed) {
  std::array<std::uint8_t, 32> root;
  root.fill(seed);
  return ClusterKey(SecretArray<32>(root));
}

inline Endpoint endpoint(std::uint8_t host, std::uint16_t port = 51820) {
  return {.address = IpAddress::v4(192, 0, 2, host), .port = port};
}

struct Impairment {
  double loss = 0;
  double repeat = 0;
  Duration latency = 10ms;
  Duration jitter = Duration::zero();
};

struct TestNode {
  std::unique_ptr<Client> client;
  NodeKey key;
  Endpoint address;
  std::uint64_t stream = 0;
  bool has_udp = true;
  std::vector<Client::Event> events;

  template <typename Event>
  std::size_t count() const {
    std::size_t n = 0;
    for (const auto& event : events)
      n += std::holds_alternative<Event>(event) ? 1 : 0;
    return n;
  }
  template <typename Event>
  const Event* last() const {
    const Event* found = nullptr;
    for (const auto& event : events)
      if (const auto* one = std::get_if<Event>(&event)) found = one;
    return found;
  }
  netmap::Self self() const { return client->map().self; }
  bool knows(const TestNode& other) const { return client->map().peers.contains(other.key); }
  const netmap::Peer* peer(const TestNode& other) const {
    const auto found = client->map().peers.find(other.key);
    return found == client->map().peers.end() ? nullptr : &found->second;
  }
};

class World {
 public:
  struct Datagram {
    Endpoint from;
    Route to;  // to the nucleus: its endpoint
    std::uint64_t stream = 0;
    bool is_to_nucleus = false;
    Bytes bytes;
  };

  explicit World(std::uint64_t seed = 1) : rng(seed) { start_nucleus(); }

  void start_nucleus(bool keeps_key = true) {
    if (!keeps_key || !nucleus_key) nucleus_key = PrivateKey::generate(rng);
    server = std::make_unique<Server>(rng, nucleus_key->clone(), settings);
    add_cluster("home", 1);
  }
  void add_cluster(const std::string& name, std::uint8_t seed) {
    const auto added = server->add_cluster(
        {.name = name, .key = key_of(seed), .v4_range = Server::default_v4_range(), .relays = {}},
        now);
    VERIFY(added.has_value());
  }
  void restart_nucleus(bool keeps_state) {
    const Snapshot kept = server->snapshot();
    start_nucleus();
    if (keeps_state) server->restore(kept, now);
  }

  Client::Config config(std::uint8_t cluster = 1) {
    return {.key = key_of(cluster),
            .node = PrivateKey::generate(rng),
            .disco = DiscoKey{PrivateKey::generate(rng).public_key()},
            .name = "node",
            .wanted_v4 = std::nullopt,
            .wanted_v6 = std::nullopt,
            .nucleus_key = std::nullopt};
  }
  TestNode& add(Client::Config config) {
    auto node = std::make_unique<TestNode>();
    node->key = config.node.public_key();
    const auto number = static_cast<std::uint16_t>(nodes.size() + 1);
    node->address = {.address = IpAddress::v4(198, 51, static_cast<std::uint8_t>(number >> 8),
                                              static_cast<std::uint8_t>(number)),
                     .port = 51820};
    node->client = std::make_unique<Client>(rng, std::move(config));
    nodes.push_back(std::move(node));
    nodes.back()->client->set_servers({nucleus}, now);
    return *nodes.back();
  }
  TestNode& add() { return add(config()); }

  void send(Datagram datagram) {
    if (is_lost && is_lost(datagram)) return;
    sent.push_back(datagram);
    if (!is_recording) sent.clear();
    if (chance() < impairment.loss) return;
    const unsigned copies = chance() < impairment.repeat ? 2 : 1;
    for (unsigned i = 0; i < copies; ++i) {
      Duration delay = impairment.latency;
      if (impairment.jitter > Duration::zero()) {
        delay += Duration(static_cast<std::int64_t>(
            rng.below(static_cast<std::uint64_t>(impairment.jitter.count()))));
      }
      flying.emplace(now + delay, datagram);
    }
  }

  // Everything that waits, onto the wire.
  void drain() {
    for (auto& node : nodes) {
      while (auto transmit = node->client->next_transmit()) {
        if (transmit->to.is_udp() && !node->has_udp) continue;
        send({.from = node->address,
              .to = transmit->to,
              .stream = transmit->to.stream,
              .is_to_nucleus = true,
              .bytes = std::move(transmit->bytes)});
      }
      while (auto event = node->client->next_event())
        node->events.push_back(*std::move(event));
    }
    while (auto transmit = server->next_transmit()) {
      send({.from = nucleus,
            .to = transmit->to,
            .stream = transmit->to.stream,
            .is_to_nucleus = false,
            .bytes = std::move(transmit->bytes)});
    }
    while (auto event = server->next_event())
      news.push_back(*std::move(event));
  }

  void deliver(const Datagram& datagram) {
    if (datagram.is_to_nucleus) {
      if (is_nucleus_up) {
        server->feed(datagram.bytes, {.endpoint = datagram.from, .stream = datagram.stream}, now,
                     wall);
      }
      return;
    }
    for (auto& node : nodes) {
      if (node->address != datagram.to.endpoint || node->stream != datagram.stream) continue;
      node->client->feed(datagram.bytes, {.endpoint = nucleus, .stream = datagram.stream}, now);
    }
  }

  void run_for(Duration duration) {
    run_until(now + duration, [] { return false; });
  }
  // True when `is_done` came true in time.
  bool run_until(MonoTime end, const std::function<bool()>& is_done) {
    drain();
    while (!is_done()) {
      MonoTime next = flying.empty() ? MonoTime::never() : flying.begin()->first;
      if (is_nucleus_up) next = std::min(next, server->deadline());
      for (auto& node : nodes)
        next = std::min(next, node->client->deadline());
      if (next > end) {
        pass(end);
        return is_done();
      }
      pass(std::max(next, now));
      while (!flying.empty() && flying.begin()->first <= now) {
        const Datagram datagram = flying.extract(flying.begin()).mapped();
        deliver(datagram);
      }
      if (is_nucleus_up) server->expire(now);
      for (auto& node : nodes)
        if (node->client->deadline() <= now) node->client->expire(now);
      drain();
    }
    return true;
  }
  bool settles(Duration patience) {
    return run_until(now + patience, [this] { return all_know_each_other(); });
  }

  bool all_know_each_other() const {
    for (const auto& node : nodes) {
      if (!node->client->is_map_complete()) return false;
      if (node->client->map().peers.size() + 1 != nodes.size()) return false;
    }
    return true;
  }

  void pass(MonoTime to) {
    wall = wall + (to - now);
    now = to;
  }
  double chance() { return static_cast<double>(rng.below(1'000'000)) / 1e6; }

  SeededRng rng;
  MonoTime now{1h};
  WallTime wall{1'700'000'000s};
  Server::Settings settings;
  std::optional<PrivateKey> nucleus_key;
  std::unique_ptr<Server> server;
  bool is_nucleus_up = true;
  Endpoint nucleus = endpoint(1, 51821);
  std::vector<std::unique_ptr<TestNode>> nodes;
  Impairment impairment;
  std::function<bool(const Datagram&)> is_lost;
  std::multimap<MonoTime, Datagram> flying;
  std::vector<Datagram> sent;
  bool is_recording = false;
  std::vector<Server::Event> news;
};

}  // namespace sinew::signal::test
