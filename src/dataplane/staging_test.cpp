#include "dataplane/staging.h"

#include <doctest/doctest.h>

#include <vector>

namespace sinew::dataplane {
namespace {

constexpr wg::PeerId kAlice{1};
constexpr wg::PeerId kBob{2};

std::vector<Staging::Handle> taken(Staging& staging, wg::PeerId peer) {
  std::vector<Staging::Handle> handles;
  staging.take(peer, [&](Staging::Handle handle) { handles.push_back(handle); });
  return handles;
}

constexpr Staging::Handle small_cell(std::size_t index) {
  return static_cast<Staging::Handle>(ParcelPool::kLargeCount + index);
}

}  // namespace

TEST_CASE("packets wait for their own peer, in order") {
  Staging staging;
  CHECK_FALSE(staging.add(kAlice, 3));
  CHECK_FALSE(staging.add(kBob, 1));
  CHECK_FALSE(staging.add(kAlice, 2));
  CHECK(taken(staging, kAlice) == std::vector<Staging::Handle>{3, 2});
  CHECK(taken(staging, kAlice).empty());
  CHECK(staging.size() == 1);
}

TEST_CASE("the oldest packet of a peer makes room for its 129th") {
  Staging staging;
  CHECK_FALSE(staging.add(kBob, small_cell(500)));
  for (std::size_t i = 0; i < Staging::kMaxOfPeer; ++i)
    CHECK_FALSE(staging.add(kAlice, small_cell(i)));
  CHECK(staging.add(kAlice, small_cell(200)) == small_cell(0));
  CHECK(taken(staging, kAlice).size() == Staging::kMaxOfPeer);
  CHECK(taken(staging, kBob).size() == 1);
}

TEST_CASE("super-packets of absent peers hold a quarter of the large cells at most") {
  Staging staging;
  for (Staging::Handle handle = 0; handle < Staging::kMaxLarge; ++handle)
    CHECK_FALSE(staging.add(wg::PeerId(handle), handle));
  CHECK_FALSE(staging.add(kAlice, small_cell(0)));
  CHECK(staging.add(kBob, Staging::kMaxLarge) == 0);
  static_assert(4 * Staging::kMaxLarge <= ParcelPool::kLargeCount);
}

TEST_CASE("the oldest packet of all makes room when every place is taken") {
  Staging staging;
  for (std::size_t i = 0; i < Staging::kMaxAll; ++i)
    CHECK_FALSE(staging.add(wg::PeerId(static_cast<std::uint32_t>(i % 8)), small_cell(i)));
  CHECK(staging.add(wg::PeerId(100), small_cell(600)) == small_cell(0));
  CHECK(staging.size() == Staging::kMaxAll);
}

TEST_CASE("a peer with all it may have does not bring one large packet too many") {
  Staging staging;
  for (Staging::Handle handle = 0; handle < Staging::kMaxLarge; ++handle)
    staging.add(wg::PeerId(100 + handle), handle);
  for (std::size_t i = 0; i < Staging::kMaxOfPeer; ++i)
    staging.add(kAlice, small_cell(i));
  for (Staging::Handle handle = Staging::kMaxLarge; handle < ParcelPool::kLargeCount; ++handle) {
    const auto victim = staging.add(kAlice, handle);
    REQUIRE(victim);
    CHECK(ParcelPool::is_large(*victim));
  }
}

TEST_CASE("packets of peers that are gone wait no longer") {
  Staging staging;
  staging.add(kAlice, 1);
  staging.add(kBob, 2);
  std::vector<Staging::Handle> handles;
  staging.take_if([](wg::PeerId peer) { return peer == kAlice; },
                  [&](Staging::Handle handle) { handles.push_back(handle); });
  CHECK(handles == std::vector<Staging::Handle>{1});
  CHECK(taken(staging, kBob).size() == 1);
}

}  // namespace sinew::dataplane
