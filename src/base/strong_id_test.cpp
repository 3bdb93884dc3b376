#include "base/strong_id.h"

#include <doctest/doctest.h>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <unordered_set>

using namespace sinew;

namespace {

using PeerId = StrongId<struct PeerIdTag, std::uint32_t>;
using SessionIndex = StrongId<struct SessionIndexTag, std::uint32_t>;

static_assert(!std::equality_comparable_with<PeerId, SessionIndex>);
static_assert(!std::is_constructible_v<PeerId, SessionIndex>);
static_assert(!std::is_convertible_v<std::uint32_t, PeerId>);
static_assert(!std::is_convertible_v<PeerId, std::uint32_t>);
static_assert(sizeof(PeerId) == sizeof(std::uint32_t));

}  // namespace

TEST_CASE("a strong id compares and orders like its number") {
  CHECK(PeerId(7) == PeerId(7));
  CHECK(PeerId(7) != PeerId(8));
  CHECK(PeerId(7) < PeerId(8));
  CHECK(PeerId().value() == 0);
  CHECK(PeerId(UINT32_MAX).value() == UINT32_MAX);
}

TEST_CASE("a strong id is a key of a hash table") {
  const std::unordered_set<PeerId> peers = {PeerId(1), PeerId(2), PeerId(1)};
  CHECK(peers.size() == 2);
  CHECK(peers.contains(PeerId(2)));
}
