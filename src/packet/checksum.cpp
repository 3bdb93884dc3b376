#include "packet/checksum.h"

#include "packet/checksum_kernel.h"

namespace sinew::packet {
namespace {

const ChecksumKernel& find_best() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return kAvx2Checksum;
#endif
  return kPortableChecksum;
}

}  // namespace

const ChecksumKernel& best_checksum_kernel() {
  static const ChecksumKernel& best = find_best();
  return best;
}

PartialSum sum_of(ByteView bytes) {
  return best_checksum_kernel().sum(bytes.data(), bytes.size());
}

PartialSum copy_and_sum(std::uint8_t* to, ByteView from) {
  return best_checksum_kernel().copy_and_sum(to, from.data(), from.size());
}

}  // namespace sinew::packet
