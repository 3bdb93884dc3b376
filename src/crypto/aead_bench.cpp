// What a packet costs: our AEAD, one at a time and in batches on every kernel, against OpenSSL's
// EVP interface as a careful caller uses it (key set once, nonce per packet) and libsodium, in the
// same run.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"
#include "crypto/aead.h"
#include "crypto/aead_kernel.h"

namespace {

using namespace sinew;
using namespace sinew::crypto;

constexpr std::array<std::uint8_t, kAeadKeySize> kKeyBytes = {1, 2, 3, 4, 5, 6, 7, 8};
constexpr std::size_t kSizes[] = {64, 512, 1420, 8920};
constexpr std::size_t kBatches[] = {1, 8, 32};

AeadKey test_key() {
  return AeadKey(std::span<const std::uint8_t, kAeadKeySize>(kKeyBytes));
}

// Packets of one size, plain and sealed, in one piece of memory that fits the second-level cache.
struct Packets {
  std::size_t size;
  std::size_t count;
  Bytes plain;
  Bytes sealed;

  Packets(std::size_t packet_size, std::size_t packet_count)
      : size(packet_size),
        count(packet_count),
        plain(packet_size * packet_count, 0x5a),
        sealed((packet_size + kAeadTagSize) * packet_count) {}
  ByteSpan plain_at(std::size_t i) { return ByteSpan(plain).subspan(i * size, size); }
  ByteSpan sealed_at(std::size_t i) {
    return ByteSpan(sealed).subspan(i * (size + kAeadTagSize), size + kAeadTagSize);
  }
};

void report(benchmark::State& state, const Packets& packets) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(packets.count));
}

void ours_seal(benchmark::State& state, const AeadKernel* kernel, std::size_t size,
               std::size_t count) {
  const AeadCipher cipher(test_key(), *kernel);
  Packets packets(size, count);
  std::vector<SealItem> items(count);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < count; ++i)
      items[i] = {counter++, packets.plain_at(i), packets.sealed_at(i)};
    cipher.seal_batch(items);
    benchmark::ClobberMemory();
  }
  report(state, packets);
}

void ours_open(benchmark::State& state, const AeadKernel* kernel, std::size_t size,
               std::size_t count) {
  const AeadCipher cipher(test_key(), *kernel);
  Packets packets(size, count);
  std::vector<OpenItem> items(count);
  for (std::size_t i = 0; i < count; ++i) {
    const SealItem item = {i, packets.plain_at(i), packets.sealed_at(i)};
    cipher.seal_batch({&item, 1});
    items[i] = {i, packets.sealed_at(i), packets.plain_at(i)};
  }
  for (auto _ : state) {
    VERIFY(cipher.open_batch(items) == count);
    benchmark::ClobberMemory();
  }
  report(state, packets);
}

void openssl_seal(benchmark::State& state, std::size_t size) {
  Packets packets(size, 1);
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  VERIFY(EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, kKeyBytes.data(), nullptr) ==
         1);
  std::uint64_t counter = 0;
  int written = 0;
  for (auto _ : state) {
    const AeadNonce nonce = nonce_of_counter(counter++);
    EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data());
    EVP_EncryptUpdate(context, packets.sealed.data(), &written, packets.plain.data(),
                      static_cast<int>(size));
    EVP_EncryptFinal_ex(context, packets.sealed.data() + size, &written);
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, packets.sealed.data() + size);
    benchmark::ClobberMemory();
  }
  EVP_CIPHER_CTX_free(context);
  report(state, packets);
}

void openssl_open(benchmark::State& state, std::size_t size) {
  Packets packets(size, 1);
  const SealItem item = {0, packets.plain_at(0), packets.sealed_at(0)};
  AeadCipher(test_key()).seal_batch({&item, 1});
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  VERIFY(EVP_DecryptInit_ex(context, EVP_chacha20_poly1305(), nullptr, kKeyBytes.data(), nullptr) ==
         1);
  int written = 0;
  for (auto _ : state) {
    const AeadNonce nonce = nonce_of_counter(0);
    EVP_DecryptInit_ex(context, nullptr, nullptr, nullptr, nonce.data());
    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kAeadTagSize, packets.sealed.data() + size);
    EVP_DecryptUpdate(context, packets.plain.data(), &written, packets.sealed.data(),
                      static_cast<int>(size));
    VERIFY(EVP_DecryptFinal_ex(context, packets.plain.data() + size, &written) == 1);
    benchmark::ClobberMemory();
  }
  EVP_CIPHER_CTX_free(context);
  report(state, packets);
}

void sodium_seal(benchmark::State& state, std::size_t size) {
  Packets packets(size, 1);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    const AeadNonce nonce = nonce_of_counter(counter++);
    crypto_aead_chacha20poly1305_ietf_encrypt(packets.sealed.data(), nullptr, packets.plain.data(),
                                              size, nullptr, 0, nullptr, nonce.data(),
                                              kKeyBytes.data());
    benchmark::ClobberMemory();
  }
  report(state, packets);
}

void sodium_open(benchmark::State& state, std::size_t size) {
  Packets packets(size, 1);
  const SealItem item = {0, packets.plain_at(0), packets.sealed_at(0)};
  AeadCipher(test_key()).seal_batch({&item, 1});
  const AeadNonce nonce = nonce_of_counter(0);
  for (auto _ : state) {
    VERIFY(crypto_aead_chacha20poly1305_ietf_decrypt(
               packets.plain.data(), nullptr, nullptr, packets.sealed.data(), size + kAeadTagSize,
               nullptr, 0, nonce.data(), kKeyBytes.data()) == 0);
    benchmark::ClobberMemory();
  }
  report(state, packets);
}

void register_kernel(const AeadKernel* kernel, std::size_t size) {
  const std::string bytes = std::to_string(size) + " bytes/";
  for (const std::size_t count : kBatches) {
    const std::string who = std::string(kernel->name) + ", " +
                            (count == 1 ? "single" : "batch of " + std::to_string(count));
    benchmark::RegisterBenchmark(("seal/" + bytes + who).c_str(), ours_seal, kernel, size, count);
    benchmark::RegisterBenchmark(("open/" + bytes + who).c_str(), ours_open, kernel, size, count);
  }
}

bool register_all() {
  VERIFY(sodium_init() >= 0);
  for (const std::size_t size : kSizes) {
    const std::string bytes = std::to_string(size) + " bytes/";
    benchmark::RegisterBenchmark(("seal/" + bytes + "OpenSSL").c_str(), openssl_seal, size);
    benchmark::RegisterBenchmark(("open/" + bytes + "OpenSSL").c_str(), openssl_open, size);
    benchmark::RegisterBenchmark(("seal/" + bytes + "libsodium").c_str(), sodium_seal, size);
    benchmark::RegisterBenchmark(("open/" + bytes + "libsodium").c_str(), sodium_open, size);
    for (const AeadKernel* kernel : AeadCipher::supported_kernels())
      register_kernel(kernel, size);
  }
  return true;
}

const bool is_registered = register_all();

}  // namespace
