// ChaCha20-Poly1305 (RFC 8439 section 2.8) on a batch of jobs under one key, over a vector kernel.
// One algorithm serves every batch size, one included:
//
//   1. The first pass computes block 0 of every job, which holds its Poly1305 key, and fills the
//   lanes left over with
//      data blocks.
//   2. Further passes take the data blocks of all jobs in a row, so that no lane idles where a
//   packet ends.
//   3. Poly1305 runs over all jobs together.
//
// Sealing does 1, 2, 3. Opening does 1, 3, and 2 for the authentic jobs alone: nothing else is ever
// decrypted.
//
// A Kernel is a type without state:
//   kLanes                                         blocks in a full pass, and the most jobs in a
//   call keystream(key, runs, run_count, lanes, out)    the blocks of `lanes` lanes; may write up
//   to kLanes blocks xor_bytes(out, in, keystream, size)            out == in is allowed
//   authenticate(messages, count)                  Poly1305 of each message
//
// Like chacha20_lanes.h, everything here has internal linkage.
#pragma once

#include "crypto/aead_kernel.h"
#include "crypto/chacha20_lanes.h"
#include "crypto/poly1305.h"

namespace sinew::crypto {
namespace {

template <typename Kernel>
class AeadEngine {
 public:
  static void seal(const std::uint8_t* key, AeadData aad, AeadJob* jobs, std::size_t count) {
    [[clang::uninitialized]] AeadEngine engine(key, jobs, count);
    engine.first_pass();
    engine.apply_keystream();
    engine.data_passes();
    engine.authenticate(aad, [](const AeadJob& job) -> const std::uint8_t* { return job.output; });
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(jobs[i].output + jobs[i].size, engine.messages_[i].tag, kPolyTagSize);
    }
  }

  static void open(const std::uint8_t* key, AeadData aad, AeadJob* jobs, std::size_t count) {
    [[clang::uninitialized]] AeadEngine engine(key, jobs, count);
    engine.first_pass();
    engine.authenticate(aad, [](const AeadJob& job) { return job.input; });
    for (std::size_t i = 0; i < count; ++i) {
      jobs[i].is_authentic = is_equal_tag(engine.messages_[i].tag, jobs[i].input + jobs[i].size);
    }
    engine.apply_keystream();
    engine.data_passes();
  }

 private:
  // A place in the data: byte `offset` of job `job`.
  struct Place {
    std::size_t job = 0;
    std::size_t offset = 0;
  };
  // The bytes that the keystream of a run is for.
  struct Span {
    std::size_t job;
    std::size_t offset;
    std::size_t size;
  };

  AeadEngine(const std::uint8_t* key, AeadJob* jobs, std::size_t count)
      : key_(key), jobs_(jobs), count_(count) {
    for (std::size_t i = 0; i < count; ++i)
      jobs[i].is_authentic = true;
  }
  ~AeadEngine() {
    wipe_memory(keystream_, most_lanes_ * kChaChaBlockSize);
    wipe_memory(poly_keys_, count_ * kPolyKeySize);
  }
  AeadEngine(const AeadEngine&) = delete;

  // Step 1. The runs of the Poly1305 keys have no bytes; those of the data blocks stay for
  // apply_keystream().
  void first_pass() {
    for (std::size_t i = 0; i < count_; ++i) {
      runs_[i] = {.lane = static_cast<std::uint32_t>(i), .counter = 0, .nonce = jobs_[i].nonce};
      spans_[i] = {.job = i, .offset = 0, .size = 0};
    }
    run_count_ = count_;
    compute_keystream(fill_lanes(count_));
    for (std::size_t i = 0; i < count_; ++i) {
      std::memcpy(poly_keys_[i], keystream_ + i * kChaChaBlockSize, kPolyKeySize);
    }
  }

  // Step 2.
  void data_passes() {
    while (true) {
      run_count_ = 0;
      const std::size_t lanes = fill_lanes(0);
      if (lanes == 0) return;
      compute_keystream(lanes);
      apply_keystream();
    }
  }

  // Step 3.
  template <typename CiphertextOf>
  void authenticate(AeadData aad, CiphertextOf ciphertext_of) {
    for (std::size_t i = 0; i < count_; ++i) {
      PolyMessage& message = messages_[i];
      message.key = poly_keys_[i];
      message.aad = aad.data;
      message.aad_size = aad.size;
      message.data = ciphertext_of(jobs_[i]);
      message.size = jobs_[i].size;
    }
    Kernel::authenticate(messages_, count_);
  }

  // Gives the next data blocks to the lanes behind the first `used` ones, as runs. Returns how many
  // lanes are in use then. Jobs that are known not to be authentic are passed over.
  std::size_t fill_lanes(std::size_t used) {
    while (next_.job < count_ && used < Kernel::kLanes) {
      const AeadJob& job = jobs_[next_.job];
      if (!job.is_authentic || next_.offset >= job.size) {
        next_ = {.job = next_.job + 1, .offset = 0};
        continue;
      }
      const std::size_t blocks = min(blocks_in(job.size - next_.offset), Kernel::kLanes - used);
      const std::size_t size = min(job.size - next_.offset, blocks * kChaChaBlockSize);
      runs_[run_count_] = {
          .lane = static_cast<std::uint32_t>(used),
          .counter = static_cast<std::uint32_t>(1 + next_.offset / kChaChaBlockSize),
          .nonce = job.nonce};
      spans_[run_count_] = {.job = next_.job, .offset = next_.offset, .size = size};
      ++run_count_;
      used += blocks;
      next_.offset += size;
    }
    return used;
  }

  void compute_keystream(std::size_t lanes) {
    Kernel::keystream(key_, runs_, run_count_, lanes, keystream_);
    if (lanes > most_lanes_) most_lanes_ = lanes;
  }

  // Encrypts or decrypts the bytes of the last pass, but for jobs found not to be authentic since.
  void apply_keystream() {
    for (std::size_t i = 0; i < run_count_; ++i) {
      const Span& span = spans_[i];
      const AeadJob& job = jobs_[span.job];
      if (!job.is_authentic || span.size == 0) continue;
      Kernel::xor_bytes(job.output + span.offset, job.input + span.offset,
                        keystream_ + runs_[i].lane * kChaChaBlockSize, span.size);
    }
  }

  static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }
  static std::size_t blocks_in(std::size_t bytes) {
    return (bytes + kChaChaBlockSize - 1) / kChaChaBlockSize;
  }
  static bool is_equal_tag(const std::uint8_t* a, const std::uint8_t* b) {
    return ((load_u64(a) ^ load_u64(b)) | (load_u64(a + 8) ^ load_u64(b + 8))) == 0;
  }
  static void wipe_memory(void* memory, std::size_t size) {
    std::memset(memory, 0, size);
    asm volatile("" : : "r"(memory) : "memory");
  }

  const std::uint8_t* key_;
  AeadJob* jobs_;
  std::size_t count_;
  Place next_;                  // the first data block that has no lane yet
  std::size_t run_count_ = 0;   // of the current pass
  std::size_t most_lanes_ = 0;  // of any pass
  ChaChaRun runs_[Kernel::kLanes];
  Span spans_[Kernel::kLanes];
  PolyMessage messages_[Kernel::kLanes];
  alignas(64) std::uint8_t keystream_[Kernel::kLanes * kChaChaBlockSize];
  alignas(64) std::uint8_t poly_keys_[Kernel::kLanes][kPolyKeySize];
};

}  // namespace
}  // namespace sinew::crypto
