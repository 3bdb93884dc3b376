// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): authenticated encryption whose nonce is long
// enough to be drawn at random. WireGuard's cookie reply uses it, and secrets at rest. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace sinew::crypto {

inline constexpr std::size_t kXChaChaTagSize = 16;
using XChaChaKey = SecretArray<32>;
using XChaChaNonce = std::array<std::uint8_t, 24>;

// Writes ciphertext and tag to `sealed`, which is kXChaChaTagSize longer than `plain`. `header` is
// authenticated and not sent.
void xchacha_seal(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header, ByteView plain,
                  ByteSpan sealed);

// Writes the plaintext to `plain`, which is kXChaChaTagSize shorter than `sealed`. False, and
// `plain` is wiped, when `sealed` or `header` is forged; also when `sealed` is too short to hold a
// tag.
[[nodiscard]] bool xchacha_open(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header,
                                ByteView sealed, ByteSpan plain);

}  // namespace sinew::crypto
