// The path engine under any sequence of calls and messages: it always has a deadline ahead, keeps
// its bounds, and uses no direct path without a pong of full size.
#include <algorithm>

#include "base/verify.h"
#include "disco/messages.h"
#include "path/agent.h"

using namespace sinew;

namespace {

// Two members with keys of their own speak to the agent.
struct Script {
  explicit Script(ByteView bytes) : in(bytes) {
    for (std::size_t i = 0; i < members.size(); ++i)
      upsert(i);
  }

  struct Member {
    netmap::NodeKey key;
    crypto::X25519PrivateKey disco;
    std::optional<crypto::BoxKey> box;
  };

  Member make(std::uint8_t number) {
    Member member{.key = netmap::NodeKey({number}),
                  .disco = crypto::X25519PrivateKey::generate(rng),
                  .box = {}};
    member.box = crypto::BoxKey::between(member.disco, own.public_key());
    return member;
  }

  Endpoint endpoint() {
    const std::uint8_t which = in.u8();
    const std::uint16_t port = in.u8();
    if (which % 4 == 0) {
      return {IpAddress::v6({0x20, 1, 0xd, 0xb8, which}), port};
    }
    return {IpAddress::v4(which % 4 == 1 ? 192 : 20, 168, 0, which), port};
  }

  std::vector<netmap::Candidate> candidates() {
    std::vector<netmap::Candidate> list(in.u8() % (netmap::kMaxCandidates + 1));
    for (auto& candidate : list) {
      candidate.kind = static_cast<netmap::CandidateKind>(1 + in.u8() % 4);
      candidate.endpoint = endpoint();
    }
    return list;
  }

  netmap::Connectivity connectivity() {
    const std::uint8_t bits = in.u8();
    return {.has_udp = (bits & 1) == 0,
            .mapping = static_cast<netmap::NatBehaviour>((bits >> 1) % 5),
            .filtering = static_cast<netmap::NatBehaviour>((bits >> 4) % 5),
            .has_port_mapping = (bits & 128) != 0};
  }

  void upsert(std::size_t index) {
    const Member& member = members.at(index);
    agent.upsert_peer({.key = member.key,
                       .disco = {member.disco.public_key()},
                       .name = {},
                       .v4 = {},
                       .v6 = {},
                       .candidates = candidates(),
                       .home = netmap::RelayId(1),
                       .connectivity = connectivity()},
                      now);
  }

  path::Way way(const Member& member) {
    const std::uint8_t kind = in.u8();
    if (kind % 4 == 0) return path::Relayed{member.key};
    const auto socket = kind % 4 == 1 ? path::SocketNumber(kind) : path::kMainSocket;
    return path::Direct{.endpoint = endpoint(), .socket = socket};
  }

  void say(const Member& member, const disco::Message& message, const path::Way& from) {
    const Bytes bytes = disco::seal(message, *member.box, {member.disco.public_key()}, rng);
    agent.feed(bytes, from, now);
  }

  void answer(const Member& member) {
    if (pings.empty()) return;
    const auto [to, ping] = pings.at(in.u8() % pings.size());
    say(member, disco::Pong{.transaction = ping.transaction, .observed = to.endpoint}, to);
  }

  void step() {
    const std::uint8_t verb = in.u8();
    const std::size_t index = in.u8() % members.size();
    const Member& member = members.at(index);
    switch (verb % 14) {
      case 0: agent.note_wanted(member.key, now); break;
      case 1: agent.note_received(member.key, way(member), now); break;
      case 2: agent.punch(member.key, candidates(), now); break;
      case 3: upsert(index); break;
      case 4: agent.remove_peer(member.key, now); break;
      case 5: agent.network_changed(now); break;
      case 6: agent.set_relay_available(netmap::RelayId(1), in.u8() % 2 == 0, now); break;
      case 7: {
        auto local = candidates();
        agent.set_local(std::move(local), connectivity(), now);
        break;
      }
      case 8: {
        const auto from = way(member);
        say(member, disco::Ping{.sender = members.at(in.u8() % members.size()).key}, from);
        break;
      }
      case 9: answer(member); break;
      case 10: {
        disco::CallMe call{.sender = member.key,
                           .connectivity = connectivity(),
                           .is_answer = in.u8() % 2 == 0,
                           .has_open_sockets = in.u8() % 2 == 0,
                           .candidates = candidates()};
        say(member, call, way(member));
        break;
      }
      case 11: {
        path::Settings settings;
        const std::uint8_t bits = in.u8();
        settings.is_probing = (bits & 3) != 0;
        settings.has_ipv6 = (bits & 4) == 0;
        settings.is_relay_allowed = (bits & 8) == 0;
        agent.set_settings(settings, now);
        break;
      }
      case 12:
        agent.feed(in.take(std::min<std::size_t>(in.remaining(), 90)), way(member), now);
        break;
      default: {
        constexpr Duration kSteps[] = {1ms, 40ms, 300ms, 1s, 5s, 30s, 10min, 3h};
        pass(kSteps[in.u8() % 8]);
      }
    }
    drain();
  }

  void pass(Duration span) {
    const MonoTime end = now + span;
    for (int i = 0; i < 200 && agent.deadline() <= end; ++i) {
      now = std::max(now, agent.deadline());
      agent.expire(now);
      VERIFY(agent.deadline() > now);
      drain();
    }
    now = end;
    agent.expire(now);
  }

  void drain() {
    while (const auto event = agent.next_event()) {
      if (const auto* changed = std::get_if<path::RouteChanged>(&*event)) {
        VERIFY(agent.route_of(changed->peer).kind == path::RouteKind::kNone ||
               agent.describe(changed->peer, now).has_value());
      }
    }
    pings.clear();
    while (const auto out = agent.next_transmit()) {
      const auto* direct = std::get_if<path::Direct>(&out->to);
      if (direct == nullptr) continue;
      for (const Member& member : members) {
        const auto message = disco::open(out->bytes, *member.box);
        if (!message) continue;
        if (const auto* ping = std::get_if<disco::Ping>(&*message))
          pings.push_back({*direct, *ping});
      }
    }
    for (const Member& member : members) {
      const auto description = agent.describe(member.key, now);
      if (!description) continue;
      VERIFY(description->paths <= path::kMaxPaths);
      VERIFY(description->history.size() <= path::kHistoryLength);
      VERIFY(description->why.has_value() != description->route.is_direct());
    }
  }

  ByteReader in;
  SeededRng rng{1};
  crypto::X25519PrivateKey own = crypto::X25519PrivateKey::generate(rng);
  MonoTime now{1h};
  path::Agent agent{rng, own, netmap::NodeKey({9}), {}};
  std::array<Member, 2> members{make(1), make(2)};
  std::vector<std::pair<path::Direct, disco::Ping>> pings;  // of the last turn
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script({data, size});
  for (int i = 0; i < 400 && script.in.remaining() > 0 && !script.in.failed(); ++i)
    script.step();
  return 0;
}
