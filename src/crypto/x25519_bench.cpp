// X25519 against the library that was not chosen.
#include "crypto/x25519.h"

#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include "base/rng.h"

using namespace sinew;
using namespace sinew::crypto;

namespace {

// OpenSSL reaches X25519 only through key and context objects; our key is made once, as it would
// be, and each peer's key and context for each exchange.
void shared_secret_openssl(benchmark::State& state) {
  SeededRng rng(1);
  const auto ours = X25519PrivateKey::generate(rng);
  const auto theirs = X25519PrivateKey::generate(rng).public_key();
  EVP_PKEY* key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, ours.expose().data(), 32);
  for (auto _ : state) {
    EVP_PKEY* peer =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.bytes().data(), 32);
    EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(key, nullptr);
    std::array<std::uint8_t, 32> out;
    std::size_t size = out.size();
    EVP_PKEY_derive_init(context);
    EVP_PKEY_derive_set_peer(context, peer);
    EVP_PKEY_derive(context, out.data(), &size);
    benchmark::DoNotOptimize(out);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
  }
  EVP_PKEY_free(key);
}
BENCHMARK(shared_secret_openssl)->Name("X25519/shared secret/OpenSSL");

void shared_secret(benchmark::State& state) {
  SeededRng rng(1);
  const auto ours = X25519PrivateKey::generate(rng);
  const auto theirs = X25519PrivateKey::generate(rng).public_key();
  for (auto _ : state)
    benchmark::DoNotOptimize(x25519(ours, theirs));
}
BENCHMARK(shared_secret)->Name("X25519/shared secret/libsodium");

void public_key(benchmark::State& state) {
  SeededRng rng(1);
  const auto ours = X25519PrivateKey::generate(rng);
  for (auto _ : state)
    benchmark::DoNotOptimize(ours.public_key());
}
BENCHMARK(public_key)->Name("X25519/public key/libsodium");

}  // namespace
