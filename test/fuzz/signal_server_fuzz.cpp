// A nucleus and two of its nodes. Bytes choose what is delivered, lost, repeated, damaged and made
// up, also requests of a node that holds the secret; how time and the calendar pass; and what the
// operator does. Whatever happens: no address is held twice, no stranger gets more than he sends,
// and what is due gets done.
#include <deque>
#include <memory>
#include <set>

#include "base/verify.h"
#include "signal/session.h"
#include "signal/testing.h"

using namespace sinew;
using namespace sinew::signal;
using namespace sinew::signal::test;

namespace {

constexpr std::size_t kMaxSteps = 60;

// A node that says what the input says.
class Insider {
 public:
  explicit Insider(World& world) : world_(world), key_(PrivateKey::generate(world.rng)) {}

  void say(ByteView message) {
    if (!channel_) return open(message);
    world_.server->feed(channel_->seal(message), from_, world_.now, world_.wall);
  }

 private:
  void open(ByteView first) {
    const PrivateKey ephemeral = PrivateKey::generate(world_.rng);
    const Hello hello{
        .flags = 0, .tag = key_of(1).tag(), .ephemeral = ephemeral.public_key(), .random = {}};
    while (world_.server->next_transmit()) {
    }
    world_.server->feed(hello.encode(key_of(1)), from_, world_.now, world_.wall);
    const auto answer = world_.server->next_transmit();
    if (!answer) return;
    const Welcome welcome = Welcome::decode(answer->bytes);
    auto opening = seal_open(key_of(1), key_, ephemeral, welcome.server, welcome.cookie, 0, first);
    world_.server->feed(opening->datagram, from_, world_.now, world_.wall);
    channel_ = std::move(opening->channel);
  }

  World& world_;
  PrivateKey key_;
  Route from_{.endpoint = endpoint(9), .stream = 0};
  std::optional<Channel> channel_;
};

void check_addresses(const World& world) {
  std::set<IpAddress> held;
  for (const auto& node : world.server->nodes(world.now)) {
    VERIFY(node.record.v4 && held.insert(*node.record.v4).second);
    VERIFY(node.record.v6 && held.insert(*node.record.v6).second);
  }
}

void feed_stranger(World& world, ByteView datagram) {
  while (world.server->next_transmit()) {
  }
  world.server->feed(datagram, {.endpoint = endpoint(66), .stream = 0}, world.now, world.wall);
  std::size_t answered = 0;
  while (const auto transmit = world.server->next_transmit())
    answered += transmit->bytes.size();
  VERIFY(answered <= datagram.size());
}

void step(World& world, Insider& insider, ByteReader& in) {
  const std::uint8_t verb = in.u8();
  switch (verb % 8) {
    case 0: return world.run_for(std::chrono::milliseconds(in.le<std::uint16_t>()));
    case 1: return world.run_for(std::chrono::seconds(in.le<std::uint16_t>() % 300));
    case 2: world.wall = WallTime(std::chrono::seconds(in.le<std::uint32_t>())); return;
    case 3: return insider.say(in.take(in.u8() % kMaxOpenMessageSize));
    case 4: return feed_stranger(world, in.take(in.u8()));
    case 5: {
      const std::uint8_t low = in.u8();
      static_cast<void>(world.server->forget("home", IpAddress::v4(10, 147, 0, low), world.now));
      return;
    }
    case 6: return world.restart_nucleus(verb >= 128);
    default: world.impairment.loss = static_cast<double>(in.u8() % 128) / 256; return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World world(7);
  world.add();
  world.add();
  Insider insider(world);
  ByteReader in({data, size});
  for (std::size_t i = 0; i < kMaxSteps && !in.failed() && in.remaining() > 0; ++i) {
    step(world, insider, in);
    check_addresses(world);
  }
  return 0;
}
