// Lets the portable kernel work on what comes in on standard input: arm64/kernel_pipe.h. This is
// compiled for arm64, with the kernel and nothing else of the program; aead_arm64_test.cpp runs it
// in an emulator and judges the answers.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <vector>

#include "arm64/kernel_pipe.h"
#include "base/bytes.h"
#include "crypto/aead_kernel.h"

using namespace sinew;
using namespace sinew::crypto;
using test::KernelVerb;

namespace {

struct Call {
  KernelVerb verb;
  ByteView key;
  bool is_in_place;
  ByteView aad;
  std::vector<ByteView> nonces;
  std::vector<ByteView> inputs;
};

ByteView read_sized(ByteReader& reader) {
  return reader.take(reader.le<std::uint32_t>());
}

Call read_call(ByteReader& reader) {
  Call call{};
  call.verb = static_cast<KernelVerb>(reader.u8());
  call.key = reader.take(test::kPipeKeySize);
  call.is_in_place = reader.u8() != 0;
  call.aad = read_sized(reader);
  for (std::size_t count = reader.u8(); count > 0; --count) {
    call.nonces.push_back(reader.take(test::kPipeNonceSize));
    call.inputs.push_back(read_sized(reader));
  }
  return call;
}

std::size_t plain_size(const Call& call, ByteView input) {
  return call.verb == KernelVerb::kOpen ? input.size() - test::kPipeTagSize : input.size();
}

// Room for the output, and for the input of a job that is done in place.
Bytes make_buffer(const Call& call, ByteView input) {
  const std::size_t size =
      call.verb == KernelVerb::kSeal ? input.size() + test::kPipeTagSize : plain_size(call, input);
  Bytes buffer(call.is_in_place ? std::max(size, input.size()) : size, test::kUntouched);
  if (call.is_in_place) std::ranges::copy(input, buffer.begin());
  return buffer;
}

void answer(bool is_authentic, ByteView output) {
  std::putchar(is_authentic ? 1 : 0);
  std::fwrite(output.data(), 1, output.size(), stdout);
}

void seal_or_open(const Call& call) {
  std::vector<Bytes> buffers;
  std::vector<AeadJob> jobs;
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    const ByteView input = call.inputs[i];
    Bytes& buffer = buffers.emplace_back(make_buffer(call, input));
    AeadJob& job = jobs.emplace_back();
    job.input = call.is_in_place ? buffer.data() : input.data();
    job.output = buffer.data();
    job.size = plain_size(call, input);
    std::memcpy(job.nonce, call.nonces[i].data(), sizeof job.nonce);
  }
  const auto work = call.verb == KernelVerb::kSeal ? kPortableKernel.seal : kPortableKernel.open;
  work(call.key.data(), {call.aad.data(), call.aad.size()}, jobs.data(), jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i)
    answer(jobs[i].is_authentic, buffers[i]);
}

void authenticate(const Call& call) {
  std::vector<PolyMessage> messages;
  for (const ByteView input : call.inputs) {
    messages.push_back(
        {call.key.data(), call.aad.data(), call.aad.size(), input.data(), input.size(), {}});
  }
  kPortableKernel.authenticate(messages.data(), messages.size());
  for (const PolyMessage& message : messages)
    answer(true, message.tag);
}

Bytes read_all(std::FILE* file) {
  Bytes all;
  std::uint8_t chunk[65'536];
  while (const std::size_t size = std::fread(chunk, 1, sizeof chunk, file))
    all.insert(all.end(), chunk, chunk + size);
  return all;
}

}  // namespace

int main() {
  const Bytes calls = read_all(stdin);
  ByteReader reader(calls);
  while (reader.remaining() > 0) {
    const Call call = read_call(reader);
    if (reader.failed() || call.inputs.size() > kPortableKernel.max_jobs) return 2;
    call.verb == KernelVerb::kAuthenticate ? authenticate(call) : seal_or_open(call);
  }
  return 0;
}
