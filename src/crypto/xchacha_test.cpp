#include "crypto/xchacha.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <sodium/crypto_core_hchacha20.h>

#include <memory>
#include <optional>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::crypto;
using test::unhex;

namespace {

Bytes seal(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header, ByteView plain) {
  Bytes sealed(plain.size() + kXChaChaTagSize);
  xchacha_seal(key, nonce, header, plain, sealed);
  return sealed;
}

std::optional<Bytes> open(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header,
                          ByteView sealed) {
  Bytes plain(sealed.size() - kXChaChaTagSize, 0xee);
  if (xchacha_open(key, nonce, header, sealed, plain)) return plain;
  CHECK(plain == Bytes(plain.size(), 0));
  return std::nullopt;
}

// Section 2.3 of the draft: HChaCha20 makes a subkey for the ChaCha20-Poly1305 of RFC 8439.
Bytes seal_by_openssl(const XChaChaKey& key, const XChaChaNonce& nonce, ByteView header,
                      ByteView plain) {
  std::array<std::uint8_t, 32> subkey;
  crypto_core_hchacha20(subkey.data(), nonce.data(), key.expose().data(), nullptr);
  std::array<std::uint8_t, 12> short_nonce{};
  std::copy(nonce.begin() + 16, nonce.end(), short_nonce.begin() + 4);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  EVP_CIPHER_CTX* c = context.get();
  Bytes sealed(plain.size() + kXChaChaTagSize);
  int size = 0;
  REQUIRE(EVP_EncryptInit_ex(c, EVP_chacha20_poly1305(), nullptr, subkey.data(),
                             short_nonce.data()) == 1);
  REQUIRE(EVP_EncryptUpdate(c, nullptr, &size, header.data(), static_cast<int>(header.size())) ==
          1);
  if (!plain.empty()) {
    REQUIRE(EVP_EncryptUpdate(c, sealed.data(), &size, plain.data(),
                              static_cast<int>(plain.size())) == 1);
  }
  REQUIRE(EVP_EncryptFinal_ex(c, sealed.data() + plain.size(), &size) == 1);
  REQUIRE(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, sealed.data() + plain.size()) == 1);
  return sealed;
}

}  // namespace

TEST_CASE("XChaCha20-Poly1305 agrees with appendix A.3.1 of its draft") {
  const XChaChaKey key(
      unhex<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"));
  const auto nonce = unhex<24>("404142434445464748494a4b4c4d4e4f5051525354555657");
  const Bytes header = unhex("50515253c0c1c2c3c4c5c6c7");
  const ByteView plain = as_bytes(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.");
  const Bytes sealed = seal(key, nonce, header, plain);
  CHECK(to_hex(sealed) ==
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4e"
        "da7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2"
        "383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49");
  const auto opened = open(key, nonce, header, sealed);
  REQUIRE(opened);
  CHECK(as_text(*opened) == as_text(plain));
}

TEST_CASE("XChaCha20-Poly1305 agrees with OpenSSL's ChaCha20-Poly1305 under the derived subkey") {
  SeededRng rng(1);
  for (std::size_t round = 0; round < 300; ++round) {
    const XChaChaKey key(test::random_array<32>(rng));
    const auto nonce = test::random_array<24>(rng);
    const Bytes header = test::random_bytes(rng, rng.below(100));
    const Bytes plain = test::random_bytes(rng, round < 150 ? round : rng.below(16'385));
    const Bytes sealed = seal(key, nonce, header, plain);
    CHECK(sealed == seal_by_openssl(key, nonce, header, plain));
    CHECK(open(key, nonce, header, sealed) == plain);
  }
}

TEST_CASE("a forged message, header, nonce or key is refused and leaves nothing behind") {
  SeededRng rng(2);
  const XChaChaKey key(test::random_array<32>(rng));
  const auto nonce = test::random_array<24>(rng);
  const Bytes sealed = seal(key, nonce, as_bytes("header"), as_bytes("plain"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes forged = sealed;
    forged[bit / 8] = static_cast<std::uint8_t>(forged[bit / 8] ^ 1U << bit % 8);
    CHECK_FALSE(open(key, nonce, as_bytes("header"), forged));
  }
  auto other_nonce = nonce;
  other_nonce[0] ^= 1;
  CHECK_FALSE(open(key, nonce, as_bytes("Header"), sealed));
  CHECK_FALSE(open(key, nonce, {}, sealed));
  CHECK_FALSE(open(key, other_nonce, as_bytes("header"), sealed));
  CHECK_FALSE(open(XChaChaKey(), nonce, as_bytes("header"), sealed));
  CHECK(open(key, nonce, as_bytes("header"), sealed));
}

TEST_CASE("bytes too short for a tag are no message") {
  for (std::size_t size = 0; size < kXChaChaTagSize; ++size) {
    CHECK_FALSE(xchacha_open(XChaChaKey(), {}, {}, Bytes(size), {}));
  }
}
