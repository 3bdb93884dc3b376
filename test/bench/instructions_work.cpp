// instructions_work: fixed pieces of the packet path, to be counted by valgrind (instructions.py).
//
//   instructions_work --list             the workloads this machine can run, one a line
//   instructions_work --compiler         what compiled it
//   instructions_work WORKLOAD ROUNDS    that many rounds of kBatch packets of kPacketSize bytes
//
// A workload is a class: what its constructor does is set-up and not counted, because the counter
// takes the difference of two lengths; round() is what counts. Nothing here depends on time, chance
// or addresses, so a count repeats to a few instructions. AVX-512 is left out: valgrind does not
// know it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/verify.h"
#include "crypto/aead.h"
#include "crypto/aead_kernel.h"
#include "packet/coalesce.h"
#include "packet/inner.h"
#include "packet/split.h"
#include "packet/vnet.h"

namespace {

using namespace sinew;

constexpr std::size_t kBatch = 32;          // packets; instructions.py knows it too
constexpr std::size_t kPacketSize = 1'420;  // bytes of a full inner packet
constexpr std::uint32_t kMostRounds = 1'000'000;
constexpr std::array<std::uint8_t, crypto::kAeadKeySize> kKey = {1, 2, 3, 4, 5, 6, 7, 8};

crypto::AeadCipher make_cipher(const crypto::AeadKernel& kernel) {
  return {crypto::AeadKey(std::span<const std::uint8_t, crypto::kAeadKeySize>(kKey)), kernel};
}

// Packets that are sealed in place, as in the arena of the packet path.
class Seal {
 public:
  explicit Seal(const crypto::AeadKernel& kernel)
      : cipher_(make_cipher(kernel)), memory_(kBatch * kStride, 0x5a) {}

  void round() {
    std::array<crypto::SealItem, kBatch> items;
    for (std::size_t i = 0; i < kBatch; ++i) {
      const ByteSpan sealed = ByteSpan(memory_).subspan(i * kStride, kStride);
      items[i] = {counter_++, sealed.first(kPacketSize), sealed};
    }
    cipher_.seal_batch(items);
  }

 private:
  static constexpr std::size_t kStride = kPacketSize + crypto::kAeadTagSize;
  crypto::AeadCipher cipher_;
  Bytes memory_;
  std::uint64_t counter_ = 0;
};

// The same packets again and again, opened beside what was received.
class Open {
 public:
  explicit Open(const crypto::AeadKernel& kernel)
      : cipher_(make_cipher(kernel)),
        sealed_(kBatch * kStride),
        plain_(kBatch * kPacketSize, 0x5a) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      const ByteSpan sealed = ByteSpan(sealed_).subspan(i * kStride, kStride);
      const ByteSpan plain = ByteSpan(plain_).subspan(i * kPacketSize, kPacketSize);
      const crypto::SealItem item = {i, plain, sealed};
      cipher_.seal_batch({&item, 1});
      items_[i] = {i, sealed, plain};
    }
  }

  void round() { VERIFY(cipher_.open_batch(items_) == kBatch); }

 private:
  static constexpr std::size_t kStride = kPacketSize + crypto::kAeadTagSize;
  crypto::AeadCipher cipher_;
  Bytes sealed_;
  Bytes plain_;
  std::array<crypto::OpenItem, kBatch> items_{};
};

// A super-packet of TCP over IPv4 with time stamps, as a TUN queue hands it out, and its parts.
class SuperPacket {
 public:
  static constexpr std::size_t kHeaders = 20 + 32;
  static constexpr std::size_t kPayload = kPacketSize - kHeaders;

