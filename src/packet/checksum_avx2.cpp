// The kernel for x86-64 with AVX2: 256-bit vectors.
#if defined(__x86_64__)
#include "packet/checksum_engine.h"

namespace sinew::packet {

const ChecksumKernel kAvx2Checksum = {.name = "avx2",
                                      .sum = ChecksumEngine<32>::sum,
                                      .copy_and_sum = ChecksumEngine<32>::copy_and_sum};

}  // namespace sinew::packet
#endif
