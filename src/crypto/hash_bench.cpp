// BLAKE2s against OpenSSL's, at the sizes of a WireGuard handshake and at that of a large input.
#include "crypto/hash.h"

#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::crypto;

namespace {

Bytes input_of(const benchmark::State& state) {
  return Bytes(static_cast<std::size_t>(state.range(0)), 0x42);
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void blake2s(benchmark::State& state) {
  const Bytes input = input_of(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(crypto::blake2s(input));
  count_bytes(state);
}
BENCHMARK(blake2s)->Arg(32)->Arg(64)->Arg(148)->Arg(16'384);

// The context is made once and reused: the best that OpenSSL offers.
void blake2s_openssl(benchmark::State& state) {
  const Bytes input = input_of(state);
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
  count_bytes(state);
}
BENCHMARK(blake2s_openssl)->Arg(32)->Arg(64)->Arg(148)->Arg(16'384);

void mac(benchmark::State& state) {
  const Bytes input = input_of(state);
  const Bytes key(32, 0x17);
  for (auto _ : state)
    benchmark::DoNotOptimize(crypto::blake2s<16>(input, key));
}
BENCHMARK(mac)->Arg(116);

void mac_openssl(benchmark::State& state) {
  const Bytes input = input_of(state);
  const Bytes key(32, 0x17);
  std::size_t size = 16;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t("size", &size),
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
BENCHMARK(mac_openssl)->Arg(116);

void noise_kdf_of_three(benchmark::State& state) {
  const SecretArray<32> chaining_key;
  const Bytes input(32, 0x42);
  for (auto _ : state)
    benchmark::DoNotOptimize(noise_kdf<3>(chaining_key, input));
}
BENCHMARK(noise_kdf_of_three);

void sha256_of(benchmark::State& state) {
  const Bytes input = input_of(state);
  for (auto _ : state)
    benchmark::DoNotOptimize(sha256(input));
  count_bytes(state);
}
BENCHMARK(sha256_of)->Arg(64)->Arg(16'384);

}  // namespace
