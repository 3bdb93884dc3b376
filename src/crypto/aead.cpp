#include "crypto/aead.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/verify.h"
#include "crypto/aead_kernel.h"

namespace sinew::crypto {
namespace {

constexpr std::size_t kMostJobs = 32;  // of any kernel

struct KernelList {
  std::array<const AeadKernel*, 3> kernels{};
  std::size_t count = 0;

  void add(const AeadKernel& kernel) {
    VERIFY(kernel.max_jobs <= kMostJobs);
    kernels[count++] = &kernel;
  }
};

KernelList find_supported_kernels() {
  KernelList list;
#if defined(__x86_64__)
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
  const bool has_avx512 =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi2");
  if (has_avx2 && has_avx512) list.add(kAvx512Kernel);
  if (has_avx2) list.add(kAvx2Kernel);
#endif
  list.add(kPortableKernel);
  return list;
}

void set_nonce(AeadJob& job, const AeadNonce& nonce) {
  static_assert(sizeof job.nonce == kAeadNonceSize);
  std::memcpy(job.nonce, nonce.data(), sizeof job.nonce);
}

void set_nonce(AeadJob& job, std::uint64_t counter) {
  job.nonce[0] = 0;
  job.nonce[1] = static_cast<std::uint32_t>(counter);
  job.nonce[2] = static_cast<std::uint32_t>(counter >> 32);
}

void set_up(AeadJob& job, ByteView input, ByteSpan output, std::size_t plain_size) {
  job.input = input.data();
  job.output = output.data();
  job.size = plain_size;
}

}  // namespace

std::string_view name_of(const AeadKernel& kernel) {
  return kernel.name;
}

AeadNonce nonce_of_counter(std::uint64_t counter) {
  AeadNonce nonce{};
  store_le(nonce.data() + 4, counter);
  return nonce;
}

const AeadKernel& AeadCipher::best_kernel() {
  return *supported_kernels().front();
}

std::span<const AeadKernel* const> AeadCipher::supported_kernels() {
  static const KernelList list = find_supported_kernels();
  return std::span(list.kernels).first(list.count);
}

AeadCipher::AeadCipher(const AeadKey& key, const AeadKernel& kernel)
    : kernel_(&kernel), key_(key.clone()) {}

void AeadCipher::seal(const AeadNonce& nonce, ByteView aad, ByteView plain, ByteSpan sealed) const {
  VERIFY(kernel_ != nullptr);
  VERIFY(sealed.size() == plain.size() + kAeadTagSize);
  AeadJob job;
  set_nonce(job, nonce);
  set_up(job, plain, sealed, plain.size());
  kernel_->seal(key_.expose().data(), {aad.data(), aad.size()}, &job, 1);
}

bool AeadCipher::open(const AeadNonce& nonce, ByteView aad, ByteView sealed, ByteSpan plain) const {
  VERIFY(kernel_ != nullptr);
  if (sealed.size() < kAeadTagSize) return false;
  VERIFY(sealed.size() == plain.size() + kAeadTagSize);
  AeadJob job;
  set_nonce(job, nonce);
  set_up(job, sealed, plain, plain.size());
  kernel_->open(key_.expose().data(), {aad.data(), aad.size()}, &job, 1);
  return job.is_authentic;
}

void AeadCipher::seal_batch(std::span<const SealItem> items) const {
  VERIFY(kernel_ != nullptr);
  [[clang::uninitialized]] AeadJob jobs[kMostJobs];
  while (!items.empty()) {
    const auto batch = items.first(std::min(items.size(), kernel_->max_jobs));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      VERIFY(batch[i].sealed.size() == batch[i].plain.size() + kAeadTagSize);
      set_nonce(jobs[i], batch[i].counter);
      set_up(jobs[i], batch[i].plain, batch[i].sealed, batch[i].plain.size());
    }
    kernel_->seal(key_.expose().data(), {}, jobs, batch.size());
    items = items.subspan(batch.size());
  }
}

std::size_t AeadCipher::open_batch(std::span<OpenItem> items) const {
  VERIFY(kernel_ != nullptr);
  [[clang::uninitialized]] AeadJob jobs[kMostJobs];
  [[clang::uninitialized]] OpenItem* owners[kMostJobs];
  std::size_t authentic_count = 0;
  auto next = items.begin();
  while (next != items.end()) {
    std::size_t count = 0;
    for (; next != items.end() && count < kernel_->max_jobs; ++next) {
      next->is_authentic = false;
      if (next->sealed.size() < kAeadTagSize) continue;
      VERIFY(next->sealed.size() == next->plain.size() + kAeadTagSize);
      set_nonce(jobs[count], next->counter);
      set_up(jobs[count], next->sealed, next->plain, next->plain.size());
      owners[count++] = &*next;
    }
    if (count > 0) kernel_->open(key_.expose().data(), {}, jobs, count);
    for (std::size_t i = 0; i < count; ++i) {
      owners[i]->is_authentic = jobs[i].is_authentic;
      authentic_count += jobs[i].is_authentic ? 1 : 0;
    }
  }
  return authentic_count;
}

}  // namespace sinew::crypto
