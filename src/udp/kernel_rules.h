// Which kernels do batching of UDP rightly: some have a call and a bug behind it, which cannot be
// found out by asking. Pure.
#pragma once

#include <compare>
#include <string_view>

namespace sinew::udp {

struct KernelVersion {
  unsigned series = 0;  // 6 of 6.12.3
  unsigned minor_number = 0;
  unsigned patch = 0;

  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};

// Of a release as uname(2) tells it, "6.12.3-amd64" or "7.0.0-rc1". What is missing is 0.
KernelVersion parse_kernel_release(std::string_view release);
KernelVersion running_kernel();

// UDP_GRO loses and mixes up datagrams before 5.12.
bool has_sound_coalescing(const KernelVersion& version);

// From 7.0 to 7.1.4 the last of a train of datagrams that are all of one size comes out mangled.
bool has_sound_segmentation(const KernelVersion& version);

}  // namespace sinew::udp
