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
//   kLanes                                   blocks in a full pass, and the most jobs in a call
//   keystream(key, ids, count, out)          the first `count` blocks of `ids`; may write up to
//   kLanes blocks xor_bytes(out, in, keystream, size)      out == in is allowed
//   authenticate(messages, count)            Poly1305 of each message
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
  static void seal(const std::uint32_t* key, AeadJob* jobs, std::size_t count) {
    AeadEngine engine(key, jobs, count);
    engine.first_pass();
    engine.apply_keystream();
    engine.data_passes();
    engine.authenticate([](const AeadJob& job) -> const std::uint8_t* { return job.output; });
    for (std::size_t i = 0; i < count; ++i)
      std::memcpy(jobs[i].tag, engine.messages_[i].tag, kTagSize);
  }

  static void open(const std::uint32_t* key, AeadJob* jobs, std::size_t count) {
    AeadEngine engine(key, jobs, count);
    engine.first_pass();
    engine.authenticate([](const AeadJob& job) { return job.input; });
    for (std::size_t i = 0; i < count; ++i) {
      jobs[i].is_authentic = is_equal_tag(engine.messages_[i].tag, jobs[i].expected_tag);
    }
    engine.apply_keystream();
    engine.data_passes();
  }

 private:
  static constexpr std::size_t kTagSize = 16;

  // A place in the data: byte `offset` of job `job`.
  struct Place {
    std::size_t job = 0;
    std::size_t offset = 0;
  };
  // Bytes of one job whose keystream comes from the lanes starting at `lane`.
  struct Run {
    std::size_t job;
    std::size_t offset;
    std::size_t size;
    std::size_t lane;
  };

  AeadEngine(const std::uint32_t* key, AeadJob* jobs, std::size_t count)
      : key_(key), jobs_(jobs), count_(count) {
    for (std::size_t i = 0; i < count; ++i)
      jobs[i].is_authentic = true;
  }
  ~AeadEngine() {
    wipe_memory(keystream_, sizeof keystream_);
    wipe_memory(poly_keys_, sizeof poly_keys_);
  }
  AeadEngine(const AeadEngine&) = delete;

  // Step 1. The keystream of the data blocks stays behind the `count_` blocks of the Poly1305 keys.
  void first_pass() {
    for (std::size_t i = 0; i < count_; ++i)
      set_lane(i, jobs_[i], 0);
    const std::size_t lanes = fill_lanes(count_);
    Kernel::keystream(key_, ids_, lanes, keystream_);
    for (std::size_t i = 0; i < count_; ++i) {
      std::memcpy(poly_keys_[i], keystream_ + i * kChaChaBlockSize, kPolyKeySize);
    }
  }

  // Step 2.
  void data_passes() {
    while (const std::size_t lanes = fill_lanes(0)) {
      Kernel::keystream(key_, ids_, lanes, keystream_);
      apply_keystream();
    }
  }

  // Step 3.
  template <typename CiphertextOf>
  void authenticate(CiphertextOf ciphertext_of) {
    for (std::size_t i = 0; i < count_; ++i) {
      const AeadJob& job = jobs_[i];
      messages_[i] = {.key = poly_keys_[i],
                      .aad = job.aad,
                      .aad_size = job.aad_size,
                      .data = ciphertext_of(job),
                      .size = job.size,
                      .tag = {}};
    }
    Kernel::authenticate(messages_, count_);
  }

  void set_lane(std::size_t lane, const AeadJob& job, std::size_t block) {
    ids_.counter[lane] = static_cast<std::uint32_t>(block);
    for (int i = 0; i < 3; ++i)
      ids_.nonce[i][lane] = job.nonce[i];
  }

  // Gives the next data blocks to the lanes behind the first `used` ones and notes them as runs.
  // Returns how many lanes are in use then. Jobs that are known not to be authentic are passed
  // over.
  std::size_t fill_lanes(std::size_t used) {
    run_count_ = 0;
    while (next_.job < count_ && used < Kernel::kLanes) {
      const AeadJob& job = jobs_[next_.job];
      if (!job.is_authentic || next_.offset >= job.size) {
        next_ = {.job = next_.job + 1, .offset = 0};
        continue;
      }
      const std::size_t first_block = 1 + next_.offset / kChaChaBlockSize;
      const std::size_t blocks = min(blocks_in(job.size - next_.offset), Kernel::kLanes - used);
      const std::size_t size = min(job.size - next_.offset, blocks * kChaChaBlockSize);
      for (std::size_t i = 0; i < blocks; ++i)
        set_lane(used + i, job, first_block + i);
      runs_[run_count_++] = {.job = next_.job, .offset = next_.offset, .size = size, .lane = used};
      used += blocks;
      next_.offset += size;
    }
    return used;
  }

  // Encrypts or decrypts the runs of the last pass, but for jobs found not to be authentic since.
  void apply_keystream() {
    for (std::size_t i = 0; i < run_count_; ++i) {
      const Run& run = runs_[i];
      const AeadJob& job = jobs_[run.job];
      if (!job.is_authentic) continue;
      Kernel::xor_bytes(job.output + run.offset, job.input + run.offset,
                        keystream_ + run.lane * kChaChaBlockSize, run.size);
    }
  }

  static std::size_t min(std::size_t a, std::size_t b) { return a < b ? a : b; }
  static std::size_t blocks_in(std::size_t bytes) {
    return (bytes + kChaChaBlockSize - 1) / kChaChaBlockSize;
  }
  static bool is_equal_tag(const std::uint8_t* a, const std::uint8_t* b) {
    std::uint64_t x[2];
    std::uint64_t y[2];
    std::memcpy(x, a, kTagSize);
    std::memcpy(y, b, kTagSize);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
  }
  static void wipe_memory(void* memory, std::size_t size) {
    std::memset(memory, 0, size);
    asm volatile("" : : "r"(memory) : "memory");
  }

  const std::uint32_t* key_;
  AeadJob* jobs_;
  std::size_t count_;
  Place next_;
  Run runs_[Kernel::kLanes];
  std::size_t run_count_ = 0;
  BlockIds<Kernel::kLanes> ids_;
  PolyMessage messages_[Kernel::kLanes];
  alignas(64) std::uint8_t keystream_[Kernel::kLanes * kChaChaBlockSize];
  alignas(64) std::uint8_t poly_keys_[Kernel::kLanes][kPolyKeySize];
};

}  // namespace
}  // namespace sinew::crypto
