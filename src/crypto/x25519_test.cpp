#include "crypto/x25519.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <concepts>
#include <memory>
#include <ostream>
#include <type_traits>
#include <unordered_set>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::crypto;
using test::unhex;

namespace {

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!std::equality_comparable<X25519PrivateKey>);
static_assert(!std::equality_comparable<SharedSecret>);
static_assert(!Printable<X25519PrivateKey>);
static_assert(!std::is_copy_constructible_v<X25519PrivateKey>);
static_assert(!std::is_convertible_v<X25519PrivateKey, X25519PublicKey>);
static_assert(!std::is_convertible_v<X25519PublicKey, X25519PrivateKey>);
static_assert(std::is_trivially_copyable_v<X25519PublicKey>);

X25519PrivateKey private_key(std::string_view hex) {
  return X25519PrivateKey(unhex<32>(hex));
}

X25519PublicKey public_key(std::string_view hex) {
  return X25519PublicKey(unhex<32>(hex));
}

std::string shared(const X25519PrivateKey& ours, const X25519PublicKey& theirs) {
  const auto secret = x25519(ours, theirs);
  return secret ? to_hex(secret->expose()) : "refused";
}

using Pkey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

std::string shared_by_openssl(const X25519PrivateKey& ours, const X25519PublicKey& theirs) {
  const Pkey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, ours.expose().data(), 32),
                 EVP_PKEY_free);
  const Pkey peer(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.bytes().data(), 32),
                  EVP_PKEY_free);
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new(key.get(), nullptr), EVP_PKEY_CTX_free);
  std::array<std::uint8_t, 32> out;
  std::size_t size = out.size();
  REQUIRE(EVP_PKEY_derive_init(context.get()) == 1);
  REQUIRE(EVP_PKEY_derive_set_peer(context.get(), peer.get()) == 1);
  return EVP_PKEY_derive(context.get(), out.data(), &size) == 1 ? to_hex(out) : "refused";
}

}  // namespace

TEST_CASE("X25519 agrees with RFC 7748 section 5.2") {
  CHECK(shared(private_key("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
               public_key("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")) ==
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  CHECK(shared(private_key("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d"),
               public_key("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493")) ==
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

TEST_CASE("X25519 applied to its own output 1,000 times agrees with RFC 7748 section 5.2") {
  auto k = unhex<32>("0900000000000000000000000000000000000000000000000000000000000000");
  auto u = k;
  for (int round = 1; round <= 1'000; ++round) {
    const auto secret = x25519(X25519PrivateKey(k), X25519PublicKey(u));
    REQUIRE(secret);
    u = k;
    std::ranges::copy(secret->expose(), k.begin());
    if (round == 1) {
      CHECK(to_hex(k) == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    }
  }
  CHECK(to_hex(k) == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

TEST_CASE("two parties agree as in RFC 7748 section 6.1") {
  const auto alice =
      private_key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
  const auto bob = private_key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  CHECK(to_hex(alice.public_key().bytes()) ==
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  CHECK(to_hex(bob.public_key().bytes()) ==
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const std::string_view secret =
      "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  CHECK(shared(alice, bob.public_key()) == secret);
  CHECK(shared(bob, alice.public_key()) == secret);
}

TEST_CASE("T-WG-LOWORDER/L13: every encoding of a point of low order is refused") {
  // Orders 1, 2, 4 and 8 and their encodings above the prime, each also with the top bit set, which
  // RFC 7748 ignores.
  const std::string_view points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
  SeededRng rng(13);
  for (const std::string_view point : points) {
    for (const unsigned top_bit : {0x00U, 0x80U}) {
      auto bytes = unhex<32>(point);
      bytes[31] = static_cast<std::uint8_t>(bytes[31] | top_bit);
      for (int key = 0; key < 8; ++key) {
        const auto ours = X25519PrivateKey::generate(rng);
        CAPTURE(point);
        CHECK(shared(ours, X25519PublicKey(bytes)) == "refused");
      }
    }
  }
}

TEST_CASE("a public key above the prime is read modulo the prime") {
  // 2^255 - 10 is 9, the base point.
  const auto high = public_key("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
  SeededRng rng(4);
  const auto ours = X25519PrivateKey::generate(rng);
  CHECK(shared(ours, high) == to_hex(ours.public_key().bytes()));
}

TEST_CASE("X25519 agrees with OpenSSL on random keys") {
  SeededRng rng(5);
  for (int round = 0; round < 200; ++round) {
    const auto ours = X25519PrivateKey::generate(rng);
    const X25519PublicKey theirs(test::random_array<32>(rng));
    CHECK(shared(ours, theirs) == shared_by_openssl(ours, theirs));
  }
}

TEST_CASE("a private key is clamped as soon as it is made") {
  for (const std::uint8_t byte : {std::uint8_t{0x00}, std::uint8_t{0xff}}) {
    std::array<std::uint8_t, 32> bytes;
    bytes.fill(byte);
    const X25519PrivateKey key(bytes);
    CHECK((key.expose()[0] & 7) == 0);
    CHECK((key.expose()[31] & 0xc0) == 0x40);
    CHECK(X25519PrivateKey(key.expose()).public_key() == key.public_key());
    CHECK(key.clone().public_key() == key.public_key());
  }
}

TEST_CASE("a private key is made of what the Rng gives") {
  SeededRng rng(6);
  SeededRng twin(6);
  const auto generated = X25519PrivateKey::generate(rng);
  CHECK(generated.public_key() == X25519PrivateKey(test::random_array<32>(twin)).public_key());
  CHECK(X25519PrivateKey::generate(rng).public_key() != generated.public_key());
}

TEST_CASE("a public key has one text") {
  SeededRng rng(7);
  const auto key = X25519PrivateKey::generate(rng).public_key();
  const std::string text = key.to_string();
  CHECK(text.size() == 44);
  CHECK(X25519PublicKey::parse(text).value() == key);
  for (const std::string& wrong :
       {std::string(), text.substr(1), text + "=", text + "\n", " " + text, text.substr(0, 43),
        to_base64(test::counting(31)), to_base64(test::counting(33)), to_hex(key.bytes())}) {
    CAPTURE(wrong);
    const auto parsed = X25519PublicKey::parse(wrong);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().kind == ErrorKind::kInvalid);
    if (wrong.size() > 8) CHECK(parsed.error().message.find(wrong) == std::string::npos);
  }
  // The last character holds two bits that must be zero.
  std::string loose = text;
  loose[42] = static_cast<char>(loose[42] + 1);
  CHECK_FALSE(X25519PublicKey::parse(loose).has_value());
}

TEST_CASE("hashes of public keys differ when one byte differs") {
  std::unordered_set<std::size_t> hashes;
  for (std::size_t i = 0; i < 32; ++i) {
    std::array<std::uint8_t, 32> bytes{};
    bytes[i] = 1;
    hashes.insert(hash_of(X25519PublicKey(bytes)));
  }
  CHECK(hashes.size() == 32);
}
