// What a packet costs between TUN queue and cipher: each stage by itself, on packets that fit the
// second-level cache, with memcpy as the peer that no stage can beat.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"
#include "packet/checksum.h"
#include "packet/checksum_kernel.h"
#include "packet/coalesce.h"
#include "packet/fair_queue.h"
#include "packet/inner.h"
#include "packet/split.h"

namespace {

using namespace sinew;
using namespace sinew::packet;

constexpr std::size_t kPacket = 1'420;
constexpr std::size_t kPayload = kPacket - 52;  // behind IPv4 and TCP with time stamps
constexpr std::size_t kPackets = 46;            // of a full super-packet
constexpr std::size_t kSlot = 1'536;

void report(benchmark::State& state, std::size_t packets) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(packets));
}

// One TCP super-packet, and what it is cut into.
struct Traffic {
  Bytes whole;
  Bytes cut = Bytes(kPackets * kSlot);
  VnetHeader header = {.flags = kNeedsChecksum,
                       .gso_type = kGsoTcp4,
                       .gso_size = kPayload,
                       .checksum_start = 20,
                       .checksum_offset = 16};

  explicit Traffic(bool is_v4 = true, bool is_udp = false) {
    const std::size_t ip = is_v4 ? 20 : 40;
    const std::size_t size = ip + (is_udp ? 8 : 32) + kPayload * kPackets;
    whole.assign(size, 0x5a);
    std::uint8_t* p = whole.data();
    p[0] = is_v4 ? 0x45 : 0x60;
    p[is_v4 ? 9 : 6] = is_udp ? kProtocolUdp : kProtocolTcp;
    store_be(p + (is_v4 ? 2 : 4), static_cast<std::uint16_t>(is_v4 ? size : size - ip));
    if (is_v4) store_be(p + 6, std::uint16_t{0x4000});
    if (!is_udp) p[ip + 12] = 0x80, p[ip + 13] = 0x10;
    header.checksum_start = static_cast<std::uint16_t>(ip);
    header.gso_type = is_udp ? kGsoUdpL4 : is_v4 ? kGsoTcp4 : kGsoTcp6;
    header.checksum_offset = is_udp ? 6 : 16;
  }

  void split() {
    const std::optional<SplitPlan> plan = plan_split(header, whole);
    VERIFY(plan && plan->segment_count == kPackets);
    for (std::size_t i = 0; i < kPackets; ++i)
      write_segment(*plan, whole, i, cut.data() + i * kSlot);
  }
  ByteSpan packet_at(std::size_t i) {
    return ByteSpan(cut).subspan(i * kSlot,
                                 parse_inner(ByteView(cut).subspan(i * kSlot))->total_length);
  }
};

void copy_by_memcpy(benchmark::State& state) {
  Traffic traffic;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kPackets; ++i)
      std::memcpy(traffic.cut.data() + i * kSlot, traffic.whole.data() + i * kPayload, kPacket);
    benchmark::ClobberMemory();
  }
  report(state, kPackets);
}

void copy_and_sum_by(benchmark::State& state, const ChecksumKernel* kernel) {
  Traffic traffic;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kPackets; ++i)
      benchmark::DoNotOptimize(kernel->copy_and_sum(traffic.cut.data() + i * kSlot,
                                                    traffic.whole.data() + i * kPayload, kPacket));
    benchmark::ClobberMemory();
  }
  report(state, kPackets);
}

void sum_by(benchmark::State& state, const ChecksumKernel* kernel, std::size_t size) {
  Traffic traffic;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kPackets; ++i)
      benchmark::DoNotOptimize(kernel->sum(traffic.whole.data() + i * kPayload, size));
  }
  report(state, kPackets);
}

void split_super_packet(benchmark::State& state, bool is_v4, bool is_udp) {
  Traffic traffic(is_v4, is_udp);
  for (auto _ : state) {
    traffic.split();
    benchmark::ClobberMemory();
  }
  report(state, kPackets);
}

void split_single(benchmark::State& state) {
  Traffic traffic;
  traffic.split();
  const VnetHeader header = {.flags = kNeedsChecksum, .checksum_start = 20, .checksum_offset = 16};
  Bytes out(kPacket);
  for (auto _ : state) {
    const ByteSpan packet = traffic.packet_at(0);
    const std::optional<SplitPlan> plan = plan_split(header, packet);
    write_segment(*plan, packet, 0, out.data());
    benchmark::ClobberMemory();
  }
  report(state, 1);
}

void parse(benchmark::State& state, bool is_v4) {
  Traffic traffic(is_v4);
  traffic.split();
  for (auto _ : state) {
    for (std::size_t i = 0; i < kPackets; ++i)
      benchmark::DoNotOptimize(parse_inner(ByteView(traffic.cut).subspan(i * kSlot, kSlot)));
  }
  report(state, kPackets);
}

