// Random worlds in which random things happen: whatever it is, peers hear each other while the
// relay lives, become direct where they can, and stay quiet.
#include <doctest/doctest.h>

#include <algorithm>

#include "sim/world.h"

using namespace sinew;
using namespace sinew::sim;

namespace {

// What a node sends on average, over everything that can happen to it.
constexpr std::uint64_t kDatagramsPerSecond = 40;

class Story {
 public:
  explicit Story(std::uint64_t seed) : world_(seed) {
    world_.settings.prefers_ipv6 = chance(2);
    const std::size_t count = 2 + random(3);
    for (std::size_t i = 0; i < count; ++i) {
      const Access access = kAllAccess[random(std::size(kAllAccess))];
      const bool is_beside = i > 0 && chance(5);  // in the first one's network
      Node& node = is_beside ? world_.add_to(*world_.nodes[0]->realm, chance(3))
                             : world_.add(access, chance(3));
      if (is_beside) node.is_udp_blocked = world_.nodes[0]->is_udp_blocked;
      node.jitter = Duration(random(10'000'000));
      node.loss = chance(2) ? 0 : static_cast<double>(random(20)) / 1000;
      access_.push_back(is_beside ? access_[0] : access);
      site_.push_back(is_beside ? site_[0] : i);
    }
    world_.start();
  }

  void run() {
    talk(5s);
    for (int i = 0; i < 3; ++i) {
      happen();
      talk(4s);
      check_connected();
      talk(4s);
    }
    // Peace, long enough for a search after the longest pause that can have built up here, and for
    // another try at guessing ports.
    is_quiet_ = true;
    talk(70s);
    check_connected();
    check_direct();
    check_quiet();
  }

 private:
  std::uint64_t random(std::uint64_t bound) { return world_.net.rng().below(bound); }
  bool chance(std::uint64_t one_in) { return random(one_in) == 0; }
  Node& any() { return *world_.nodes[random(world_.nodes.size())]; }

  void talk(Duration span) {
    const MonoTime end = world_.now() + span;
    while (world_.now() < end) {
      for (const auto& a : world_.nodes) {
        for (const auto& b : world_.nodes) {
          if (a != b) a->send_data(*b);
        }
      }
      world_.run_for(is_quiet_ ? Duration(500ms) : Duration(200ms));
    }
  }

  void happen() {
    Node& node = any();
    switch (random(6)) {
      case 0:
        if (node.realm->gateway != nullptr && !node.record().connectivity.has_port_mapping) {
          node.realm->gateway->reboot();
        }
        break;
      case 1: node.restart(); break;
      case 2: {
        const Access access = kAllAccess[random(std::size(kAllAccess))];
        node.is_udp_blocked = access == Access::kUdpBlocked;
        access_[node.number()] = access;
        site_[node.number()] = 1000 + moves_++;
        node.move_to(world_.add_site(access), chance(3));
        break;
      }
      case 3: {
        // The wire is cut for a while, but not the way to the relay.
        world_.net.is_lost = [](const Packet&) { return true; };
        talk(3s);
        world_.net.is_lost = nullptr;
        break;
      }
      case 4:
        world_.set_relay(false);
        talk(5s);
        world_.set_relay(true);
        talk(2s);
        break;
      default: node.latency = Duration(random(80'000'000)); break;
    }
  }

  template <typename Check>
  void for_pairs(Check check) {
    for (const auto& a : world_.nodes) {
      for (const auto& b : world_.nodes) {
        if (a == b) continue;
        CAPTURE(name_of(access_[a->number()]));
        CAPTURE(name_of(access_[b->number()]));
        CAPTURE(a->route_to(*b).to_string());
        CAPTURE(a->why_not_direct(*b));
        check(*a, *b);
      }
    }
  }

  void check_connected() {
    for_pairs([&](Node& a, Node& b) { CHECK(world_.now() - b.heard_of(a).last < 3s); });
  }

  void check_direct() {
    for_pairs([&](Node& a, Node& b) {
      const std::size_t i = a.number();
      const std::size_t j = b.number();
      if (site_[i] == site_[j] || (a.v6 && b.v6 && !a.is_udp_blocked && !b.is_udp_blocked)) {
        if (!a.is_udp_blocked && !b.is_udp_blocked) CHECK(a.route_to(b).is_direct());
      } else if (!can_be_direct(access_[i], access_[j])) {
        CHECK_FALSE(a.route_to(b).is_direct());
      } else if (!takes_guessing(access_[i], access_[j])) {
        CHECK(a.route_to(b).is_direct());
      }
    });
  }

  void check_quiet() {
    const auto seconds =
        static_cast<std::uint64_t>((world_.now() - MonoTime(1h)).count() / 1'000'000'000);
    for (const auto& node : world_.nodes) {
      CAPTURE(node->datagrams_sent);
      // Guessing has a budget of its own: 1,024 ports and 256 holes an attempt.
      CHECK(node->datagrams_sent <
            kDatagramsPerSecond * seconds + 4 * world_.nodes.size() * (1024 + 256));
      CHECK(node->sockets_open() <= 1 + path::kPunchSockets + world_.nodes.size());
    }
  }

  World world_;
  std::vector<Access> access_;
  std::vector<std::size_t> site_;
  std::size_t moves_ = 0;
  bool is_quiet_ = false;
};

}  // namespace

TEST_CASE("sim: whatever happens, peers hear each other, and directly where that is possible") {
  const std::size_t count = seed_count(25);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t seed = first_seed() + i;
    CAPTURE(seed);
    Story(seed).run();
  }
  MESSAGE("seeds " << first_seed() << " to " << first_seed() + count - 1);
}

TEST_CASE("sim: the same seed gives the same run") {
  const auto run = [] {
    World world(first_seed());
    Node& a = world.add(Access::kSymmetric);
    Node& b = world.add(Access::kPortRestricted);
    world.start();
    world.talk(a, b, 10s);
    return std::tuple(a.datagrams_sent, b.datagrams_sent, a.direct_since(b), a.route_to(b));
  };
  CHECK(run() == run());
}
