// What a vector unit has to offer to packet/checksum.h: one entry per kernel, chosen once at run
// time. Internal to the checksum.
//
// One of the kernels is compiled for processors that the rest of the program must not ask for. So
// this header holds plain types only: an inline function here could be emitted by that kernel's
// file and then be linked in everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sinew::packet {

struct ChecksumKernel {
  const char* name;
  // Partial sums as checksum.h defines them, of any size at any alignment.
  std::uint64_t (*sum)(const std::uint8_t* from, std::size_t size);
  std::uint64_t (*copy_and_sum)(std::uint8_t* to, const std::uint8_t* from, std::size_t size);
};

extern const ChecksumKernel kPortableChecksum;
#if defined(__x86_64__)
extern const ChecksumKernel kAvx2Checksum;
#endif

// The fastest one that this machine can run.
const ChecksumKernel& best_checksum_kernel();

}  // namespace sinew::packet
