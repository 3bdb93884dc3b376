// The kernel for any processor: 128-bit vectors, which x86-64 and arm64 always have.
#include "packet/checksum_engine.h"

namespace sinew::packet {

const ChecksumKernel kPortableChecksum = {.name = "portable",
                                          .sum = ChecksumEngine<16>::sum,
                                          .copy_and_sum = ChecksumEngine<16>::copy_and_sum};

}  // namespace sinew::packet
