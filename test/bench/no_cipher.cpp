// A cipher that encrypts nothing and believes everything, in the place of crypto/aead.cpp, so that
// a benchmark can tell what is left of the packet path without it. It is linked into one program of
// the benchmarks and nowhere else: the product has no switch that leaves the cipher out.
#include <cstring>

#include "base/verify.h"
#include "crypto/aead.h"

namespace sinew::crypto {

struct AeadKernel {};

namespace {

constexpr AeadKernel kNoKernel;
constexpr const AeadKernel* kKernels[] = {&kNoKernel};

void move(ByteView from, ByteSpan to) {
  if (from.data() != to.data() && !from.empty()) std::memmove(to.data(), from.data(), from.size());
}

void leave_plain(ByteView plain, ByteSpan sealed) {
  move(plain, sealed);
  std::memset(sealed.data() + plain.size(), 0, kAeadTagSize);
}

}  // namespace

std::string_view name_of(const AeadKernel&) { return "none"; }

AeadNonce nonce_of_counter(std::uint64_t counter) {
  AeadNonce nonce{};
  store_le(nonce.data() + 4, counter);
  return nonce;
}

AeadCipher::AeadCipher(const AeadKey& key, const AeadKernel& kernel)
    : kernel_(&kernel), key_(key.clone()) {}

void AeadCipher::seal(const AeadNonce&, ByteView, ByteView plain, ByteSpan sealed) const {
  leave_plain(plain, sealed);
}

bool AeadCipher::open(const AeadNonce&, ByteView, ByteView sealed, ByteSpan plain) const {
  move(sealed.first(plain.size()), plain);
  return true;
}

void AeadCipher::seal_batch(std::span<const SealItem> items) const {
  for (const SealItem& item : items)
    leave_plain(item.plain, item.sealed);
}

std::size_t AeadCipher::open_batch(std::span<OpenItem> items) const {
  for (OpenItem& item : items) {
    move(item.sealed.first(item.plain.size()), item.plain);
    item.is_authentic = true;
  }
  return items.size();
}

const AeadKernel& AeadCipher::best_kernel() { return kNoKernel; }

std::span<const AeadKernel* const> AeadCipher::supported_kernels() { return kKernels; }

}  // namespace sinew::crypto
