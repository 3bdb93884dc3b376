#include "dataplane/notices.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/rng.h"

namespace sinew::dataplane {
namespace {

struct Listener final : Companion {
  void take_stray(ByteView, std::size_t, const wg::Path&) override {}
  bool take_detour(std::uint32_t, ByteView, std::size_t) override { return false; }
  void peer_wanted(const wg::PublicKey& peer) override { wanted.push_back(peer); }
  void peer_heard(const wg::PublicKey& peer, const wg::Path& from) override {
    heard.emplace_back(peer, from.remote);
  }

  std::vector<wg::PublicKey> wanted;
  std::vector<std::pair<wg::PublicKey, Endpoint>> heard;
};

struct Bench {
  SeededRng rng{1};
  wg::Device device{rng};
  Listener listener;
  Notices notices{listener};
  MonoTime now{1h};

  wg::PeerId add_peer() {
    return *device.add_peer(wg::PrivateKey::generate(rng).public_key(), now);
  }
  std::size_t told_after_wanting(wg::PeerId peer) {
    const std::size_t before = listener.wanted.size();
    notices.note_wanted(device, peer, now);
    notices.tell();
    return listener.wanted.size() - before;
  }
  std::size_t told_after_hearing(wg::PeerId peer, const Endpoint& from) {
    const std::size_t before = listener.heard.size();
    notices.note_heard(device, peer, {.remote = from, .local = {}, .interface = 0}, now);
    notices.tell();
    return listener.heard.size() - before;
  }
};

const Endpoint kDirect = {.address = IpAddress::v4(192, 0, 2, 1), .port = 1000};

}  // namespace

TEST_CASE("a peer that is wanted all the time is told of at once and then once an interval") {
  Bench bench;
  const wg::PeerId peer = bench.add_peer();
  CHECK(bench.told_after_wanting(peer) == 1);
  CHECK(bench.listener.wanted[0] == bench.device.key_of(peer));
  CHECK(bench.told_after_wanting(peer) == 0);
  bench.now = bench.now + kNoticeInterval - Duration(1);
  CHECK(bench.told_after_wanting(peer) == 0);
  bench.now = bench.now + Duration(1);
  CHECK(bench.told_after_wanting(peer) == 1);
}

TEST_CASE("every way on which a peer is heard is told of once an interval") {
  Bench bench;
  const wg::PeerId peer = bench.add_peer();
  CHECK(bench.told_after_hearing(peer, kDirect) == 1);
  CHECK(bench.told_after_hearing(peer, detour_endpoint(1)) == 1);
  CHECK(bench.told_after_hearing(peer, kDirect) == 0);
  CHECK(bench.told_after_hearing(peer, detour_endpoint(1)) == 0);
  bench.now = bench.now + kNoticeInterval;
  CHECK(bench.told_after_hearing(peer, kDirect) == 1);
  CHECK(bench.listener.heard.back().second == kDirect);
}

TEST_CASE("peers do not hide one another") {
  Bench bench;
  std::vector<wg::PeerId> peers;
  for (int i = 0; i < 200; ++i)
    peers.push_back(bench.add_peer());
  for (const wg::PeerId peer : peers)
    CHECK(bench.told_after_wanting(peer) == 1);
  std::size_t again = 0;
  for (const wg::PeerId peer : peers)
    again += bench.told_after_wanting(peer);
  CHECK(again == 0);
}

TEST_CASE("a peer that was removed is not told of, and one in its place is") {
  Bench bench;
  const wg::PeerId peer = bench.add_peer();
  CHECK(bench.told_after_wanting(peer) == 1);
  bench.device.remove_peer(peer);
  bench.now = bench.now + kNoticeInterval;
  CHECK(bench.told_after_wanting(peer) == 0);
  CHECK(bench.told_after_wanting(bench.add_peer()) == 1);
}

TEST_CASE("notices that wait are bounded, and the rest comes later") {
  Bench bench;
  std::vector<wg::PeerId> peers;
  for (std::size_t i = 0; i < Notices::kMaxWaiting + 1; ++i)
    peers.push_back(bench.add_peer());
  for (const wg::PeerId peer : peers)
    bench.notices.note_wanted(bench.device, peer, bench.now);
  bench.notices.tell();
  CHECK(bench.listener.wanted.size() == Notices::kMaxWaiting);
  CHECK(bench.told_after_wanting(peers.back()) == 1);
}

}  // namespace sinew::dataplane
