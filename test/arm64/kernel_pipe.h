// What a test sends to aead_arm64_main.cpp and gets back, both without end marks. Numbers are
// little endian; both processors are.
//
//   call    u8 verb, 32 bytes key, u8 is_in_place, u32 size and bytes of the additional data,
//           u8 job count, and for each job: 12 bytes nonce, u32 size and bytes of the input
//   answer  for each job: u8 is_authentic and the output buffer as it is then
//
// The output buffer is filled with kUntouched before the call, or with the input when in place.
// kAuthenticate knows no nonce and answers the tag.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sinew::test {

enum class KernelVerb : std::uint8_t { kSeal = 1, kOpen = 2, kAuthenticate = 3 };

inline constexpr std::size_t kPipeKeySize = 32;
inline constexpr std::size_t kPipeNonceSize = 12;
inline constexpr std::size_t kPipeTagSize = 16;
inline constexpr std::uint8_t kUntouched = 0xee;

}  // namespace sinew::test
