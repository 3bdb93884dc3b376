// Members behind every kind of NAT, two sites of each kind, and a way between any two of them.
//
//   nucleus1 20.0.0.10 ---+                 +--- 20.0.0.100+n home_n 192.168.1.1 --- host_n .2
//                         +--- internet ----+
//   nucleus2 20.0.0.11 ---+                 +--- 20.0.0.100+n host_n (no NAT)
//                                           |
//                                           +--- 20.0.0.100+n carrier_n 100.64.0.1 ---
//                                                  100.64.0.2 home_n 192.168.1.1 --- host_n .2
//
// All homes use the same private addresses, as homes do. Each site is 10 ms from the internet's
// middle, where the nuclei are. Addresses outside look like public ones, because neither miniupnpd
// nor we take others for such.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "os/clock.h"
#include "os/poll.h"
#include "support/lab.h"
#include "support/mesh_node.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

enum class Kind {
  kNone,
  kFullCone,
  kAddressRestricted,
  kPortRestricted,
  kSymmetric,
  kBehindCarrier,
  kUdpBlocked,
  kPortMapping,
};
constexpr std::size_t kKinds = 8;

std::string_view name_of(Kind kind) {
  constexpr std::array<std::string_view, kKinds> kNames = {
      "no NAT",    "full cone",         "address-restricted", "port-restricted",
      "symmetric", "symmetric + CGNAT", "UDP blocked",        "port mapping"};
  return kNames.at(static_cast<std::size_t>(kind));
}

NatKind nat_of(Kind kind) {
  switch (kind) {
    case Kind::kFullCone: return NatKind::kFullCone;
    case Kind::kAddressRestricted: return NatKind::kAddressRestricted;
    case Kind::kSymmetric:
    case Kind::kBehindCarrier: return NatKind::kSymmetric;
    case Kind::kUdpBlocked: return NatKind::kUdpBlocked;
    case Kind::kNone:
    case Kind::kPortRestricted:
    case Kind::kPortMapping: return NatKind::kPortRestricted;
  }
  return NatKind::kPortRestricted;
}

bool is_symmetric(Kind kind) {
  return kind == Kind::kSymmetric || kind == Kind::kBehindCarrier;
}

// What keeps packets from going directly, as the first of the two sees it; "" when nothing should.
std::string_view obstacle_of(Kind here, Kind there) {
  if (here == Kind::kUdpBlocked) return "UDP is blocked at our end";
  if (there == Kind::kUdpBlocked) return "UDP is blocked at the peer's end";
  if (is_symmetric(here) && is_symmetric(there))
    return "both NATs are symmetric: each chooses another port for every destination";
  return "";
}

// Where miniupnpd puts what it opens.
constexpr const char* kChains = R"(
table inet filter {
  chain forward { type filter hook forward priority 10; jump miniupnpd; }
  chain miniupnpd { }
  chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
  chain prerouting_miniupnpd { }
  chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; }
  chain postrouting_miniupnpd { }
}
)";

const std::vector<std::string> kNuclei = {"20.0.0.10", "20.0.0.11"};

class World {
 public:
  World() {
    for (const std::string& address : kNuclei) {
      Node& node = lab_.node("nucleus" + std::to_string(nuclei_.size() + 1));
      node.join(internet_, {address + "/24"});
      nuclei_.push_back(
          std::make_unique<MeshNode>(lab_, node, MeshNode::Options{.mode = "nucleus"}));
    }
  }

  // The host of a new site, not yet a member.
  Node& site(Kind kind) {
    const std::string number = std::to_string(site_count_++);
    const std::string outside = "20.0.0." + std::to_string(99 + site_count_) + "/24";
    if (kind == Kind::kNone)
      return lab_.node("host" + number).join(internet_, {outside}, kDistance);
    Network* uplink = &internet_;
    if (kind == Kind::kBehindCarrier) uplink = &carrier(number, outside);
    Network& lan = lab_.network("lan" + number);
    Node& home = lab_.node("home" + number);
    if (kind == Kind::kBehindCarrier) {
      home.join(*uplink, {"100.64.0.2/24"}).default_route("100.64.0.1");
    } else {
      home.join(*uplink, {outside}, kDistance);
    }
    home.join(lan, {"192.168.1.1/24"}).nat(*uplink, {.kind = nat_of(kind)});
    if (kind == Kind::kPortMapping) start_gateway(home, lan);
    return lab_.node("host" + number).join(lan, {"192.168.1.2/24"}).default_route("192.168.1.1");
  }

  std::unique_ptr<MeshNode> member(Node& host, bool is_awaited) {
    return std::make_unique<MeshNode>(
        lab_, host, MeshNode::Options{.nuclei = kNuclei, .is_awaited = is_awaited});
  }
  std::unique_ptr<MeshNode> member(Kind kind) { return member(site(kind), true); }

 private:
  static constexpr Impairment kDistance{.delay = 10ms};

