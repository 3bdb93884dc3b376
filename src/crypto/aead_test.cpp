#include "crypto/aead.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <string>
#include <vector>

#include "base/encoding.h"
#include "base/rng.h"
#include "crypto/aead_kernel.h"

namespace sinew::crypto {
namespace {

Bytes hex(std::string_view text) {
  return from_hex(text).value();
}

AeadKey key_of(const Bytes& bytes) {
  return AeadKey(std::span<const std::uint8_t, kAeadKeySize>(bytes));
}

AeadNonce nonce_of(const Bytes& bytes) {
  AeadNonce nonce{};
  REQUIRE(bytes.size() == nonce.size());
  std::copy(bytes.begin(), bytes.end(), nonce.begin());
  return nonce;
}

Bytes random_bytes(Rng& rng, std::size_t size) {
  Bytes bytes(size);
  rng.fill(bytes);
  return bytes;
}

Bytes seal_with_openssl(const Bytes& key, const AeadNonce& nonce, const Bytes& aad,
                        const Bytes& plain) {
  Bytes sealed(plain.size() + kAeadTagSize);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  int written = 0;
  REQUIRE(EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, key.data(), nonce.data()) ==
          1);
  if (!aad.empty()) {
    REQUIRE(EVP_EncryptUpdate(context, nullptr, &written, aad.data(),
                              static_cast<int>(aad.size())) == 1);
  }
  if (!plain.empty()) {
    const int size = static_cast<int>(plain.size());
    REQUIRE(EVP_EncryptUpdate(context, sealed.data(), &written, plain.data(), size) == 1);
  }
  REQUIRE(EVP_EncryptFinal_ex(context, sealed.data() + plain.size(), &written) == 1);
  REQUIRE(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize,
                              sealed.data() + plain.size()) == 1);
  EVP_CIPHER_CTX_free(context);
  return sealed;
}

Bytes seal_with_sodium(const Bytes& key, const AeadNonce& nonce, const Bytes& aad,
                       const Bytes& plain) {
  Bytes sealed(plain.size() + kAeadTagSize);
  crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plain.data(), plain.size(),
                                            aad.data(), aad.size(), nullptr, nonce.data(),
                                            key.data());
  return sealed;
}

// Every test that takes a kernel runs on all that this machine has.
template <typename Test>
void on_every_kernel(Test test) {
  for (const AeadKernel* kernel : AeadCipher::supported_kernels()) {
    CAPTURE(kernel->name);
    test(*kernel);
  }
}

TEST_CASE("the AEAD seals and opens the example of RFC 8439 section 2.8.2") {
  const Bytes key = hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
  const AeadNonce nonce = nonce_of(hex("070000004041424344454647"));
  const Bytes aad = hex("50515253c0c1c2c3c4c5c6c7");
  const std::string_view text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  const Bytes plain(text.begin(), text.end());
  const Bytes expected =
      hex("d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69"
          "da92728b"
          "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b"
          "4831d7bc"
          "3ff4def08e4b7a9de576d26586cec64b6116"
          "1ae10b594f09e26a7e902ecbd0600691");
  on_every_kernel([&](const AeadKernel& kernel) {
    const AeadCipher cipher(key_of(key), kernel);
    Bytes sealed(expected.size());
    cipher.seal(nonce, aad, plain, sealed);
    CHECK(sealed == expected);
    Bytes opened(plain.size());
    REQUIRE(cipher.open(nonce, aad, sealed, opened));
    CHECK(opened == plain);
  });
}

TEST_CASE("the AEAD opens the example of RFC 8439 appendix A.5") {
  const Bytes key = hex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
  const AeadNonce nonce = nonce_of(hex("000000000102030405060708"));
  const Bytes aad = hex("f33388860000000000004e91");
  const Bytes sealed =
      hex("64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e"
          "382d26b0"
          "bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1"
          "ff37c855"
          "9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216"
          "cde7a4e9"
          "9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273"
          "f548271a"
          "0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff"
          "77987130"
          "305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b"
          "eead9d67890cbb22392336fea1851f38");
  on_every_kernel([&](const AeadKernel& kernel) {
    const AeadCipher cipher(key_of(key), kernel);
    Bytes plain(sealed.size() - kAeadTagSize);
    REQUIRE(cipher.open(nonce, aad, sealed, plain));
    CHECK(as_text(plain).starts_with(
        "Internet-Drafts are draft documents valid for a maximum of six"));
  });
}