void hash(benchmark::State& state, bool is_v4) {
  Traffic traffic(is_v4);
  const std::optional<InnerPacket> inner = parse_inner(traffic.whole);
  for (auto _ : state)
    benchmark::DoNotOptimize(inner->flow_hash(7));
  report(state, 1);
}

// Flushed super-packets have edited headers, so each batch is made anew outside of the clock's
// reach: the header of the first packet is put back.
void coalesce(benchmark::State& state, bool is_v4, bool is_udp, bool is_one_flow) {
  Traffic traffic(is_v4, is_udp);
  traffic.split();
  if (!is_one_flow) {
    for (std::size_t i = 0; i < kPackets; ++i) {
      std::uint8_t* ports = traffic.cut.data() + i * kSlot + (is_v4 ? 20 : 40);
      ports[0] = static_cast<std::uint8_t>(i);
    }
  }
  const Bytes head(traffic.cut.begin(), traffic.cut.begin() + 80);
  Coalescer coalescer({.tcp = true, .udp = true}, 3);
  std::size_t writes = 0;
  for (auto _ : state) {
    std::memcpy(traffic.cut.data(), head.data(), head.size());
    for (std::size_t i = 0; i < kPackets; ++i) {
      const ByteSpan slot = ByteSpan(traffic.cut).subspan(i * kSlot, kSlot);
      coalescer.add(slot, *parse_inner(slot));
    }
    writes = 0;
    coalescer.flush([&](const TunWrite& write) {
      benchmark::DoNotOptimize(write.parts.data());
      ++writes;
    });
  }
  VERIFY(writes == (is_one_flow ? 1 : kPackets));
  report(state, kPackets);
}

void queue(benchmark::State& state, std::uint32_t owners, bool is_full) {
  FairQueue<std::uint32_t> queue({.items = 1'024, .bytes = 64U << 20});
  std::uint32_t number = 0;
  const auto push = [&] {
    const std::uint32_t n = number++;
    queue.push({n % owners, n * 7, 1'420, n, MonoTime()}, [](const auto&) {});
  };
  for (std::uint32_t i = 0; i < (is_full ? 1'024U : 64U); ++i)
    push();
  for (auto _ : state) {
    push();
    if (!is_full) benchmark::DoNotOptimize(queue.pop(MonoTime(Duration(number))));
  }
  report(state, 1);
}

void register_kernel(const ChecksumKernel* kernel) {
  const std::string name = kernel->name;
  benchmark::RegisterBenchmark(("copy/1420 bytes/sum, " + name).c_str(), copy_and_sum_by, kernel);
  benchmark::RegisterBenchmark(("sum/1420 bytes/" + name).c_str(), sum_by, kernel, kPacket);
  benchmark::RegisterBenchmark(("sum/64 bytes/" + name).c_str(), sum_by, kernel, 64);
}

bool register_all() {
  using benchmark::RegisterBenchmark;
  RegisterBenchmark("copy/1420 bytes/memcpy", copy_by_memcpy);
  register_kernel(&kPortableChecksum);
  if (&best_checksum_kernel() != &kPortableChecksum) register_kernel(&best_checksum_kernel());
  RegisterBenchmark("parse/IPv4/parse_inner", parse, true);
  RegisterBenchmark("parse/IPv6/parse_inner", parse, false);
  RegisterBenchmark("parse/IPv4/flow_hash", hash, true);
  RegisterBenchmark("parse/IPv6/flow_hash", hash, false);
  RegisterBenchmark("split/46 x 1420 bytes/TCP over IPv4", split_super_packet, true, false);
  RegisterBenchmark("split/46 x 1420 bytes/TCP over IPv6", split_super_packet, false, false);
  RegisterBenchmark("split/46 x 1420 bytes/UDP over IPv4", split_super_packet, true, true);
  RegisterBenchmark("split/1 x 1420 bytes/checksum", split_single);
  for (const bool is_one : {true, false}) {
    const std::string row = is_one ? "coalesce/46 of one flow/" : "coalesce/46 flows/";
    RegisterBenchmark((row + "TCP over IPv4").c_str(), coalesce, true, false, is_one);
    RegisterBenchmark((row + "TCP over IPv6").c_str(), coalesce, false, false, is_one);
    RegisterBenchmark((row + "UDP over IPv4").c_str(), coalesce, true, true, is_one);
  }
  RegisterBenchmark("queue/push and pop/one owner", queue, 1U, false);
  RegisterBenchmark("queue/push and pop/100 owners", queue, 100U, false);
  RegisterBenchmark("queue/push when full/one owner", queue, 1U, true);
  RegisterBenchmark("queue/push when full/100 owners", queue, 100U, true);
  return true;
}

const bool is_registered = register_all();

}  // namespace
