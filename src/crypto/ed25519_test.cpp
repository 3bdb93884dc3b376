#include "crypto/ed25519.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <concepts>
#include <memory>
#include <ostream>
#include <type_traits>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::crypto;
using test::unhex;

namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!std::equality_comparable<Ed25519SigningKey>);
static_assert(!Printable<Ed25519SigningKey>);
static_assert(!std::is_copy_constructible_v<Ed25519SigningKey>);

using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::array<std::uint8_t, 64> sign_by_openssl(const Ed25519SigningKey& key, ByteView message) {
  const Pkey pkey(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, key.expose_seed().data(), 32),
      EVP_PKEY_free);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  std::array<std::uint8_t, 64> signature;
  std::size_t size = signature.size();
  REQUIRE(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, pkey.get()) == 1);
  REQUIRE(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) ==
          1);
  return signature;
}

}  // namespace

TEST_CASE("Ed25519 agrees with RFC 8032 section 7.1") {
  struct Vector {
    std::string_view seed, key, message, signature;
  };
  const Vector vectors[] = {
      {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
       "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
       "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701"
       "cf9b46bd25bf5f0595bbe24655141438e7a100b"},
      {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
       "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
       "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d"
       "0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
      {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
       "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
       "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f7609"
       "84dc6594a7c15e9716ed28dc027beceea1ec40a"}};
  for (const Vector& vector : vectors) {
    const Ed25519SigningKey key(unhex<32>(vector.seed));
    const Bytes message = unhex(vector.message);
    CHECK(to_hex(key.verify_key().bytes()) == vector.key);
    CHECK(to_hex(key.sign(message).bytes()) == vector.signature);
    CHECK(key.verify_key().verify(message, key.sign(message)));
  }
}

TEST_CASE("Ed25519 agrees with OpenSSL on random messages") {
  SeededRng rng(1);
  for (int round = 0; round < 100; ++round) {
    const auto key = Ed25519SigningKey::generate(rng);
    const Bytes message = test::random_bytes(rng, rng.below(16'385));
    const Ed25519Signature signature = key.sign(message);
    CHECK(signature.bytes() == sign_by_openssl(key, message));
    CHECK(key.verify_key().verify(message, signature));
  }
}

TEST_CASE("a signature with any bit flipped is refused, and so is another message or key") {
  SeededRng rng(2);
  const auto key = Ed25519SigningKey::generate(rng);
  const auto other = Ed25519SigningKey::generate(rng);
  const Ed25519Signature signature = key.sign(as_bytes("update 1.2.3"));
  for (std::size_t bit = 0; bit < 512; ++bit) {
    auto bytes = signature.bytes();
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ 1U << bit % 8);
    CHECK_FALSE(key.verify_key().verify(as_bytes("update 1.2.3"), Ed25519Signature(bytes)));
  }
  CHECK_FALSE(key.verify_key().verify(as_bytes("update 1.2.4"), signature));
  CHECK_FALSE(other.verify_key().verify(as_bytes("update 1.2.3"), signature));
}

TEST_CASE("a second form of a valid signature is refused") {
  // S + L, where L is the order of the base point: the same scalar in another encoding.
  const auto order = unhex<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  SeededRng rng(3);
  const auto key = Ed25519SigningKey::generate(rng);
  auto bytes = key.sign(as_bytes("x")).bytes();
  unsigned carry = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    carry += bytes[32 + i] + order[i];
    bytes[32 + i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  CHECK_FALSE(key.verify_key().verify(as_bytes("x"), Ed25519Signature(bytes)));
}

TEST_CASE("a verify key of low order verifies nothing") {
  // The neutral element as key and as R, with S = 0, satisfies the equation for every message.
  const auto neutral =
      unhex<32>("0100000000000000000000000000000000000000000000000000000000000000");
  std::array<std::uint8_t, 64> signature{};
  signature[0] = 1;
  CHECK_FALSE(Ed25519VerifyKey(neutral).verify(as_bytes("x"), Ed25519Signature(signature)));
}

TEST_CASE("a verify key has one text") {
  SeededRng rng(4);
  const auto key = Ed25519SigningKey::generate(rng).verify_key();
  CHECK(Ed25519VerifyKey::parse(key.to_string()).value() == key);
  CHECK_FALSE(Ed25519VerifyKey::parse(key.to_string() + "=").has_value());
  CHECK_FALSE(Ed25519VerifyKey::parse(to_base64(test::counting(33))).has_value());
  CHECK_FALSE(Ed25519VerifyKey::parse("").has_value());
}

TEST_CASE("a signing key comes back from its seed") {
  SeededRng rng(5);
  const auto key = Ed25519SigningKey::generate(rng);
  CHECK(Ed25519SigningKey(key.expose_seed()).verify_key() == key.verify_key());
}