TEST_CASE(
    "a single message agrees with OpenSSL and libsodium at every length up to 1100 and some "
    "beyond") {
  SeededRng rng(1);
  on_every_kernel([&](const AeadKernel& kernel) {
    for (std::size_t size = 0; size <= 16384; size += size < 1100 ? 1 : 997) {
      CAPTURE(size);
      const Bytes key = random_bytes(rng, kAeadKeySize);
      const AeadNonce nonce = nonce_of(random_bytes(rng, kAeadNonceSize));
      const Bytes aad = random_bytes(rng, rng.below(40));
      const Bytes plain = random_bytes(rng, size);
      const Bytes expected = seal_with_openssl(key, nonce, aad, plain);
      REQUIRE(seal_with_sodium(key, nonce, aad, plain) == expected);

      const AeadCipher cipher(key_of(key), kernel);
      Bytes sealed(size + kAeadTagSize);
      cipher.seal(nonce, aad, plain, sealed);
      REQUIRE(sealed == expected);
      Bytes opened(size);
      REQUIRE(cipher.open(nonce, aad, sealed, opened));
      REQUIRE(opened == plain);
    }
  });
}

// A batch of random packets, sealed one by one with OpenSSL as the reference.
struct Batch {
  Bytes key;
  std::vector<std::uint64_t> counters;
  std::vector<Bytes> plain;
  std::vector<Bytes> expected;

  Batch(Rng& rng, const std::vector<std::size_t>& sizes) : key(random_bytes(rng, kAeadKeySize)) {
    for (const std::size_t size : sizes) {
      counters.push_back(rng.number<std::uint64_t>());
      plain.push_back(random_bytes(rng, size));
      expected.push_back(
          seal_with_openssl(key, nonce_of_counter(counters.back()), {}, plain.back()));
    }
  }
};

// Sizes as they occur: all alike as segmentation makes them, all alike but the last, or anything.
std::vector<std::size_t> random_sizes(Rng& rng) {
  const std::size_t count = 1 + rng.below(70);
  const std::size_t usual = rng.below(rng.below(4) == 0 ? 16385 : 2000);
  std::vector<std::size_t> sizes(count, usual);
  switch (rng.below(3)) {
    case 0: break;
    case 1: sizes.back() = rng.below(usual + 1); break;
    case 2:
      for (std::size_t& size : sizes)
        size = rng.below(2000);
      break;
    default: break;
  }
  return sizes;
}

TEST_CASE("a batch gives what single calls of OpenSSL give, and opens again, in place or not") {
  SeededRng rng(2);
  on_every_kernel([&](const AeadKernel& kernel) {
    for (int round = 0; round < 150; ++round) {
      const Batch batch(rng, random_sizes(rng));
      const std::size_t count = batch.plain.size();
      const AeadCipher cipher(key_of(batch.key), kernel);
      const bool is_in_place = rng.below(2) == 0;
      std::vector<Bytes> sealed(count);
      std::vector<SealItem> seals;
      for (std::size_t i = 0; i < count; ++i) {
        sealed[i] = batch.plain[i];
        sealed[i].resize(batch.plain[i].size() + kAeadTagSize);
        const ByteView source = is_in_place ? sealed[i] : batch.plain[i];
        seals.push_back({batch.counters[i], source.first(batch.plain[i].size()), sealed[i]});
      }
      cipher.seal_batch(seals);
      REQUIRE(sealed == batch.expected);

      std::vector<Bytes> opened(count);
      std::vector<OpenItem> opens;
      for (std::size_t i = 0; i < count; ++i) {
        opened[i].resize(batch.plain[i].size());
        const ByteSpan target = is_in_place ? ByteSpan(sealed[i]) : ByteSpan(opened[i]);
        opens.push_back({batch.counters[i], sealed[i], target.first(batch.plain[i].size())});
      }
      REQUIRE(cipher.open_batch(opens) == count);
      for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(opens[i].is_authentic);
        REQUIRE(std::equal(batch.plain[i].begin(), batch.plain[i].end(), opens[i].plain.begin()));
      }
    }
  });
}

TEST_CASE(
    "one changed bit anywhere makes exactly that packet unauthentic and leaves its output "
    "untouched") {
  SeededRng rng(3);
  on_every_kernel([&](const AeadKernel& kernel) {
    for (int round = 0; round < 150; ++round) {
      Batch batch(rng, random_sizes(rng));
      const std::size_t count = batch.plain.size();
      const std::size_t victim = rng.below(count);
      Bytes& damaged = batch.expected[victim];
      damaged[rng.below(damaged.size())] ^= static_cast<std::uint8_t>(1U << rng.below(8));

      std::vector<Bytes> opened(count);
      std::vector<OpenItem> opens;
      for (std::size_t i = 0; i < count; ++i) {
        opened[i].assign(batch.plain[i].size(), 0xee);
        opens.push_back({batch.counters[i], batch.expected[i], opened[i]});
      }
      REQUIRE(AeadCipher(key_of(batch.key), kernel).open_batch(opens) == count - 1);
      for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(opens[i].is_authentic == (i != victim));
        REQUIRE(opened[i] == (i == victim ? Bytes(opened[i].size(), 0xee) : batch.plain[i]));
      }
    }
  });
}

