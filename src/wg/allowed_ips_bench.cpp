// Lookups and changes of allowed-IPs, in tables of several shapes: random prefixes, the hosts of
// one mesh, and hosts beside an exit node and some routes.
#include "wg/allowed_ips.h"

#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr std::size_t kProbes = 4096;

IpAddress random_v4(SeededRng& rng) {
  return IpAddress::v4(rng.number<std::uint8_t>(), rng.number<std::uint8_t>(),
                       rng.number<std::uint8_t>(), rng.number<std::uint8_t>());
}
IpAddress host_v4(std::uint32_t number) {
  return IpAddress::v4(10, 147, static_cast<std::uint8_t>(number >> 8),
                       static_cast<std::uint8_t>(number));
}
IpAddress random_v6(SeededRng& rng) {
  std::array<std::uint8_t, 16> bytes;
  rng.fill(bytes);
  bytes[0] = 0xfd;
  bytes[1] = 0x12;
  return IpAddress::v6(bytes);
}

struct Table {
  AllowedIps ips;
  std::vector<IpAddress> probes;  // half of them hit
};

Table random_table(std::int64_t prefixes) {
  SeededRng rng(1);
  Table table;
  for (std::int64_t i = 0; i < prefixes; ++i) {
    const IpAddress address = random_v4(rng);
    const auto length = static_cast<unsigned>(16 + rng.below(17));
    table.ips.insert(IpPrefix::around(address, length), PeerId(static_cast<std::uint32_t>(i)));
    if (i < std::int64_t{kProbes} / 2) table.probes.push_back(address);
  }
  while (table.probes.size() < kProbes)
    table.probes.push_back(random_v4(rng));
  return table;
}

Table mesh_table(std::int64_t hosts, bool has_routes) {
  SeededRng rng(1);
  Table table;
  if (has_routes) {
    table.ips.insert(IpPrefix{}, PeerId(7));
    for (std::uint8_t i = 0; i < 10; ++i)
      table.ips.insert(IpPrefix::around(IpAddress::v4(192, 168, i, 0), 24), PeerId(i));
  }
  for (std::uint32_t i = 0; i < hosts; ++i)
    table.ips.insert(IpPrefix::of_host(host_v4(i)), PeerId(i));
  while (table.probes.size() < kProbes) {
    const auto number = static_cast<std::uint32_t>(rng.below(static_cast<std::uint64_t>(hosts)));
    table.probes.push_back(host_v4(number));
  }
  return table;
}

Table v6_table(std::int64_t hosts) {
  SeededRng rng(1);
  Table table;
  for (std::int64_t i = 0; i < hosts; ++i) {
    const IpAddress address = random_v6(rng);
    table.ips.insert(IpPrefix::of_host(address), PeerId(static_cast<std::uint32_t>(i)));
    if (table.probes.size() < kProbes) table.probes.push_back(address);
  }
  while (table.probes.size() < kProbes)
    table.probes.push_back(table.probes[rng.below(table.probes.size())]);
  return table;
}

void find_all(benchmark::State& state, const Table& table) {
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(table.ips.find(table.probes[i]));
    i = (i + 1) % kProbes;
  }
}

void find_random(benchmark::State& state, std::int64_t prefixes) {
  find_all(state, random_table(prefixes));
}
void find_mesh(benchmark::State& state, std::int64_t hosts) {
  find_all(state, mesh_table(hosts, false));
}
void find_mesh_and_routes(benchmark::State& state, std::int64_t hosts) {
  find_all(state, mesh_table(hosts, true));
}
void find_v6(benchmark::State& state, std::int64_t hosts) {
  find_all(state, v6_table(hosts));
}

void insert_and_remove_all(benchmark::State& state, std::int64_t count) {
  SeededRng rng(1);
  std::vector<IpPrefix> prefixes;
  for (std::int64_t i = 0; i < count; ++i)
    prefixes.push_back(IpPrefix::around(random_v4(rng), static_cast<unsigned>(16 + rng.below(17))));
  for (auto _ : state) {
    AllowedIps ips;
    for (std::size_t i = 0; i < prefixes.size(); ++i)
      ips.insert(prefixes[i], PeerId(static_cast<std::uint32_t>(i % 10'000)));
    for (std::uint32_t i = 0; i < 10'000; ++i)
      ips.remove_peer(PeerId(i));
    benchmark::DoNotOptimize(ips.size());
  }
  state.SetItemsProcessed(state.iterations() * count);
}

BENCHMARK_CAPTURE(find_random, 1, 1)->Name("allowed_ips/find/random_1");
BENCHMARK_CAPTURE(find_random, 10, 10)->Name("allowed_ips/find/random_10");
BENCHMARK_CAPTURE(find_random, 1000, 1000)->Name("allowed_ips/find/random_1000");
BENCHMARK_CAPTURE(find_random, 100000, 100000)->Name("allowed_ips/find/random_100000");
BENCHMARK_CAPTURE(find_mesh, 10, 10)->Name("allowed_ips/find/mesh_10");
BENCHMARK_CAPTURE(find_mesh, 1000, 1000)->Name("allowed_ips/find/mesh_1000");
BENCHMARK_CAPTURE(find_mesh, 60000, 60000)->Name("allowed_ips/find/mesh_60000");
BENCHMARK_CAPTURE(find_mesh_and_routes, 100, 100)->Name("allowed_ips/find/mesh_and_routes_100");
BENCHMARK_CAPTURE(find_mesh_and_routes, 1000, 1000)->Name("allowed_ips/find/mesh_and_routes_1000");
BENCHMARK_CAPTURE(find_v6, 10, 10)->Name("allowed_ips/find/v6_mesh_10");
BENCHMARK_CAPTURE(find_v6, 1000, 1000)->Name("allowed_ips/find/v6_mesh_1000");
BENCHMARK_CAPTURE(find_v6, 100000, 100000)->Name("allowed_ips/find/v6_mesh_100000");
BENCHMARK_CAPTURE(insert_and_remove_all, 1000, 1000)
    ->Name("allowed_ips_change/insert_and_remove/1000");
BENCHMARK_CAPTURE(insert_and_remove_all, 130560, 130560)
    ->Name("allowed_ips_change/insert_and_remove/130560");

}  // namespace
