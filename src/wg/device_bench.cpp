// What a device costs the packet path: the two calls around a batch, and a handshake.
#include "wg/device.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "base/rng.h"
#include "base/verify.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr MonoTime kStart{1h};
constexpr WallTime kSomeDay{1'700'000'000s};

Path path_of(std::uint8_t host) {
  return {.remote = {.address = IpAddress::v4(10, 0, 0, host), .port = 51820},
          .local = {},
          .interface = 0};
}

void pass_on(Device& from, std::uint8_t from_host, Device& to) {
  from.expire(kStart, kSomeDay);
  while (const auto transmit = from.next_transmit()) {
    if (kind_of(transmit->bytes()) == Kind::kData) continue;
    to.feed(transmit->bytes(), path_of(from_host), kStart, kSomeDay);
  }
}

// Two devices with a session, and as many other peers that are idle.
struct Bench {
  explicit Bench(std::size_t idle) {
    a.set_private_key(PrivateKey::generate(rng), kStart);
    b.set_private_key(PrivateKey::generate(rng), kStart);
    for (std::size_t i = 0; i < idle; ++i)
      a.add_peer(PublicKey([&] {
                   std::array<std::uint8_t, 32> key{};
                   store_le(key.data(), i + 2);
                   return key;
                 }()),
                 kStart);
    to_b = *a.add_peer(*b.public_key(), kStart);
    to_a = *b.add_peer(*a.public_key(), kStart);
    a.set_endpoint(to_b, path_of(2).remote, kStart);
    a.start(kStart);
    b.start(kStart);
    static_cast<void>(a.begin_send(to_b, 1, kStart));
    shake_hands();
  }
  void shake_hands() {
    pass_on(a, 1, b);
    pass_on(b, 2, a);
  }

  SeededRng rng{1};
  Device a{rng};
  Device b{rng};
  PeerId to_a;
  PeerId to_b;
};

void send(benchmark::State& state, std::size_t idle) {
  Bench bench(idle);
  MonoTime now = kStart;
  for (auto _ : state) {
    const auto grant = bench.a.begin_send(bench.to_b, 64, now);
    VERIFY(grant.has_value());
    bench.a.finish_send(*grant, 64, 64 * 1452, true, now);
    benchmark::DoNotOptimize(bench.a.deadline());
  }
}
BENCHMARK_CAPTURE(send, alone, 0)->Name("device/send a batch/one peer");
BENCHMARK_CAPTURE(send, crowded, 10'000)->Name("device/send a batch/10,000 peers");

void receive(benchmark::State& state, std::size_t batch) {
  Bench bench(0);
  const auto grant = bench.a.begin_send(bench.to_b, 1, kStart);
  const SessionIndex index = grant->session->remote;
  const Path from = path_of(1);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    Session* session = nullptr;
    for (std::size_t i = 0; i < batch; ++i) {
      session = bench.b.begin_receive(index, counter + i, kStart);
      benchmark::DoNotOptimize(session);
    }
    for (std::size_t i = 0; i < batch; ++i)
      benchmark::DoNotOptimize(session->window.accept(counter++));
    bench.b.finish_receive(*session, from, batch, batch * 1452, true, kStart, kSomeDay);
  }
  bench.a.finish_send(*grant, 0, 0, false, kStart);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}
BENCHMARK_CAPTURE(receive, one, 1)->Name("device/receive a packet/alone");
BENCHMARK_CAPTURE(receive, many, 64)->Name("device/receive a packet/of a batch of 64");

void handshake(benchmark::State& state) {
  Bench bench(0);
  WallTime wall = kSomeDay;
  MonoTime now = kStart;
  for (auto _ : state) {
    now += kRejectAfterTime;
    wall = wall + kRejectAfterTime;
    static_cast<void>(bench.a.begin_send(bench.to_b, 1, now));
    bench.a.expire(now, wall);
    while (const auto transmit = bench.a.next_transmit())
      bench.b.feed(transmit->bytes(), path_of(1), now, wall);
    while (const auto transmit = bench.b.next_transmit())
      bench.a.feed(transmit->bytes(), path_of(2), now, wall);
  }
}
BENCHMARK(handshake)->Name("device/handshake/both sides");

// What a flood costs that does not know our key, and one that does.
void refuse(benchmark::State& state) {
  Bench bench(0);
  std::array<std::uint8_t, kInitiationSize> datagram{1};
  for (auto _ : state)
    bench.b.feed(datagram, path_of(1), kStart, kSomeDay);
}
BENCHMARK(refuse)->Name("device/refuse an initiation/wrong first MAC");

}  // namespace
