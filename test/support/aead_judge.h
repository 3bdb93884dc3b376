// ChaCha20-Poly1305 as others compute it, to judge ours by: the examples of RFC 8439, OpenSSL, and
// the Poly1305 input at which carries are at their worst.
#pragma once

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <memory>
#include <vector>

#include "support/hex.h"

namespace sinew::test {

struct AeadExample {
  Bytes key, nonce, aad, plain, sealed;
};

// Section 2.8.2 and appendix A.5.
inline std::vector<AeadExample> examples_of_rfc8439() {
  const std::string_view sunscreen =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  const std::string_view drafts =
      "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
      "replaced, or obsoleted by other documents at any time. It is inappropriate to use "
      "Internet-Drafts as reference material or to cite them other than as /\xe2\x80\x9cwork in "
      "progress./\xe2\x80\x9d";
  const auto bytes_of = [](std::string_view text) { return Bytes(text.begin(), text.end()); };
  return {
      {unhex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
       unhex("070000004041424344454647"), unhex("50515253c0c1c2c3c4c5c6c7"), bytes_of(sunscreen),
       unhex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca96712"
             "82fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58"
             "fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09"
             "e26a7e902ecbd0600691")},
      {unhex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"),
       unhex("000000000102030405060708"), unhex("f33388860000000000004e91"), bytes_of(drafts),
       unhex("64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43ee"
             "a09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b9481"
             "14ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0"
             "f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
             "af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa7699"
             "1955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130"
             "305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709beead9d67890cbb22392336fea1851f"
             "38")},
  };
}

// The ciphertext and the tag behind it.
inline Bytes seal_by_openssl(ByteView key, ByteView nonce, ByteView aad, ByteView plain) {
  constexpr int kTagSize = 16;
  Bytes sealed(plain.size() + kTagSize);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
      EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  EVP_CIPHER_CTX* const c = context.get();
  int written = 0;
  REQUIRE(EVP_EncryptInit_ex(c, EVP_chacha20_poly1305(), nullptr, key.data(), nonce.data()) == 1);
  const auto update = [&](std::uint8_t* out, ByteView in) {
    if (in.empty()) return;
    REQUIRE(EVP_EncryptUpdate(c, out, &written, in.data(), static_cast<int>(in.size())) == 1);
  };
  update(nullptr, aad);
  update(sealed.data(), plain);
  std::uint8_t* const tag = sealed.data() + plain.size();
  REQUIRE(EVP_EncryptFinal_ex(c, tag, &written) == 1);
  REQUIRE(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1);
  return sealed;
}

// The tag that ends a message under the AEAD, put together as in RFC 8439 section 2.8.
inline Bytes authenticate_by_openssl(ByteView key, ByteView aad, ByteView data) {
  Bytes message;
  for (const ByteView part : {aad, data}) {
    message.insert(message.end(), part.begin(), part.end());
    message.resize((message.size() + 15) / 16 * 16);
  }
  message.resize(message.size() + 16);
  store_le<std::uint64_t>(message.data() + message.size() - 16, aad.size());
  store_le<std::uint64_t>(message.data() + message.size() - 8, data.size());

  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> poly1305(
      EVP_MAC_fetch(nullptr, "POLY1305", nullptr), EVP_MAC_free);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(
      EVP_MAC_CTX_new(poly1305.get()), EVP_MAC_CTX_free);
  Bytes tag(16);
  std::size_t written = 0;
  REQUIRE(EVP_MAC_init(context.get(), key.data(), key.size(), nullptr) == 1);
  REQUIRE(EVP_MAC_update(context.get(), message.data(), message.size()) == 1);
  REQUIRE(EVP_MAC_final(context.get(), tag.data(), &written, tag.size()) == 1);
  return tag;
}

// The factors of RFC 8439 appendix A.3 (vectors 7 to 11: 2, 1 and 1 + 2^66) and the extremes of
// clamping.
inline Bytes worst_poly_key(Rng& rng) {
  static const std::vector<Bytes> factors = {
      unhex("00000000000000000000000000000000"), unhex("01000000000000000000000000000000"),
      unhex("02000000000000000000000000000000"), unhex("01000000000000000400000000000000"),
      unhex("ffffffffffffffffffffffffffffffff"), unhex("fbffffffffffffffffffffffffffffff")};
  Bytes key = factors[rng.below(factors.size())];
  key.resize(32, static_cast<std::uint8_t>(rng.below(2) * 0xff));
  return key;
}

// Blocks of all ones, all zeros and values beside the prime, fewer than `most_blocks`.
inline Bytes worst_poly_data(Rng& rng, std::size_t most_blocks) {
  static const std::vector<Bytes> blocks = {
      unhex("ffffffffffffffffffffffffffffffff"), unhex("00000000000000000000000000000000"),
      unhex("fbfffffffffffffffffffffffffffff0"), unhex("fbfefefefefefefefefefefefefefefe"),
      unhex("fdffffffffffffffffffffffffffffff"), unhex("01010101010101010101010101010101")};
  Bytes data;
  for (std::size_t block = rng.below(most_blocks); block > 0; --block) {
    const Bytes& next = blocks[rng.below(rng.below(2) == 0 ? 1 : blocks.size())];
    data.insert(data.end(), next.begin(), next.end());
  }
  data.resize(data.size() + rng.below(16), 0xff);
  return data;
}

// Data that brings the sum which ends in a tag beside the prime, where it must be reduced once more
// or must not: to 2^130 - 5 + `offset`, if r is 1 and there is no additional data.
//
// With r = 1 a message is the sum of its blocks, each with 2^128 on top. 4m + 3 blocks, of which
// the last says the size, have 3 * 2^128 + m * 2^130 on top, and 2^130 counts as 5; the last block
// of data makes up the rest.
struct PolyBesideThePrime {
  Bytes key = unhex("0100000000000000000000000000000000112233445566778899aabbccddeeff");
  Bytes data;

  PolyBesideThePrime(std::int64_t offset, std::size_t m) : data((4 * m + 2) * 16) {
    const std::int64_t low = offset - 5 - 5 * static_cast<std::int64_t>(m);
    const std::uint64_t borrow = low < 0 ? 1 : 0;
    store_le(data.data() + data.size() - 16, static_cast<std::uint64_t>(low));
    store_le(data.data() + data.size() - 8, std::uint64_t{0} - borrow - data.size());
  }
};

// Sizes as they occur in a batch: all alike as segmentation makes them, all alike but the last, or
// anything.
inline std::vector<std::size_t> batch_sizes(Rng& rng, std::size_t most_packets) {
  const std::size_t count = 1 + rng.below(most_packets);
  const std::size_t usual = rng.below(rng.below(4) == 0 ? 16385 : 2000);
  std::vector<std::size_t> sizes(count, usual);
  switch (rng.below(3)) {
    case 0: break;
    case 1: sizes.back() = rng.below(usual + 1); break;
    default:
      for (std::size_t& size : sizes)
        size = rng.below(2000);
  }
  return sizes;
}

}  // namespace sinew::test
