#include "crypto/blake2s.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <new>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::crypto;

namespace {

// RFC 7693 appendix E: bytes from a Fibonacci generator.
Bytes self_test_sequence(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  std::uint32_t a = 0xdead4bad * seed;
  std::uint32_t b = 1;
  for (std::uint8_t& byte : bytes) {
    const std::uint32_t next = a + b;
    a = b;
    b = next;
    byte = static_cast<std::uint8_t>(next >> 24);
  }
  return bytes;
}

Bytes digest_of(std::size_t size, ByteView data, ByteView key = {}) {
  Blake2s hash(size, key);
  hash.update(data);
  Bytes digest(size);
  hash.finish(digest);
  return digest;
}

Bytes by_openssl(ByteView data) {
  Bytes digest(Blake2s::kDigestSize);
  REQUIRE(EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_blake2s256(), nullptr));
  return digest;
}

Bytes mac_by_openssl(std::size_t size, ByteView data, ByteView key) {
  const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac(
      EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr), EVP_MAC_free);
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(
      EVP_MAC_CTX_new(mac.get()), EVP_MAC_CTX_free);
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t("size", &size),
                                   OSSL_PARAM_construct_end()};
  Bytes digest(size);
  REQUIRE(EVP_MAC_init(context.get(), key.data(), key.size(), parameters) == 1);
  REQUIRE(EVP_MAC_update(context.get(), data.data(), data.size()) == 1);
  REQUIRE(EVP_MAC_final(context.get(), digest.data(), nullptr, size) == 1);
  return digest;
}

}  // namespace

TEST_CASE("BLAKE2s agrees with RFC 7693 appendix B") {
  CHECK(to_hex(blake2s(as_bytes("abc"))) ==
        "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

TEST_CASE("BLAKE2s passes the self-test of RFC 7693 appendix E") {
  Blake2s all;
  for (const std::size_t digest_size : {16U, 20U, 28U, 32U}) {
    for (const std::uint32_t size : {0U, 3U, 64U, 65U, 255U, 1024U}) {
      const Bytes data = self_test_sequence(size, size);
      all.update(digest_of(digest_size, data));
      const Bytes key = self_test_sequence(digest_size, static_cast<std::uint32_t>(digest_size));
      all.update(digest_of(digest_size, data, key));
    }
  }
  std::array<std::uint8_t, 32> digest;
  all.finish(digest);
  CHECK(to_hex(digest) == "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

TEST_CASE("keyed BLAKE2s agrees with the official known answers") {
  // blake2s-kat: the key is 00..1f, the input 00, 01, ...
  const std::pair<std::size_t, std::string_view> answers[] = {
      {0, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"},
      {1, "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"},
      {63, "c65382513f07460da39833cb666c5ed82e61b9e998f4b0c4287cee56c3cc9bcd"},
      {64, "8975b0577fd35566d750b362b0897a26c399136df07bababbde6203ff2954ed4"},
      {65, "21fe0ceb0052be7fb0f004187cacd7de67fa6eb0938d927677f2398c132317a8"},
      {127, "ddbfea75cc467882eb3483ce5e2e756a4f4701b76b445519e89f22d60fa86e06"},
      {128, "0c311f38c35a4fb90d651c289d486856cd1413df9b0677f53ece2cd9e477c60a"},
      {255, "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd"},
  };
  for (const auto& [size, digest] : answers) {
    CAPTURE(size);
    CHECK(to_hex(blake2s(test::counting(size), test::counting(32))) == digest);
  }
}

TEST_CASE("BLAKE2s agrees with OpenSSL at every length around its blocks") {
  SeededRng rng(1);
  for (std::size_t size = 0; size <= 300; ++size) {
    const Bytes data = test::random_bytes(rng, size);
    CHECK(digest_of(32, data) == by_openssl(data));
  }
  for (int round = 0; round < 200; ++round) {
    const Bytes data = test::random_bytes(rng, rng.below(16'385));
    CHECK(digest_of(32, data) == by_openssl(data));
  }
}

TEST_CASE("keyed BLAKE2s agrees with OpenSSL at every digest and key size") {
  SeededRng rng(2);
  for (std::size_t digest_size = 1; digest_size <= 32; ++digest_size) {
    for (std::size_t key_size = 1; key_size <= 32; ++key_size) {
      const Bytes key = test::random_bytes(rng, key_size);
      const Bytes data = test::random_bytes(rng, rng.below(200));
      CHECK(digest_of(digest_size, data, key) == mac_by_openssl(digest_size, data, key));
    }
  }
}

TEST_CASE("a message hashed in pieces hashes as a whole") {
  SeededRng rng(3);
  for (int round = 0; round < 2'000; ++round) {
    const Bytes data = test::random_bytes(rng, rng.below(600));
    Blake2s hash;
    for (ByteView rest = data; !rest.empty();) {
      const std::size_t size = 1 + rng.below(std::min<std::size_t>(rest.size(), 130));
      hash.update(rest.first(size));
      rest = rest.subspan(size);
      hash.update({});
    }
    Bytes digest(32);
    hash.finish(digest);
    CHECK(digest == digest_of(32, data));
  }
}

TEST_CASE("a copy goes on by itself") {
  Blake2s hash;
  hash.update(as_bytes("a"));
  Blake2s copy = hash;
  hash.update(as_bytes("bc"));
  copy.update(as_bytes("xy"));
  Bytes digest(32);
  copy.finish(digest);
  CHECK(digest == digest_of(32, as_bytes("axy")));
  hash.finish(digest);
  CHECK(digest == digest_of(32, as_bytes("abc")));
}

TEST_CASE("the key leaves no trace when a keyed hash dies") {
  Bytes key(32, 0xa5);
  alignas(Blake2s) std::array<std::uint8_t, sizeof(Blake2s)> storage{};
  const auto* hash = new (storage.data()) Blake2s(32, key);
  REQUIRE(std::ranges::search(storage, key).begin() != storage.end());
  std::destroy_at(hash);
  CHECK(std::ranges::find(storage, std::uint8_t{0xa5}) == storage.end());
}
