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
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") &&
                          __builtin_cpu_supports("avx512ifma") &&
                          __builtin_cpu_supports("avx512vbmi2");
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

AeadJob sealing_job(ByteView plain, ByteSpan sealed) {
  VERIFY(sealed.size() == plain.size() + kAeadTagSize);
  return {.nonce = {},
          .aad = nullptr,
          .aad_size = 0,
          .input = plain.data(),
          .output = sealed.data(),
          .size = plain.size(),
          .expected_tag = nullptr,
          .tag = sealed.data() + plain.size(),
          .is_authentic = false};
}

AeadJob opening_job(ByteView sealed, ByteSpan plain) {
  VERIFY(sealed.size() == plain.size() + kAeadTagSize);
  return {.nonce = {},
          .aad = nullptr,
          .aad_size = 0,
          .input = sealed.data(),
          .output = plain.data(),
          .size = plain.size(),
          .expected_tag = sealed.data() + plain.size(),
          .tag = nullptr,
          .is_authentic = false};
}

const std::uint32_t* words_of(const SecretArray<kAeadKeySize>& key) {
  return reinterpret_cast<const std::uint32_t*>(key.expose().data());
}

}  // namespace

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
  AeadJob job = sealing_job(plain, sealed);
  set_nonce(job, nonce);
  job.aad = aad.data();
  job.aad_size = aad.size();
  kernel_->seal(words_of(key_), &job, 1);
}

bool AeadCipher::open(const AeadNonce& nonce, ByteView aad, ByteView sealed, ByteSpan plain) const {
  if (sealed.size() < kAeadTagSize) return false;
  AeadJob job = opening_job(sealed, plain);
  set_nonce(job, nonce);
  job.aad = aad.data();
  job.aad_size = aad.size();
  kernel_->open(words_of(key_), &job, 1);
  return job.is_authentic;
}

void AeadCipher::seal_batch(std::span<const SealItem> items) const {
  AeadJob jobs[kMostJobs];
  while (!items.empty()) {
    const auto batch = items.first(std::min(items.size(), kernel_->max_jobs));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      jobs[i] = sealing_job(batch[i].plain, batch[i].sealed);
      set_nonce(jobs[i], batch[i].counter);
    }
    kernel_->seal(words_of(key_), jobs, batch.size());
    items = items.subspan(batch.size());
  }
}

std::size_t AeadCipher::open_batch(std::span<OpenItem> items) const {
  AeadJob jobs[kMostJobs];
  OpenItem* owners[kMostJobs];
  std::size_t authentic_count = 0;
  auto next = items.begin();
  while (next != items.end()) {
    std::size_t count = 0;
    for (; next != items.end() && count < kernel_->max_jobs; ++next) {
      next->is_authentic = false;
      if (next->sealed.size() < kAeadTagSize) continue;
      jobs[count] = opening_job(next->sealed, next->plain);
      set_nonce(jobs[count], next->counter);
      owners[count++] = &*next;
    }
    if (count > 0) kernel_->open(words_of(key_), jobs, count);
    for (std::size_t i = 0; i < count; ++i) {
      owners[i]->is_authentic = jobs[i].is_authentic;
      authentic_count += jobs[i].is_authentic ? 1 : 0;
    }
  }
  return authentic_count;
}

}  // namespace sinew::crypto
