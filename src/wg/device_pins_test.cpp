// Sessions that are pinned while the device changes under them.
#include <doctest/doctest.h>

#include <functional>

#include "wg/testing.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::wg::test;

TEST_CASE("device: a session that was replaced while pinned is revoked with what it belongs to") {
  const std::vector<std::function<void(World&, Device&, PeerId)>> revocations = {
      [](World&, Device& device, PeerId peer) { device.remove_peer(peer); },
      [](World&, Device& device, PeerId) { device.stop(); },
      [](World& world, Device& device, PeerId) {
        device.set_private_key(some_key(world.rng), world.now);
      },
      [](World&, Device& device, PeerId peer) {
        PresharedKey key;
        key.expose_mutable()[0] = 1;
        device.set_preshared_key(peer, key);
      },
  };
  for (const auto& revoke : revocations) {
    World world(1);
    Host& alice = world.add_host();
    Host& bob = world.add_host();
    world.introduce(alice, bob);
    alice.say(bob, "hello");
    world.run_for(1s);
    REQUIRE(bob.has_heard("hello"));
    const PeerId peer = alice.peer(bob);
    const auto grant = alice.device.begin_send(peer, 1, world.now);
    REQUIRE(grant.has_value());
    Session* received = alice.device.begin_receive(grant->session->local, 77, world.now);
    REQUIRE(received == grant->session);
    world.run_for(3 * kForgetKeysAfter);
    REQUIRE(alice.device.begin_receive(received->local, 78, world.now) == nullptr);
    revoke(world, alice.device, peer);
    alice.device.finish_send(*grant, 1, kKeepaliveSize, true, world.now);
    CHECK_FALSE(alice.device.finish_receive(*received, path_from(bob.address), 1, kKeepaliveSize,
                                            true, world.now, world.wall));
  }
}
