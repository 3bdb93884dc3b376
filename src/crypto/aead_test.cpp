#include "crypto/aead.h"

#include <doctest/doctest.h>
#include <sodium.h>

#include <algorithm>
#include <vector>

#include "crypto/aead_kernel.h"
#include "support/aead_judge.h"

namespace sinew::crypto {
namespace {

using test::random_bytes;

AeadKey key_of(const Bytes& bytes) {
  return AeadKey(std::span<const std::uint8_t, kAeadKeySize>(bytes));
}

AeadNonce nonce_of(const Bytes& bytes) {
  AeadNonce nonce{};
  REQUIRE(bytes.size() == nonce.size());
  std::copy(bytes.begin(), bytes.end(), nonce.begin());
  return nonce;
}

Bytes seal_by_sodium(const Bytes& key, const AeadNonce& nonce, const Bytes& aad,
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
    CAPTURE(std::string_view(kernel->name));
    test(*kernel);
  }
}

TEST_CASE("the AEAD seals and opens the examples of RFC 8439") {
  on_every_kernel([](const AeadKernel& kernel) {
    for (const test::AeadExample& example : test::examples_of_rfc8439()) {
      const AeadCipher cipher(key_of(example.key), kernel);
      const AeadNonce nonce = nonce_of(example.nonce);
      Bytes sealed(example.sealed.size());
      cipher.seal(nonce, example.aad, example.plain, sealed);
      CHECK(sealed == example.sealed);
      Bytes opened(example.plain.size());
      REQUIRE(cipher.open(nonce, example.aad, sealed, opened));
      CHECK(opened == example.plain);
    }
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
      const Bytes expected = test::seal_by_openssl(key, nonce, aad, plain);
      REQUIRE(seal_by_sodium(key, nonce, aad, plain) == expected);

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
          test::seal_by_openssl(key, nonce_of_counter(counters.back()), {}, plain.back()));
    }
  }
};

TEST_CASE("a batch gives what single calls of OpenSSL give, and opens again, in place or not") {
  SeededRng rng(2);
  on_every_kernel([&](const AeadKernel& kernel) {
    for (int round = 0; round < 150; ++round) {
      const Batch batch(rng, test::batch_sizes(rng, 70));
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
      Batch batch(rng, test::batch_sizes(rng, 70));
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

TEST_CASE("Poly1305 carries right with the worst factors and the worst data") {
  SeededRng rng(4);
  on_every_kernel([&](const AeadKernel& kernel) {
    for (int round = 0; round < 1500; ++round) {
      const Bytes aad = random_bytes(rng, rng.below(3) == 0 ? rng.below(40) : 0);
      std::vector<Bytes> keys(1 + rng.below(kernel.max_jobs));
      std::vector<Bytes> data(keys.size());
      std::vector<PolyMessage> messages(keys.size());
      for (std::size_t i = 0; i < keys.size(); ++i) {
        keys[i] = test::worst_poly_key(rng);
        data[i] = test::worst_poly_data(rng, round % 100 == 0 ? 600 : 70);
        messages[i] = {keys[i].data(), aad.data(), aad.size(), data[i].data(), data[i].size(), {}};
      }
      kernel.authenticate(messages.data(), messages.size());
      for (std::size_t i = 0; i < keys.size(); ++i) {
        const Bytes tag(messages[i].tag, messages[i].tag + 16);
        REQUIRE(tag == test::authenticate_by_openssl(keys[i], aad, data[i]));
      }
    }
  });
}

TEST_CASE("Poly1305 reduces a sum right that lies beside the prime") {
  on_every_kernel([&](const AeadKernel& kernel) {
    for (std::size_t m = 0; m < 40; ++m) {
      for (std::int64_t offset = -6; offset <= 8; ++offset) {
        CAPTURE(offset);
        const test::PolyBesideThePrime worst(offset, m);
        const Bytes expected = test::authenticate_by_openssl(worst.key, {}, worst.data);
        std::vector<PolyMessage> messages(
            kernel.max_jobs,
            {worst.key.data(), nullptr, 0, worst.data.data(), worst.data.size(), {}});
        kernel.authenticate(messages.data(), messages.size());
        for (const PolyMessage& message : messages) {
          REQUIRE(std::ranges::equal(message.tag, expected));
        }
      }
    }
  });
}

}  // namespace
}  // namespace sinew::crypto
