#include "packet/checksum.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/rng.h"
#include "packet/checksum_kernel.h"
#include "support/hex.h"
#include "support/packets.h"

namespace sinew::packet {
namespace {

using test::naive_sum;

// As it would stand in a header.
std::uint16_t in_network_order(std::uint16_t folded) {
  return static_cast<std::uint16_t>(sum_of_u16(folded));
}

std::vector<const ChecksumKernel*> supported_kernels() {
  std::vector<const ChecksumKernel*> kernels = {&kPortableChecksum};
  if (&best_checksum_kernel() != &kPortableChecksum) kernels.push_back(&best_checksum_kernel());
  return kernels;
}

template <typename Test>
void on_every_kernel(Test test) {
  for (const ChecksumKernel* kernel : supported_kernels()) {
    CAPTURE(kernel->name);
    test(*kernel);
  }
}

// Nothing around the place that was written to has changed.
bool is_untouched_around(ByteView room, std::size_t at, std::size_t size) {
  const auto is_mark = [](std::uint8_t byte) { return byte == 0xee; };
  return std::ranges::all_of(room.first(at), is_mark) &&
         std::ranges::all_of(room.subspan(at + size), is_mark);
}

void check_against_naive(const ChecksumKernel& kernel, ByteView bytes, std::size_t to_alignment) {
  const std::uint16_t expected = naive_sum(bytes);
  REQUIRE(in_network_order(fold(kernel.sum(bytes.data(), bytes.size()))) == expected);
  Bytes room(bytes.size() + 64, 0xee);
  std::uint8_t* to = room.data() + to_alignment;
  REQUIRE(in_network_order(fold(kernel.copy_and_sum(to, bytes.data(), bytes.size()))) == expected);
  REQUIRE(std::ranges::equal(bytes, ByteView(to, bytes.size())));
  REQUIRE(is_untouched_around(room, to_alignment, bytes.size()));
}

TEST_CASE("the checksum of the example of RFC 1071") {
  const Bytes bytes = test::unhex("0001f203f4f5f6f7");
  CHECK(naive_sum(bytes) == 0xddf2);
  on_every_kernel([&](const ChecksumKernel& kernel) {
    CHECK(in_network_order(fold(kernel.sum(bytes.data(), bytes.size()))) == 0xddf2);
  });
}

TEST_CASE("every kernel sums and copies as a naive one does at all alignments and sizes") {
  SeededRng rng(1);
  Bytes bytes(700);
  rng.fill(bytes);
  on_every_kernel([&](const ChecksumKernel& kernel) {
    for (std::size_t from = 0; from < 33; from += 3) {
      for (std::size_t size = 0; size < 300; ++size)
        check_against_naive(kernel, ByteView(bytes).subspan(from, size), (from * 7 + size) % 33);
    }
  });
}

TEST_CASE("every kernel brings carries round where they are at their worst") {
  on_every_kernel([](const ChecksumKernel& kernel) {
    for (const std::size_t size : {1U, 31U, 32U, 1'380U, 65'534U, 65'535U}) {
      check_against_naive(kernel, Bytes(size, 0xff), 0);
      check_against_naive(kernel, Bytes(size, 0x80), 1);
      check_against_naive(kernel, Bytes(size, 0x00), 2);
    }
  });
}

TEST_CASE("a sum does not depend on where it is cut") {
  SeededRng rng(2);
  Bytes bytes(1'421);
  rng.fill(bytes);
  const ByteView all(bytes);
  for (std::size_t cut = 0; cut < bytes.size(); cut += 2)
    REQUIRE(fold(sum_of(all.first(cut)) + sum_of(all.subspan(cut))) == fold(sum_of(all)));
}

TEST_CASE("a checksum that was put makes the sum valid, and one bit makes it invalid") {
  SeededRng rng(3);
  for (int round = 0; round < 200; ++round) {
    Bytes bytes(20 + rng.below(100));
    rng.fill(bytes);
    std::fill_n(bytes.begin() + 10, 2, std::uint8_t{0});
    put_checksum(bytes.data() + 10, sum_of(bytes));
    REQUIRE(is_valid_sum(sum_of(bytes)));
    bytes[rng.below(bytes.size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));
    REQUIRE_FALSE(is_valid_sum(sum_of(bytes)));
  }
}

TEST_CASE("a UDP checksum is never zero, because zero means there is none") {
  std::array<std::uint8_t, 2> field{};
  put_udp_checksum(field.data(), 0xffff);
  CHECK(field == std::array<std::uint8_t, 2>{0xff, 0xff});
  put_checksum(field.data(), 0xffff);
  CHECK(field == std::array<std::uint8_t, 2>{0, 0});
}

TEST_CASE("a header sum takes numbers as they stand in the header") {
  const Bytes header = test::unhex("450000731234400040110000c0a80001c0a800c7");
  CHECK(fold(sum_of_words(header.data(), header.size())) == fold(sum_of(header)));
  CHECK(fold(sum_of_u16(0x4500) + sum_of_u16(0x0073)) == fold(sum_of_words(header.data(), 4)));
  CHECK(fold(sum_of_u32(0x4500'0073)) == fold(sum_of_words(header.data(), 4)));
  const Bytes pseudo = test::unhex("c0a80001c0a800c70011");
  CHECK(fold(pseudo_header_sum(header.data() + 12, 4, 17)) == fold(sum_of(pseudo)));
}

}  // namespace
}  // namespace sinew::packet