  Network& carrier(const std::string& number, const std::string& outside) {
    Network& isp = lab_.network("isp" + number);
    lab_.node("carrier" + number)
        .join(internet_, {outside}, kDistance)
        .join(isp, {"100.64.0.1/24"})
        .nat(internet_, {.kind = NatKind::kPortRestricted});
    return isp;
  }

  void start_gateway(Node& home, const Network& lan) {
    const std::string path = lab_.folder() + "/miniupnpd-" + home.name() + ".conf";
    std::ofstream(path) << "ext_ifname=internet\nlistening_ip=" << lan.name()
                        << "\nenable_natpmp=yes\nenable_upnp=yes\nsecure_mode=yes\nport=0\n"
                           "uuid=00000000-1111-2222-3333-444444444444\n"
                           "upnp_table_name=filter\nupnp_nat_table_name=filter\n"
                           "upnp_forward_chain=miniupnpd\nupnp_nat_chain=prerouting_miniupnpd\n"
                           "upnp_nat_postrouting_chain=postrouting_miniupnpd\n"
                           "allow 1024-65535 192.168.1.0/24 1024-65535\n"
                           "deny 0-65535 0.0.0.0/0 0-65535\n";
    home.nft(kChains);
    Process& gateway = gateways_.emplace_back(home.start(
        {"miniupnpd", "-d", "-f", path, "-P", lab_.folder() + "/" + home.name() + ".pid"}));
    gateway.wait_for_output("Listening for NAT-PMP/PCP");
  }

  Lab lab_;
  Network& internet_ = lab_.network("internet");
  std::size_t site_count_ = 0;
  std::vector<std::unique_ptr<MeshNode>> nuclei_;
  std::vector<Process> gateways_;
};

// Two members that talk: one of them asks the other every second until the Pair is gone.
struct Pair {
  Kind kind;
  Kind other_kind;
  MeshNode* member;
  MeshNode* other;
  Process ping;

  bool is_direct() const { return direct_after().has_value(); }
  // At both ends, from the first packet on.
  std::optional<Duration> direct_after() const {
    const auto here = member->time_to_route(other->name(), "direct");
    const auto there = other->time_to_route(member->name(), "direct");
    if (!here || !there) return std::nullopt;
    return std::max(*here, *there);
  }
  bool is_connected() const { return ping.output().contains("answer from"); }
  bool is_first_answered() const { return ping.output().starts_with("answer from"); }
  // The time of the first answer, as ping has written it, and what it waited in vain before.
  std::optional<double> first_answer_ms() const {
    constexpr double kPatienceMs = 3000;
    std::istringstream lines(ping.output());
    double waited = 0;
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find(") in ");
      if (line.starts_with("answer from") && at != std::string::npos)
        return waited + std::stod(line.substr(at + 5));
      if (line.starts_with("no answer")) waited += kPatienceMs;
    }
    return std::nullopt;
  }
};

class Matrix {
 public:
  static constexpr Duration kSearchTime = 120s;

  Matrix() {
    for (std::size_t side = 0; side < 2; ++side) {
      for (std::size_t kind = 0; kind < kKinds; ++kind)
        members_.push_back(world_.member(world_.site(static_cast<Kind>(kind)), false));
    }
    for (const auto& member : members_)
      member->wait_until_ready();
    for (const auto& member : members_)
      wait_for_all(*member);
  }

  // Everybody's part in it is spread over both sides.
  void start_pairs() {
    for (std::size_t first = 0; first < kKinds; ++first) {
      for (std::size_t second = first; second < kKinds; ++second) {
        const std::size_t side = (first + second) % 2;
        start_pair(first + side * kKinds, second + (1 - side) * kKinds);
      }
    }
  }

  // Until all have found what they can. Guessing ports misses once in fifty times, and is repeated
  // after a minute and a half.
  void wait() {
    const MonoTime end = os::SystemClock().now() + kSearchTime;
    while (os::SystemClock().now() < end) {
      const bool is_done = std::ranges::all_of(pairs_, [](const Pair& pair) {
        return pair.is_connected() &&
               (pair.is_direct() || !obstacle_of(pair.kind, pair.other_kind).empty());
      });
      if (is_done) return;
      pollfd nothing{.fd = -1, .events = 0, .revents = 0};
      static_cast<void>(os::poll_until({&nothing, 1}, os::SystemClock().now() + 500ms));
    }
  }

  std::vector<Pair>& pairs() { return pairs_; }

 private:
  void wait_for_all(MeshNode& member) {
    for (const auto& other : members_) {
      if (other.get() == &member) continue;
      member.wait_for("to know all about " + other->name(), [&] {
        const json::Value peer = member.peer(other->name());
        return text_of(peer, "state") == "online" && text_of(peer, "nat") != "unknown";
      });
    }
  }

  void start_pair(std::size_t first, std::size_t second) {
    MeshNode& member = *members_[first];
    MeshNode& other = *members_[second];
    pairs_.push_back({.kind = static_cast<Kind>(first % kKinds),
                      .other_kind = static_cast<Kind>(second % kKinds),
                      .member = &member,
                      .other = &other,
                      .ping = member.start_verb({"ping", other.name()})});
  }

