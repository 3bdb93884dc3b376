// BLAKE2s against OpenSSL's, at the sizes of a WireGuard handshake and at that of a large input.
#include "crypto/hash.h"

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <string>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::crypto;

namespace {

void blake2s(benchmark::State& state, std::size_t size) {
  const Bytes input(size, 0x42);
  for (auto _ : state)
    benchmark::DoNotOptimize(crypto::blake2s(input));
}

// The context is made once and reused: the best that OpenSSL offers.
void blake2s_openssl(benchmark::State& state, std::size_t size) {
  const Bytes input(size, 0x42);
  EVP_MD* hash = EVP_MD_fetch(nullptr, "BLAKE2S-256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::array<std::uint8_t, 32> digest;
  for (auto _ : state) {
    EVP_DigestInit_ex2(context, hash, nullptr);
    EVP_DigestUpdate(context, input.data(), input.size());
    EVP_DigestFinal_ex(context, digest.data(), nullptr);
    benchmark::DoNotOptimize(digest);
  }
  EVP_MD_CTX_free(context);
  EVP_MD_free(hash);
}

void mac(benchmark::State& state, std::size_t size) {
  const Bytes input(size, 0x42);
  const Bytes key(32, 0x17);
  for (auto _ : state)
    benchmark::DoNotOptimize(crypto::blake2s<16>(input, key));
}

void mac_openssl(benchmark::State& state, std::size_t size) {
  const Bytes input(size, 0x42);
  const Bytes key(32, 0x17);
  std::size_t tag_size = 16;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t("size", &tag_size),
                                   OSSL_PARAM_construct_end()};
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "BLAKE2SMAC", nullptr);
  EVP_MAC_CTX* context = EVP_MAC_CTX_new(mac);
  std::array<std::uint8_t, 16> tag;
  for (auto _ : state) {
    EVP_MAC_init(context, key.data(), key.size(), parameters);
    EVP_MAC_update(context, input.data(), input.size());
    EVP_MAC_final(context, tag.data(), nullptr, tag.size());
    benchmark::DoNotOptimize(tag);
  }
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
}

constexpr std::size_t kSizes[] = {32, 64, 148, 16'384};  // of handshakes, and a large one

bool register_all() {
  for (const std::size_t size : kSizes) {
    const std::string column = "BLAKE2s/" + std::to_string(size) + " bytes/";
    benchmark::RegisterBenchmark((column + "OpenSSL").c_str(), blake2s_openssl, size);
    benchmark::RegisterBenchmark((column + "sinew").c_str(), blake2s, size);
  }
  const std::string column = "BLAKE2s, keyed/116 bytes/";
  benchmark::RegisterBenchmark((column + "OpenSSL").c_str(), mac_openssl, std::size_t{116});
  benchmark::RegisterBenchmark((column + "sinew").c_str(), mac, std::size_t{116});
  return true;
}

const bool is_registered = register_all();

}  // namespace
