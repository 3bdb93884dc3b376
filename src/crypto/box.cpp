#include "crypto/box.h"

#include <sodium/crypto_box.h>

#include "base/verify.h"
#include "crypto/sodium.h"

namespace sinew::crypto {

static_assert(BoxKey::kNonceSize == crypto_box_NONCEBYTES);
static_assert(BoxKey::kTagSize == crypto_box_MACBYTES);

std::optional<BoxKey> BoxKey::between(const X25519PrivateKey& ours, const X25519PublicKey& theirs) {
  init_sodium();
  BoxKey box;
  const auto out = box.key_.expose_mutable();
  if (crypto_box_beforenm(out.data(), theirs.bytes().data(), ours.expose().data()) != 0) {
    return std::nullopt;
  }
  return box;
}

void BoxKey::seal(const Nonce& nonce, ByteView plain, ByteSpan sealed) const {
  VERIFY(sealed.size() == plain.size() + kTagSize);
  const int failed = crypto_box_easy_afternm(sealed.data(), plain.data(), plain.size(),
                                             nonce.data(), key_.expose().data());
  VERIFY(failed == 0);
}

bool BoxKey::open(const Nonce& nonce, ByteView sealed, ByteSpan plain) const {
  if (sealed.size() < kTagSize) return false;
  VERIFY(plain.size() == sealed.size() - kTagSize);
  const int failed = crypto_box_open_easy_afternm(plain.data(), sealed.data(), sealed.size(),
                                                  nonce.data(), key_.expose().data());
  if (failed != 0) wipe(plain);
  return failed == 0;
}

}  // namespace sinew::crypto
