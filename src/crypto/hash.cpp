#include "crypto/hash.h"

namespace sinew::crypto {

// libsodium rather than OpenSSL: its incremental interface needs no allocation and is not marked as
// going away.
Sha256::Sha256() {
  crypto_hash_sha256_init(&state_);
}

Sha256::~Sha256() {
  wipe({reinterpret_cast<std::uint8_t*>(&state_), sizeof state_});
}

void Sha256::update(ByteView data) {
  crypto_hash_sha256_update(&state_, data.data(), data.size());
}

void Sha256::finish(ByteSpan digest) {
  VERIFY(digest.size() == kDigestSize);
  crypto_hash_sha256_final(&state_, digest.data());
}

}  // namespace sinew::crypto
