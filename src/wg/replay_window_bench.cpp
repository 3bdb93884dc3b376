// What the window costs a packet: in order, with small reordering, and with gaps.
#include "wg/replay_window.h"

#include <benchmark/benchmark.h>

#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

void in_order(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(window.accept(counter++));
}

// Runs of 16 turned round.
void reordered(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(window.accept(counter ^ 15));
    ++counter;
  }
}

void gaps(benchmark::State& state) {
  ReplayWindow window;
  std::uint64_t counter = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(window.accept(counter += 100));
}

void repeated(benchmark::State& state) {
  ReplayWindow window;
  static_cast<void>(window.accept(1000));
  for (auto _ : state)
    benchmark::DoNotOptimize(window.accept(1000));
}

BENCHMARK(in_order)->Name("replay_window/accept/in_order");
BENCHMARK(reordered)->Name("replay_window/accept/reordered");
BENCHMARK(gaps)->Name("replay_window/accept/gaps_of_100");
BENCHMARK(repeated)->Name("replay_window/accept/repeated");

}  // namespace