TEST_CASE("another nonce, other additional data or a packet shorter than a tag is not authentic") {
  const AeadKey key = key_of(Bytes(kAeadKeySize, 7));
  on_every_kernel([&](const AeadKernel& kernel) {
    const AeadCipher cipher(key, kernel);
    const Bytes plain(100, 1);
    Bytes sealed(116);
    Bytes out(100, 0xee);
    cipher.seal(nonce_of_counter(1), Bytes(3, 9), plain, sealed);
    CHECK_FALSE(cipher.open(nonce_of_counter(2), Bytes(3, 9), sealed, out));
    CHECK_FALSE(cipher.open(nonce_of_counter(1), Bytes(4, 9), sealed, out));
    CHECK_FALSE(cipher.open(nonce_of_counter(1), {}, sealed, out));
    CHECK_FALSE(cipher.open(nonce_of_counter(1), {}, Bytes(15), {}));
    CHECK(out == Bytes(100, 0xee));
    OpenItem item = {1, ByteView(sealed).first(15), {}};
    CHECK(cipher.open_batch({&item, 1}) == 0);
    CHECK_FALSE(item.is_authentic);
  });
}

Bytes poly1305_with_openssl(const Bytes& key, const Bytes& message) {
  Bytes tag(16);
  EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "POLY1305", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(algorithm);
  std::size_t written = 0;
  REQUIRE(EVP_MAC_init(context, key.data(), key.size(), nullptr) == 1);
  REQUIRE(EVP_MAC_update(context, message.data(), message.size()) == 1);
  REQUIRE(EVP_MAC_final(context, tag.data(), &written, tag.size()) == 1);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(algorithm);
  return tag;
}

// As RFC 8439 section 2.8 puts it together.
Bytes padded_with_lengths(const Bytes& aad, const Bytes& data) {
  Bytes message;
  for (const Bytes& part : {aad, data}) {
    message.insert(message.end(), part.begin(), part.end());
    message.resize((message.size() + 15) / 16 * 16);
  }
  message.resize(message.size() + 16);
  store_le<std::uint64_t>(message.data() + message.size() - 16, aad.size());
  store_le<std::uint64_t>(message.data() + message.size() - 8, data.size());
  return message;
}

// The factors of RFC 8439 appendix A.3 (vectors 7 to 11: 2, 1 and 1 + 2^66) and the extremes of
// clamping, with data of all ones, all zeros and values beside the prime, in every size that begins
// another way.
TEST_CASE("Poly1305 carries right with the worst factors and the worst data") {
  const std::vector<Bytes> factors = {
      hex("00000000000000000000000000000000"), hex("01000000000000000000000000000000"),
      hex("02000000000000000000000000000000"), hex("01000000000000000400000000000000"),
      hex("ffffffffffffffffffffffffffffffff"), hex("fbffffffffffffffffffffffffffffff")};
  const std::vector<Bytes> blocks = {
      hex("ffffffffffffffffffffffffffffffff"), hex("00000000000000000000000000000000"),
      hex("fbfffffffffffffffffffffffffffff0"), hex("fbfefefefefefefefefefefefefefefe"),
      hex("fdffffffffffffffffffffffffffffff"), hex("01010101010101010101010101010101")};
  SeededRng rng(4);
  on_every_kernel([&](const AeadKernel& kernel) {
    for (int round = 0; round < 1500; ++round) {
      const std::size_t count = 1 + rng.below(kernel.max_jobs);
      std::vector<Bytes> keys;
      std::vector<Bytes> data;
      std::vector<PolyMessage> messages;
      const Bytes aad = random_bytes(rng, rng.below(3) == 0 ? rng.below(40) : 0);
      for (std::size_t i = 0; i < count; ++i) {
        keys.push_back(factors[rng.below(factors.size())]);
        keys.back().resize(32, static_cast<std::uint8_t>(rng.below(2) * 0xff));
        data.emplace_back();
        for (std::size_t block = rng.below(round % 100 == 0 ? 600 : 70); block > 0; --block) {
          const Bytes& next = blocks[rng.below(rng.below(2) == 0 ? 1 : blocks.size())];
          data.back().insert(data.back().end(), next.begin(), next.end());
        }
        data.back().resize(data.back().size() + rng.below(16), 0xff);
      }
      for (std::size_t i = 0; i < count; ++i) {
        messages.push_back(
            {keys[i].data(), aad.data(), aad.size(), data[i].data(), data[i].size(), {}});
      }
      kernel.authenticate(messages.data(), count);
      for (std::size_t i = 0; i < count; ++i) {
        const Bytes tag(messages[i].tag, messages[i].tag + 16);
        REQUIRE(tag == poly1305_with_openssl(keys[i], padded_with_lengths(aad, data[i])));
      }
    }
  });
}

}  // namespace
}  // namespace sinew::crypto