  World world_;
  std::vector<std::unique_ptr<MeshNode>> members_;
  std::vector<Pair> pairs_;
};

std::string in_ms(std::optional<Duration> duration) {
  if (!duration) return "-";
  return fmt::format("{} ms", duration_cast<std::chrono::milliseconds>(*duration).count());
}

std::string row_of(const Pair& pair) {
  const auto first = pair.first_answer_ms();
  const std::string reason = text_of(pair.member->peer(pair.other->name()), "why_not_direct");
  return fmt::format("| {:18} | {:18} | {:>10} | {:>9} | {} |\n", name_of(pair.kind),
                     name_of(pair.other_kind), first ? fmt::format("{:.0f} ms", *first) : "none",
                     in_ms(pair.direct_after()), reason.empty() ? "direct" : "relay: " + reason);
}

void print(const std::vector<Pair>& pairs) {
  std::string table = fmt::format(
      "| {:18} | {:18} | {:>10} | {:>9} | way |\n|{:-<20}|{:-<20}|"
      "{:->11}:|{:->10}:|-----|\n",
      "from", "to", "first ping", "direct", "", "", "", "");
  for (const Pair& pair : pairs)
    table += row_of(pair);
  fmt::print("{}", table);
  std::fflush(stdout);
}

void check(const Pair& pair) {
  CAPTURE(name_of(pair.kind));
  CAPTURE(name_of(pair.other_kind));
  CHECK(pair.is_first_answered());
  const std::string_view obstacle = obstacle_of(pair.kind, pair.other_kind);
  const json::Value there = pair.member->peer(pair.other->name());
  const json::Value back = pair.other->peer(pair.member->name());
  CHECK(text_of(there, "why_not_direct") == obstacle);
  CHECK(text_of(back, "why_not_direct") == obstacle_of(pair.other_kind, pair.kind));
  const std::string_view way = obstacle.empty() ? "direct" : "relay";
  CHECK(text_of(there, "route").starts_with(way));
  CHECK(text_of(back, "route").starts_with(way));
}

void set(MeshNode& member, std::string_view what, std::string_view value) {
  member.ask_directly(json::Value::object({{"ask", "config"}, {"what", what}, {"value", value}}));
}

}  // namespace

TEST_CASE("all 36 pairs of NATs connect, directly where that is possible") {
  if (!is_possible({"miniupnpd"})) return;
  Matrix matrix;
  matrix.start_pairs();
  matrix.wait();
  CHECK(matrix.pairs().size() == 36);
  print(matrix.pairs());
  for (const Pair& pair : matrix.pairs())
    check(pair);
}

TEST_CASE("two symmetric NATs do not connect without a relay") {
  if (!is_possible()) return;
  World world;
  const auto alice = world.member(Kind::kSymmetric);
  const auto bob = world.member(Kind::kBehindCarrier);
  alice->wait_for_peer(bob->name());
  CHECK(alice->can_ping(bob->name()));
  // From more than one a peer could foretell the next, were they not drawn at random.
  const json::Value checked = alice->ask({"netcheck"});
  CAPTURE(json::write(checked));
  CHECK(text_of(checked, "mapping") == "address-and-port-dependent");
  CHECK(std::ranges::count_if(*checked.find("candidates")->as_array(), [](const json::Value& each) {
          return each.as_string()->starts_with("20.0.0.");
        }) >= 2);
  alice->ask({"config", "relay", "off"});
  bob->ask({"config", "relay", "off"});
  const os::RunOutcome without = alice->run({"ping", bob->name(), "-c", "4"});
  CHECK_FALSE(without.status.succeeded());
  CHECK(text_of(alice->peer(bob->name()), "route") == "-");
  alice->ask({"config", "relay", "on"});
  bob->ask({"config", "relay", "on"});
  CHECK(alice->can_ping(bob->name()));
}

TEST_CASE("without probes nothing becomes direct") {
  if (!is_possible()) return;
  World world;
  const auto alice = world.member(Kind::kNone);
  const auto bob = world.member(Kind::kPortRestricted);
  alice->wait_for_peer(bob->name());
  set(*alice, "probes", "off");
  const json::Value pinged = alice->ask({"ping", bob->name(), "-c", "5"});
  INFO(json::write(pinged));
  INFO(alice->program().output());
  INFO(bob->program().output());
  CHECK(text_of(pinged, "answered") == "5");
  CHECK(text_of(alice->peer(bob->name()), "route").starts_with("relay"));
  CHECK(text_of(alice->peer(bob->name()), "why_not_direct") == "probes are switched off here");
  CHECK(text_of(bob->peer(alice->name()), "route").starts_with("relay"));
  set(*alice, "probes", "on");
  CHECK(alice->can_ping(bob->name()));
  alice->wait_for_route(bob->name(), "direct");
}
