// What a message costs besides the system call: send() and receive() of trains and of single
// datagrams over loopback, against bare sendmmsg(2) and recvmmsg(2) of messages prepared once, in
// the same run.
#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/verify.h"
#include "udp/control.h"
#include "udp/socket_name.h"
#include "udp/udp_port.h"

namespace {

using namespace sinew;
using namespace sinew::udp;

constexpr std::size_t kBatch = 32;
constexpr IpAddress kLoopback = IpAddress::v4(127, 0, 0, 1);

UdpPort open_port() {
  auto port = UdpPort::open({.address = IpAddress::any_v4(), .port = 0});
  VERIFY(port.has_value());
  return *std::move(port);
}

struct Setup {
  explicit Setup(std::size_t bytes_each) : bytes(bytes_each, 0x5a) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      outgoing.push_back(
          {.to = &target, .local = kLoopback, .ds = 1, .segment_size = 1452, .bytes = bytes});
    }
  }

  void drain(benchmark::State& state) {
    state.PauseTiming();
    while (!to.receive(ring)->empty()) {
    }
    state.ResumeTiming();
  }
  void report(benchmark::State& state) const {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
  }

  UdpPort from = open_port();
  UdpPort to = open_port();
  Endpoint target{.address = kLoopback, .port = to.port()};
  Bytes bytes;
  std::vector<Outgoing> outgoing;
  ReceiveRing ring{{.messages = kBatch}};
};

void ours_send(benchmark::State& state) {
  Setup setup(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(setup.from.send(setup.outgoing));
    setup.drain(state);
  }
  setup.report(state);
}

struct Prepared {
  SocketName name;
  iovec memory;
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> control;
};

void bare_send(benchmark::State& state) {
  Setup setup(static_cast<std::size_t>(state.range(0)));
  std::vector<Prepared> prepared(kBatch);
  std::vector<mmsghdr> headers(kBatch);
  for (std::size_t i = 0; i < kBatch; ++i) {
    ControlWriter control(prepared[i].control);
    if (setup.bytes.size() > 1452) control.put(SOL_UDP, kUdpSegment, std::uint16_t{1452});
    control.put(IPPROTO_IP, IP_PKTINFO,
                in_pktinfo{.ipi_ifindex = 0, .ipi_spec_dst = {htonl(0x7f000001)}, .ipi_addr = {}});
    control.put(IPPROTO_IP, IP_TOS, 1);
    prepared[i].memory = {setup.bytes.data(), setup.bytes.size()};
    headers[i].msg_hdr.msg_name = &prepared[i].name;
    headers[i].msg_hdr.msg_namelen = write_name(prepared[i].name, setup.target);
    headers[i].msg_hdr.msg_iov = &prepared[i].memory;
    headers[i].msg_hdr.msg_iovlen = 1;
    headers[i].msg_hdr.msg_control = prepared[i].control.data();
    headers[i].msg_hdr.msg_controllen = control.size();
  }
  for (auto _ : state) {
    VERIFY(::sendmmsg(setup.from.fd().get(), headers.data(), kBatch, 0) == kBatch);
    setup.drain(state);
  }
  setup.report(state);
}

template <typename Receive>
void measure_receive(benchmark::State& state, Receive receive) {
  Setup setup(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    state.PauseTiming();
    VERIFY(setup.from.send(setup.outgoing).taken == kBatch);
    state.ResumeTiming();
    receive(setup);
  }
  setup.report(state);
}

void ours_receive(benchmark::State& state) {
  measure_receive(state,
                  [](Setup& setup) { VERIFY(setup.to.receive(setup.ring)->size() == kBatch); });
}

void bare_receive(benchmark::State& state) {
  Bytes memory(kBatch * 65'536);
  std::vector<Prepared> prepared(kBatch);
  std::vector<mmsghdr> headers(kBatch);
  measure_receive(state, [&](Setup& setup) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      prepared[i].memory = {memory.data() + i * 65'536, 65'536};
      headers[i].msg_hdr = {};
      headers[i].msg_hdr.msg_name = &prepared[i].name;
      headers[i].msg_hdr.msg_namelen = sizeof(SocketName);
      headers[i].msg_hdr.msg_iov = &prepared[i].memory;
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_control = prepared[i].control.data();
      headers[i].msg_hdr.msg_controllen = kControlBytes;
    }
    VERIFY(::recvmmsg(setup.to.fd().get(), headers.data(), kBatch, 0, nullptr) == kBatch);
  });
}

int register_all() {
  for (const std::int64_t size : {64, 14'520}) {
    const std::string column = size == 64 ? "/one of 64 B/" : "/10 x 1452 B/";
    const auto add = [&](const std::string& name, void (*function)(benchmark::State&)) {
      benchmark::RegisterBenchmark(name.c_str(), function)->Arg(size);
    };
    add("udp send" + column + "bare", bare_send);
    add("udp send" + column + "ours", ours_send);
    add("udp receive" + column + "bare", bare_receive);
    add("udp receive" + column + "ours", ours_receive);
  }
  return 0;
}
const int registered = register_all();

}  // namespace
