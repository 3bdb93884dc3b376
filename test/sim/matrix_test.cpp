// Every kind of access with every other: direct wherever that is possible at all, quickly, and the
// right reason where it is not.
#include <doctest/doctest.h>

#include <algorithm>

#include "sim/world.h"

using namespace sinew;
using namespace sinew::sim;

namespace {

std::string expected_reason(Access a, Access b) {
  using path::WhyNotDirect;
  if (a == Access::kUdpBlocked) return std::string(text_of(WhyNotDirect::kUdpBlockedHere));
  if (b == Access::kUdpBlocked) return std::string(text_of(WhyNotDirect::kUdpBlockedThere));
  return std::string(text_of(WhyNotDirect::kBothHard));
}

}  // namespace

TEST_CASE("sim: all pairs of access are connected, and direct where that is possible") {
  for (std::size_t i = 0; i < seed_count(1); ++i) {
    const std::uint64_t seed = first_seed() + i;
    for (const Access left : kAllAccess) {
      for (const Access right : kAllAccess) {
        CAPTURE(seed);
        CAPTURE(name_of(left));
        CAPTURE(name_of(right));
        World world(seed);
        Node& a = world.add(left);
        Node& b = world.add(right);
        world.start();
        const MonoTime began = world.now();
        const bool is_slow = takes_guessing(left, right);
        world.talk(a, b, is_slow ? 12s : 3s);
        CHECK(b.heard_of(a).packets > 0);
        CHECK(b.heard_of(a).first - began < 1s);
        CHECK(b.heard_of(a).longest_gap < 500ms);
        if (!can_be_direct(left, right)) {
          CHECK(a.route_to(b).kind == path::RouteKind::kRelay);
          CHECK(a.why_not_direct(b) == expected_reason(left, right));
          continue;
        }
        if (is_slow && !a.direct_since(b)) world.talk(a, b, 200s, 500ms);  // a second attempt
        REQUIRE(a.direct_since(b).has_value());
        REQUIRE(b.direct_since(a).has_value());
        if (!is_slow) {
          CHECK(*a.direct_since(b) - began < 1s);
          CHECK(*b.direct_since(a) - began < 1s);
        }
      }
    }
  }
}
