// ChaCha20-Poly1305 (RFC 8439 section 2.8) on a batch of jobs under one key, over a vector kernel.
// One algorithm serves every batch size, one included:
//
//   - The first pass computes block 0 of every job, which holds its Poly1305 key, and fills the
//     lanes left over with data blocks. Further passes take the data blocks of all jobs in a row,
//     so that no lane idles where a packet ends.
//   - Poly1305 can do with scalar units, which ChaCha20 leaves idle. So while a pass computes
//     keystream, one message that is ready goes through Poly1305 beside it, almost for free. What
//     is not done in this way is done by the kernel.
//   - Sealing follows behind the encryption. Opening goes ahead of the decryption: no block is
//     decrypted whose message has not been found authentic.
//
// A Kernel is a type without state:
//
//   kLanes            blocks in a full pass, and the most jobs in a call
//   kMessagesAtOnce   how many messages authenticate() takes in about the time of one
//   kBesidePerLane    quarters of a Poly1305 block that go unnoticed beside a lane of ChaCha20
//   keystream(key, runs, run_count, lanes, out, beside)
//                     the blocks of the first `lanes` lanes, and maybe more, up to kLanes; calls
//                     `beside` in every round
//   xor_bytes(out, in, keystream, size)
//                     out == in is allowed
//   absorb(state, data, blocks)
//                     as poly_absorb_blocks()
//   authenticate(messages, count)
//                     Poly1305 of each message
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
    engine.first_pass(aad, [](const AeadJob& job) -> const std::uint8_t* { return job.output; });
    engine.apply_keystream();
    while (engine.fill_lanes(count) > 0) {
      engine.pass(engine.sealed_bytes(engine.next_message_));
      engine.apply_keystream();
    }
    engine.authenticate(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(jobs[i].output + jobs[i].size, engine.messages_[i].tag, kPolyTagSize);
    }
  }

  static void open(const std::uint8_t* key, AeadData aad, AeadJob* jobs, std::size_t count) {
    [[clang::uninitialized]] AeadEngine engine(key, jobs, count);
    engine.first_pass(aad, [](const AeadJob& job) { return job.input; });
    engine.judge_up_to(engine.runs_end());
    engine.apply_keystream();
    while (true) {
      std::size_t lanes = engine.fill_lanes(engine.next_message_);
      while (lanes < Kernel::kLanes && engine.next_message_ < count) {
        engine.judge_up_to(engine.next_message_ + Kernel::kMessagesAtOnce);
        lanes = engine.fill_lanes(engine.next_message_);
      }
      if (lanes == 0) return;
      engine.pass(engine.next_message_ < count ? jobs[engine.next_message_].size : 0);
      engine.judge();
      engine.apply_keystream();
    }
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
      : key_(key), jobs_(jobs), count_(count), progress_() {
    for (std::size_t i = 0; i < count; ++i)
      jobs[i].is_authentic = true;
  }
  ~AeadEngine() {
    wipe_memory(keystream_, most_lanes_ * kChaChaBlockSize);
    wipe_memory(poly_keys_, count_ * kPolyKeySize);
    wipe_memory(&progress_, sizeof progress_);
  }
  AeadEngine(const AeadEngine&) = delete;

  // The runs of the Poly1305 keys have no bytes; those of the data blocks wait for
  // apply_keystream().
  template <typename CiphertextOf>
  void first_pass(AeadData aad, CiphertextOf ciphertext_of) {
    for (std::size_t i = 0; i < count_; ++i)
      add_run({.job = i, .offset = 0, .size = 0}, 0, 1);
    fill_lanes(count_);
    pass(0);
    for (std::size_t i = 0; i < count_; ++i) {
      std::memcpy(poly_keys_[i], keystream_ + i * kChaChaBlockSize, kPolyKeySize);
      PolyMessage& message = messages_[i];
      message.key = poly_keys_[i];
      message.aad = aad.data;
      message.aad_size = aad.size;
      message.data = ciphertext_of(jobs_[i]);
      message.size = jobs_[i].size;
    }
    is_keyed_ = true;
  }

  // Gives the next data blocks of the first `limit` jobs to the lanes that are free, as runs.
  // Returns how many lanes are in use then. Jobs that were found not to be authentic are passed
  // over.
  std::size_t fill_lanes(std::size_t limit) {
    while (next_.job < limit && lanes_ < Kernel::kLanes) {
      const AeadJob& job = jobs_[next_.job];
      if (!job.is_authentic || next_.offset >= job.size) {
        next_ = {.job = next_.job + 1, .offset = 0};
        continue;
      }
      const std::size_t blocks = min(blocks_in(job.size - next_.offset), Kernel::kLanes - lanes_);
      const std::size_t size = min(job.size - next_.offset, blocks * kChaChaBlockSize);
      add_run({.job = next_.job, .offset = next_.offset, .size = size},
              static_cast<std::uint32_t>(1 + next_.offset / kChaChaBlockSize), blocks);
      next_.offset += size;
    }
    return lanes_;
  }

  void add_run(const Span& span, std::uint32_t counter, std::size_t lanes) {
    runs_[run_count_] = {.lane = static_cast<std::uint32_t>(lanes_),
                         .counter = counter,
                         .nonce = jobs_[span.job].nonce};
    spans_[run_count_++] = span;
    lanes_ += lanes;
  }

  // Computes the keystream of the runs. Beside it goes the next message, of which `ready` bytes may
  // be read.
  void pass(std::size_t ready) {
    const bool has_message = is_keyed_ && next_message_ < count_;
    if (has_message && !is_started_) start_message();
    std::size_t blocks = 0;
    if (has_message && ready > progress_.absorbed) {
      blocks =
          min((ready - progress_.absorbed) / kPolyBlockSize, lanes_ * Kernel::kBesidePerLane / 4);
    }
    const std::uint8_t* data =
        blocks > 0 ? messages_[next_message_].data + progress_.absorbed : nullptr;
    PolyBeside beside = {.state = progress_.state,
                         .data = data,
                         .left = blocks,
                         .portion = (blocks + kChaChaRounds - 1) / kChaChaRounds};
    Kernel::keystream(key_, runs_, run_count_, lanes_, keystream_, beside);
    progress_.state = beside.state;
    progress_.absorbed += blocks * kPolyBlockSize;
    if (lanes_ > most_lanes_) most_lanes_ = lanes_;
    const bool is_done = blocks > 0 && ready == messages_[next_message_].size &&
                         ready - progress_.absorbed < kPolyBlockSize;
    if (is_done) complete_message();
  }

  // Encrypts or decrypts the runs of the last pass, but for jobs found not to be authentic since.
  // The lanes are free then.
  void apply_keystream() {
    for (std::size_t i = 0; i < run_count_; ++i) {
      const Span& span = spans_[i];
      const AeadJob& job = jobs_[span.job];
      if (!job.is_authentic || span.size == 0) continue;
      Kernel::xor_bytes(job.output + span.offset, job.input + span.offset,
                        keystream_ + runs_[i].lane * kChaChaBlockSize, span.size);
    }
    applied_ = next_;
    run_count_ = 0;
    lanes_ = 0;
  }

  // How much of a job has been encrypted so far.
  std::size_t sealed_bytes(std::size_t job) const {
    if (job >= count_ || job > applied_.job) return 0;
    return job < applied_.job ? jobs_[job].size : applied_.offset;
  }

  // The first job that the runs do not reach.
  std::size_t runs_end() const {
    return spans_[run_count_ - 1].size > 0 ? spans_[run_count_ - 1].job + 1 : 0;
  }

  void start_message() {
    progress_ = PolyProgress(messages_[next_message_]);
    is_started_ = true;
  }

  void complete_message() {
    poly_complete(messages_[next_message_], progress_, Kernel::absorb);
    is_started_ = false;
    ++next_message_;
  }

  // The tags of all messages before `end`.
  void authenticate(std::size_t end) {
    end = min(end, count_);
    if (next_message_ < end && is_started_ && progress_.absorbed > 0) complete_message();
    is_started_ = is_started_ && next_message_ >= end;
    if (next_message_ >= end) return;
    Kernel::authenticate(messages_ + next_message_, end - next_message_);
    next_message_ = end;
  }

  // Opening: the same, and the verdicts.
  void judge_up_to(std::size_t end) {
    authenticate(end);
    judge();
  }
  void judge() {
    for (; judged_ < next_message_; ++judged_) {
      AeadJob& job = jobs_[judged_];
      job.is_authentic = is_equal_tag(messages_[judged_].tag, job.input + job.size);
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

  Place next_;                  // the first data block that has had no lane yet
  Place applied_;               // the first that has not been encrypted or decrypted yet
  std::size_t lanes_ = 0;       // in use for the next pass
  std::size_t most_lanes_ = 0;  // in use in any pass
  std::size_t run_count_ = 0;
  ChaChaRun runs_[Kernel::kLanes];
  Span spans_[Kernel::kLanes];

  bool is_keyed_ = false;         // the messages have their keys
  bool is_started_ = false;       // `progress_` is of the next message
  std::size_t next_message_ = 0;  // the first without a tag
  std::size_t judged_ = 0;        // the first without a verdict
  PolyProgress progress_;
  PolyMessage messages_[Kernel::kLanes];
  alignas(64) std::uint8_t keystream_[Kernel::kLanes * kChaChaBlockSize];
  alignas(64) std::uint8_t poly_keys_[Kernel::kLanes][kPolyKeySize];
};

}  // namespace
}  // namespace sinew::crypto