  SuperPacket() : bytes_(kHeaders + kBatch * kPayload, 0x5a), parts_(kBatch * kPacketSize) {
    ByteWriter writer{ByteSpan(bytes_)};
    writer.be<std::uint16_t>(0x4500);
    writer.be(static_cast<std::uint16_t>(bytes_.size()));
    writer.be<std::uint32_t>(0x1234'4000);  // id; do not fragment
    writer.be<std::uint32_t>(0x4006'0000);  // time to live, TCP, checksum
    writer.be<std::uint32_t>(0x0a63'0001);
    writer.be<std::uint32_t>(0x0a63'0002);
    writer.be<std::uint32_t>(0xc000'1451);  // ports
    writer.be<std::uint32_t>(1);            // sequence
    writer.be<std::uint32_t>(1);            // acknowledgement
    writer.be<std::uint32_t>(0x8010'ffff);  // eight words of header, ACK, window
    writer.be<std::uint32_t>(0);            // checksum, urgent
    writer.be<std::uint32_t>(0x0101'080a);  // time stamps
    writer.be<std::uint64_t>(1);
  }

  void split() {
    const auto plan = packet::plan_split(kHeader, bytes_);
    VERIFY(plan && plan->segment_count == kBatch);
    for (std::size_t i = 0; i < kBatch; ++i)
      packet::write_segment(*plan, bytes_, i, part(i).data());
  }
  ByteSpan part(std::size_t index) {
    return ByteSpan(parts_).subspan(index * kPacketSize, kPacketSize);
  }

 private:
  static constexpr packet::VnetHeader kHeader = {.flags = packet::kNeedsChecksum,
                                                 .gso_type = packet::kGsoTcp4,
                                                 .header_length = kHeaders,
                                                 .gso_size = kPayload,
                                                 .checksum_start = 20,
                                                 .checksum_offset = 16};
  Bytes bytes_;
  Bytes parts_;
};

class Split {
 public:
  void round() { packet_.split(); }

 private:
  SuperPacket packet_;
};

// The packets of Split, put together again.
class Coalesce {
 public:
  Coalesce() : coalescer_(packet::TunOffloads{}) {
    packet_.split();
    std::ranges::copy(packet_.part(0), first_.begin());
  }

  void round() {
    // Headers are edited where the first packet lies.
    std::ranges::copy(std::span(first_).first(SuperPacket::kHeaders), packet_.part(0).begin());
    for (std::size_t i = 0; i < kBatch; ++i) {
      const auto inner = packet::parse_inner(packet_.part(i));
      VERIFY(inner);
      coalescer_.add(packet_.part(i), *inner);
    }
    std::size_t writes = 0;
    coalescer_.flush([&](const packet::TunWrite& write) {
      VERIFY(write.parts.size() >= kBatch);
      ++writes;
    });
    VERIFY(writes == 1);
  }

 private:
  SuperPacket packet_;
  std::array<std::uint8_t, kPacketSize> first_{};
  packet::Coalescer coalescer_;
};

const crypto::AeadKernel* kernel_named(std::string_view name) {
  for (const crypto::AeadKernel* kernel : crypto::AeadCipher::supported_kernels())
    if (crypto::name_of(*kernel) == name) return kernel;
  return nullptr;
}

template <typename Work, typename... Arguments>
void repeat(std::uint32_t rounds, const Arguments&... arguments) {
  Work work(arguments...);
  for (std::uint32_t i = 0; i < rounds; ++i)
    work.round();
}

template <typename Work>
void repeat_on(std::string_view kernel, std::uint32_t rounds) {
  repeat<Work>(rounds, *kernel_named(kernel));
}

// A further piece of the packet path is a class like those above and a line here.
struct Workload {
  std::string_view name;
  std::string_view kernel;  // that it needs, or that goes with what it needs
  void (*run)(std::uint32_t rounds);
};
constexpr Workload kWorkloads[] = {
    {"seal, portable", "portable", [](std::uint32_t n) { repeat_on<Seal>("portable", n); }},
    {"open, portable", "portable", [](std::uint32_t n) { repeat_on<Open>("portable", n); }},
    {"seal, AVX2", "avx2", [](std::uint32_t n) { repeat_on<Seal>("avx2", n); }},
    {"open, AVX2", "avx2", [](std::uint32_t n) { repeat_on<Open>("avx2", n); }},
    {"split, AVX2", "avx2", [](std::uint32_t n) { repeat<Split>(n); }},
    {"coalesce, AVX2", "avx2", [](std::uint32_t n) { repeat<Coalesce>(n); }},
};

bool is_possible(const Workload& work) {
  return kernel_named(work.kernel) != nullptr;
}

int list() {
  for (const Workload& work : kWorkloads)
    if (is_possible(work)) fmt::print("{}\n", work.name);
  return 0;
}

int run(std::string_view name, std::string_view rounds) {
  const auto count = parse_decimal(rounds, kMostRounds);
  for (const Workload& work : kWorkloads) {
    if (work.name != name || !is_possible(work) || !count) continue;
    work.run(*count);
    return 0;
  }
  fmt::print(stderr, "instructions_work: no such workload here: {} {}\n", name, rounds);
  return 2;
}

}  // namespace

int main(int count, char** words) {
  if (count == 2 && std::string_view(words[1]) == "--list") return list();
  if (count == 2 && std::string_view(words[1]) == "--compiler") {
    fmt::print("clang {}\n", __clang_major__);
    return 0;
  }
  if (count == 3) return run(words[1], words[2]);
  fmt::print(stderr, "usage: instructions_work --list | --compiler | WORKLOAD ROUNDS\n");
  return 2;
}
