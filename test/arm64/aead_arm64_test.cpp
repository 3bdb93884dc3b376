// The portable AEAD kernel as arm64 code, in an emulator, judged by the published examples and by
// OpenSSL on this machine. crypto/aead_test.cpp does the same for the kernels this machine can run.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "arm64/kernel_pipe.h"
#include "os/run.h"
#include "os/signal_fd.h"
#include "support/aead_judge.h"

namespace sinew::test {
namespace {

constexpr std::size_t kMostJobs = 4;  // of a call to the portable kernel

struct Job {
  Bytes nonce;
  Bytes input;
};

struct Call {
  KernelVerb verb;
  Bytes key = {};
  Bytes aad = {};
  std::vector<Job> jobs = {};
  bool is_in_place = false;
};

struct Answer {
  bool is_authentic;
  Bytes output;
};

template <std::unsigned_integral T>
void append(Bytes& bytes, T number) {
  std::array<std::uint8_t, sizeof(T)> encoded;
  store_le(encoded.data(), number);
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
}

void append(Bytes& bytes, const Bytes& more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void append_sized(Bytes& bytes, const Bytes& more) {
  append(bytes, static_cast<std::uint32_t>(more.size()));
  append(bytes, more);
}

Bytes encode(const std::vector<Call>& calls) {
  Bytes bytes;
  for (const Call& call : calls) {
    append(bytes, static_cast<std::uint8_t>(call.verb));
    append(bytes, call.key);
    append(bytes, static_cast<std::uint8_t>(call.is_in_place));
    append_sized(bytes, call.aad);
    append(bytes, static_cast<std::uint8_t>(call.jobs.size()));
    for (const Job& job : call.jobs) {
      append(bytes, job.nonce);
      append_sized(bytes, job.input);
    }
  }
  return bytes;
}

std::size_t output_size(const Call& call, const Job& job) {
  switch (call.verb) {
    case KernelVerb::kSeal: return job.input.size() + kPipeTagSize;
    case KernelVerb::kOpen: return job.input.size() - (call.is_in_place ? 0 : kPipeTagSize);
    case KernelVerb::kAuthenticate: return kPipeTagSize;
  }
  VERIFY_NOT_REACHED();
}

// The output of a program of this machine.
std::string output_of(std::vector<std::string> argv, std::string_view input = {}) {
  os::ignore_broken_pipes();
  os::ChildOptions options;
  options.argv = std::move(argv);
  auto output = os::run_checked(std::move(options), input, {.time = 120s, .out_size = 64 << 20});
  REQUIRE_MESSAGE(output.has_value(), output.error().message);
  return *std::move(output);
}

// The answers to the jobs of all calls, in their order, by the program for arm64.
std::vector<Answer> run_on_arm64(const std::vector<Call>& calls) {
  const std::string output =
      output_of({SINEW_ARM64_EMULATOR, SINEW_AEAD_ARM64}, as_text(encode(calls)));
  ByteReader reader(as_bytes(output));
  std::vector<Answer> answers;
  for (const Call& call : calls) {
    for (const Job& job : call.jobs) {
      const bool is_authentic = reader.u8() != 0;
      const ByteView buffer = reader.take(output_size(call, job));
      answers.push_back({is_authentic, Bytes(buffer.begin(), buffer.end())});
    }
  }
  REQUIRE(reader.finished());
  return answers;
}

// Random packets under one key, as many as a call holds, and what OpenSSL makes of them.
struct Batch {
  Call seal{KernelVerb::kSeal};
  Call open{KernelVerb::kOpen};

  Batch(Rng& rng, const std::vector<std::size_t>& sizes) {
    seal.key = open.key = random_bytes(rng, kPipeKeySize);
    seal.aad = open.aad = random_bytes(rng, rng.below(2) * rng.below(40));
    seal.is_in_place = open.is_in_place = rng.below(2) == 0;
    for (const std::size_t size : sizes) {
      seal.jobs.push_back({random_bytes(rng, kPipeNonceSize), random_bytes(rng, size)});
      const auto& [nonce, plain] = seal.jobs.back();
      open.jobs.push_back({nonce, seal_by_openssl(seal.key, nonce, seal.aad, plain)});
    }
  }
};

// Seals and opens all batches there. In place, the tag of an opened packet stays behind it.
void check_on_arm64(const std::vector<Batch>& batches) {
  std::vector<Call> seals;
  std::vector<Call> opens;
  for (const Batch& batch : batches) {
    seals.push_back(batch.seal);
    opens.push_back(batch.open);
  }
  const std::vector<Answer> sealed = run_on_arm64(seals);
  const std::vector<Answer> opened = run_on_arm64(opens);
  std::size_t next = 0;
  for (const Batch& batch : batches) {
    for (std::size_t i = 0; i < batch.seal.jobs.size(); ++i, ++next) {
      const Bytes& plain = batch.seal.jobs[i].input;
      CAPTURE(plain.size());
      REQUIRE(sealed[next].output == batch.open.jobs[i].input);
      REQUIRE(opened[next].is_authentic);
      REQUIRE(std::ranges::equal(ByteView(opened[next].output).first(plain.size()), plain));
    }
  }
}

TEST_CASE("the arm64 kernel is made of NEON instructions") {
  const std::string listing = output_of({SINEW_OBJDUMP, "-d", SINEW_KERNEL_OBJECT});
  CHECK(listing.find("file format elf64-littleaarch64") != std::string::npos);
  // The three operations of ChaCha20 on four words at once: add, exclusive or, rotate.
  for (const std::string_view instruction : {"add\tv", "eor\tv", "shl\tv"}) {
    CAPTURE(instruction);
    CHECK(listing.find(instruction) != std::string::npos);
  }
  CHECK(listing.find(".4s, ") != std::string::npos);
  CHECK(listing.find(".16b, ") != std::string::npos);
}

TEST_CASE("the kernel on arm64 seals and opens the examples of RFC 8439") {
  std::vector<Call> calls;
  for (const AeadExample& example : examples_of_rfc8439()) {
    calls.push_back(
        {KernelVerb::kSeal, example.key, example.aad, {{example.nonce, example.plain}}});
    calls.push_back(
        {KernelVerb::kOpen, example.key, example.aad, {{example.nonce, example.sealed}}});
  }
  const std::vector<Answer> answers = run_on_arm64(calls);
  std::size_t next = 0;
  for (const AeadExample& example : examples_of_rfc8439()) {
    CHECK(answers[next++].output == example.sealed);
    CHECK(answers[next].is_authentic);
    CHECK(answers[next++].output == example.plain);
  }
}

TEST_CASE("a single message on arm64 agrees with OpenSSL at every length up to 2000, and beyond") {
  SeededRng rng(1);
  std::vector<Batch> batches;
  for (std::size_t size = 0; size <= 65'536; size += size < 2'000 ? 1 : 9'077) {
    batches.emplace_back(rng, std::vector{size});
  }
  check_on_arm64(batches);
}

TEST_CASE("a batch on arm64 gives what single calls of OpenSSL give, in place or not") {
  SeededRng rng(2);
  std::vector<Batch> batches;
  for (int round = 0; round < 500; ++round) {
    batches.emplace_back(rng, batch_sizes(rng, kMostJobs));
  }
  check_on_arm64(batches);
}

TEST_CASE("on arm64 one changed bit makes exactly that packet unauthentic, its output untouched") {
  SeededRng rng(3);
  std::vector<Batch> batches;
  std::vector<std::size_t> victims;
  std::vector<Call> calls;
  for (int round = 0; round < 500; ++round) {
    Batch& batch = batches.emplace_back(rng, batch_sizes(rng, kMostJobs));
    victims.push_back(rng.below(batch.open.jobs.size()));
    Bytes& damaged = batch.open.jobs[victims.back()].input;
    damaged[rng.below(damaged.size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));
    calls.push_back(batch.open);
  }
  const std::vector<Answer> answers = run_on_arm64(calls);
  std::size_t next = 0;
  for (std::size_t round = 0; round < batches.size(); ++round) {
    const Batch& batch = batches[round];
    for (std::size_t i = 0; i < batch.open.jobs.size(); ++i, ++next) {
      const Answer& answer = answers[next];
      const bool is_damaged = i == victims[round];
      const Bytes untouched = batch.open.is_in_place ? batch.open.jobs[i].input
                                                     : Bytes(answer.output.size(), kUntouched);
      const Bytes& plain = batch.seal.jobs[i].input;
      REQUIRE(answer.is_authentic == !is_damaged);
      if (is_damaged) REQUIRE(answer.output == untouched);
      if (!is_damaged)
        REQUIRE(std::ranges::equal(plain, ByteView(answer.output).first(plain.size())));
    }
  }
}

void check_tags_on_arm64(const std::vector<Call>& calls) {
  const std::vector<Answer> answers = run_on_arm64(calls);
  std::size_t next = 0;
  for (const Call& call : calls) {
    for (const Job& job : call.jobs) {
      REQUIRE(answers[next++].output == authenticate_by_openssl(call.key, call.aad, job.input));
    }
  }
}

TEST_CASE("Poly1305 on arm64 carries right with the worst factors and the worst data") {
  SeededRng rng(4);
  std::vector<Call> calls;
  for (int round = 0; round < 1'000; ++round) {
    Call& call = calls.emplace_back(KernelVerb::kAuthenticate, worst_poly_key(rng),
                                    random_bytes(rng, rng.below(2) * rng.below(40)));
    for (std::size_t count = 1 + rng.below(kMostJobs); count > 0; --count) {
      call.jobs.push_back({Bytes(kPipeNonceSize), worst_poly_data(rng, 70)});
    }
  }
  check_tags_on_arm64(calls);
}

TEST_CASE("Poly1305 on arm64 reduces a sum right that lies beside the prime") {
  std::vector<Call> calls;
  for (std::size_t m = 0; m < 4; ++m) {
    for (std::int64_t offset = -6; offset <= 8; ++offset) {
      const PolyBesideThePrime worst(offset, m);
      calls.emplace_back(KernelVerb::kAuthenticate, worst.key);
      calls.back().jobs.push_back({Bytes(kPipeNonceSize), worst.data});
    }
  }
  check_tags_on_arm64(calls);
}

}  // namespace
}  // namespace sinew::test
