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
  const std::uint8_t* input;  // sealing: `size` bytes; opening: those, encrypted, and the tag
  std::uint8_t* output;       // the other one; equal to `input` or not overlapping it
  std::size_t size;           // of the plaintext
  std::uint32_t nonce[3];
  bool is_authentic;  // opening: the verdict; `output` is written only if true
};

// Data that is authenticated with a message and not sent with it.
struct AeadData {
  const std::uint8_t* data;
  std::size_t size;
};

// What Poly1305 runs over: `aad` and `data`, each padded with zeros to whole blocks, and a block
// with both sizes.
struct PolyMessage {
  const std::uint8_t* key;  // 32 bytes, for this message alone
  const std::uint8_t* aad;
  std::size_t aad_size;
  const std::uint8_t* data;
  std::size_t size;
  std::uint8_t tag[16];
};

struct AeadKernel {
  const char* name;
  std::size_t max_jobs;  // most jobs a call may hold
  // `aad` goes with every job of the call.
  void (*seal)(const std::uint8_t* key, AeadData aad, AeadJob* jobs, std::size_t count);
  void (*open)(const std::uint8_t* key, AeadData aad, AeadJob* jobs, std::size_t count);
  // The tags alone: the tests feed it keys that no cipher would give, where carries are at their
  // worst.
  void (*authenticate)(PolyMessage* messages, std::size_t count);
};

extern const AeadKernel kPortableKernel;
#if defined(__x86_64__)
extern const AeadKernel kAvx2Kernel;
extern const AeadKernel kAvx512Kernel;
#endif

}  // namespace sinew::crypto
