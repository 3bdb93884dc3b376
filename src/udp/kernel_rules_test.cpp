#include "udp/kernel_rules.h"

#include <doctest/doctest.h>

using namespace sinew::udp;

TEST_CASE("kernel release is read as far as it goes") {
  CHECK(parse_kernel_release("6.12.3-amd64") == KernelVersion{6, 12, 3});
  CHECK(parse_kernel_release("6.12") == KernelVersion{6, 12, 0});
  CHECK(parse_kernel_release("7.0.0-rc1") == KernelVersion{7, 0, 0});
  CHECK(parse_kernel_release("7.0-rc1") == KernelVersion{7, 0, 0});
  CHECK(parse_kernel_release("5.15.0.12-generic") == KernelVersion{5, 15, 0});
  CHECK(parse_kernel_release("99999999999.1") == KernelVersion{});
  CHECK(parse_kernel_release("") == KernelVersion{});
  CHECK(running_kernel() > KernelVersion{3, 0, 0});
}

TEST_CASE("datagrams are not coalesced by kernels before 5.12") {
  CHECK_FALSE(has_sound_coalescing({5, 11, 999}));
  CHECK(has_sound_coalescing({5, 12, 0}));
  CHECK(has_sound_coalescing({6, 1, 0}));
}

TEST_CASE("trains are not left to kernels from 7.0 to 7.1.4") {
  CHECK(has_sound_segmentation({6, 99, 9}));
  CHECK_FALSE(has_sound_segmentation({7, 0, 0}));
  CHECK_FALSE(has_sound_segmentation({7, 1, 4}));
  CHECK(has_sound_segmentation({7, 1, 5}));
}
