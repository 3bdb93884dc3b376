#include "wg/deadline_heap.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::wg;

TEST_CASE("deadline heap: the first is the least of all, whatever changes") {
  SeededRng rng(1);
  std::vector<DeadlineHeap::Node> nodes(50);
  DeadlineHeap heap;
  heap.reserve(nodes.size());
  for (int step = 0; step < 50'000; ++step) {
    DeadlineHeap::Node& node = nodes[rng.below(nodes.size())];
    const bool leaves = rng.below(4) == 0;
    heap.set(node, leaves ? MonoTime::never() : MonoTime(Duration(rng.below(1000))));
    const auto least = std::ranges::min(nodes, {}, &DeadlineHeap::Node::at).at;
    const auto count =
        std::ranges::count_if(nodes, [](const auto& each) { return each.at != MonoTime::never(); });
    REQUIRE(heap.size() == static_cast<std::size_t>(count));
    REQUIRE((heap.first() == nullptr ? MonoTime::never() : heap.first()->at) == least);
  }
}
