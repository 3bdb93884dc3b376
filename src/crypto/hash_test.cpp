#include "crypto/hash.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::crypto;
using test::unhex;

namespace {

Bytes as_vector(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

Bytes hmac_by_openssl(const EVP_MD* hash, ByteView key, ByteView data) {
  Bytes mac(32);
  // A null key would mean "the key of before".
  const std::uint8_t none = 0;
  REQUIRE(HMAC(hash, key.empty() ? &none : key.data(), static_cast<int>(key.size()), data.data(),
               data.size(), mac.data(), nullptr));
  return mac;
}

struct HkdfVector {
  Bytes input, salt, info;
  std::string_view key, out;
};

}  // namespace

TEST_CASE("SHA-256 agrees with FIPS 180-4") {
  CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(sha256(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("SHA-256 agrees with OpenSSL, whole and in pieces") {
  SeededRng rng(1);
  for (std::size_t round = 0; round < 400; ++round) {
    const Bytes data = test::random_bytes(rng, round < 200 ? round : rng.below(16'385));
    Bytes theirs(32);
    REQUIRE(EVP_Digest(data.data(), data.size(), theirs.data(), nullptr, EVP_sha256(), nullptr));
    CHECK(as_vector(sha256(data)) == theirs);
    Sha256 pieces;
    const std::size_t cut = rng.below(data.size() + 1);
    pieces.update(ByteView(data).first(cut));
    pieces.update(ByteView(data).subspan(cut));
    Bytes digest(32);
    pieces.finish(digest);
    CHECK(digest == theirs);
  }
}

TEST_CASE("HMAC-SHA-256 agrees with RFC 4231") {
  const Bytes long_key(131, 0xaa);
  CHECK(to_hex(hmac<Sha256>(Bytes(20, 0x0b), as_bytes("Hi There"))) ==
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  CHECK(to_hex(hmac<Sha256>(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(to_hex(hmac<Sha256>(Bytes(20, 0xaa), Bytes(50, 0xdd))) ==
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  CHECK(to_hex(hmac<Sha256>(test::counting(25, 1), Bytes(50, 0xcd))) ==
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
  // The RFC cuts this one to 128 bits.
  CHECK(to_hex(hmac<Sha256>(Bytes(20, 0x0c), as_bytes("Test With Truncation")))
            .starts_with("a3b6167473100ee06e0c796c2955552b"));
  CHECK(to_hex(hmac<Sha256>(long_key,
                            as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(to_hex(hmac<Sha256>(
            long_key, as_bytes("This is a test using a larger than block-size key and a larger "
                               "than block-size data. The key needs to be hashed before being "
                               "used by the HMAC algorithm."))) ==
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

TEST_CASE("HMAC agrees with OpenSSL over both hashes") {
  SeededRng rng(2);
  for (std::size_t key_size = 0; key_size < 150; ++key_size) {
    const Bytes key = test::random_bytes(rng, key_size);
    const Bytes data = test::random_bytes(rng, rng.below(300));
    CHECK(as_vector(hmac<Sha256>(key, data)) == hmac_by_openssl(EVP_sha256(), key, data));
    CHECK(as_vector(hmac<Blake2s>(key, data)) == hmac_by_openssl(EVP_blake2s256(), key, data));
  }
}

TEST_CASE("HKDF-SHA-256 agrees with RFC 5869 appendix A") {
  const HkdfVector vectors[] = {
      {Bytes(22, 0x0b), test::counting(13), test::counting(10, 0xf0),
       "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
       "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
      {test::counting(80), test::counting(80, 0x60), test::counting(80, 0xb0),
       "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
       "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
       "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
       "cc30c58179ec3e87c14c01d5c1f3434f1d87"},
      {Bytes(22, 0x0b),
       {},
       {},
       "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
       "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
  };
  for (const HkdfVector& vector : vectors) {
    const auto key = hkdf_extract<Sha256>(vector.salt, vector.input);
    CHECK(to_hex(key.expose()) == vector.key);
    Bytes out(vector.out.size() / 2);
    hkdf_expand<Sha256>(key, vector.info, out);
    CHECK(to_hex(out) == vector.out);
  }
}

TEST_CASE("HKDF fills up to 255 digests") {
  const auto key = hkdf_extract<Sha256>({}, as_bytes("key material"));
  Bytes longest(255 * 32);
  hkdf_expand<Sha256>(key, {}, longest);
  Bytes shorter(254 * 32 + 1);
  hkdf_expand<Sha256>(key, {}, shorter);
  CHECK(std::equal(shorter.begin(), shorter.end(), longest.begin()));
  hkdf_expand<Sha256>(key, {}, {});
}

TEST_CASE("the Noise KDF is the chain of HMACs its specification spells out") {
  SeededRng rng(3);
  for (int round = 0; round < 50; ++round) {
    const SecretArray<32> chaining_key(test::random_array<32>(rng));
    const Bytes input = test::random_bytes(rng, rng.below(2) * 32);
    const Bytes temp = hmac_by_openssl(EVP_blake2s256(), chaining_key.expose(), input);
    const Bytes first = hmac_by_openssl(EVP_blake2s256(), temp, Bytes{1});
    Bytes more = first;
    more.push_back(2);
    const Bytes second = hmac_by_openssl(EVP_blake2s256(), temp, more);
    more = second;
    more.push_back(3);
    const Bytes third = hmac_by_openssl(EVP_blake2s256(), temp, more);

    const auto [a] = noise_kdf<1>(chaining_key, input);
    CHECK(as_vector(a.expose()) == first);
    const auto [b, c] = noise_kdf<2>(chaining_key, input);
    CHECK(as_vector(b.expose()) == first);
    CHECK(as_vector(c.expose()) == second);
    const auto [d, e, f] = noise_kdf<3>(chaining_key, input);
    CHECK(as_vector(d.expose()) == first);
    CHECK(as_vector(e.expose()) == second);
    CHECK(as_vector(f.expose()) == third);
  }
}
