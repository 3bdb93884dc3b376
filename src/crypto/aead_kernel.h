// What a vector unit has to offer to crypto/aead.h: one entry per kernel, chosen once at run time.
// Internal to the AEAD.
//
// The kernels are compiled for processors that the rest of the program must not ask for. So this
// header holds plain types only: an inline function here could be emitted by a kernel's file and
// then be linked in everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sinew::crypto {

struct AeadJob {
  std::uint32_t nonce[3];
  const std::uint8_t* aad;
  std::size_t aad_size;
  const std::uint8_t* input;         // plaintext to seal, ciphertext to open
  std::uint8_t* output;              // the other one; equal to `input` or not overlapping it
  std::size_t size;                  // of the plaintext, and so of the ciphertext
  const std::uint8_t* expected_tag;  // opening: the 16 bytes that came with the ciphertext
  std::uint8_t* tag;                 // sealing: where the 16 bytes go
  bool is_authentic;                 // opening: the verdict; `output` is written only if true
};

struct AeadKernel {
  const char* name;
  std::size_t max_jobs;  // most jobs a call may hold
  void (*seal)(const std::uint32_t* key, AeadJob* jobs, std::size_t count);
  void (*open)(const std::uint32_t* key, AeadJob* jobs, std::size_t count);
};

extern const AeadKernel kPortableKernel;
#if defined(__x86_64__)
extern const AeadKernel kAvx2Kernel;
extern const AeadKernel kAvx512Kernel;
#endif

}  // namespace sinew::crypto
