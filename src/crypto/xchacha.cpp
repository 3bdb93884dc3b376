#include "crypto/xchacha.h"

#include <sodium/crypto_aead_xchacha20poly1305.h>

#include "base/verify.h"
#include "crypto/sodium.h"

namespace sinew::crypto {

static_assert(kXChaChaTagSize == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(XChaChaKey::kSize == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(sizeof(XChaChaNonce) == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);

void xchacha_seal(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header, ByteView plain,
                  ByteSpan sealed) {
  init_sodium();
  VERIFY(sealed.size() == plain.size() + kXChaChaTagSize);
  crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plain.data(), plain.size(),
                                             header.data(), header.size(), nullptr, nonce.data(),
                                             key.expose().data());
}

bool xchacha_open(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header,
                  ByteView sealed, ByteSpan plain) {
  init_sodium();
  if (sealed.size() < kXChaChaTagSize) return false;
  VERIFY(plain.size() == sealed.size() - kXChaChaTagSize);
  const int failed = crypto_aead_xchacha20poly1305_ietf_decrypt(
      plain.data(), nullptr, nullptr, sealed.data(), sealed.size(), header.data(), header.size(),
      nonce.data(), key.expose().data());
  if (failed != 0) wipe(plain);
  return failed == 0;
}

}  // namespace sinew::crypto
