// secrets_work: what the program does with keys, for valgrind's memcheck to watch (lesson L22). The
// secrets are declared undefined, and memcheck reports each jump and each address that depends on
// undefined memory: just what a clock or a cache would tell an attacker.
//
//   secrets_work NAME    does it once; "leak" branches on a secret, to see that it is noticed
//
// What an operation makes public, such as a ciphertext or whether a tag fits, is declared defined
// again before anything looks at it. The program is built like the product, because it is the
// optimiser that turns arithmetic into branches.
#include <valgrind/memcheck.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "base/rng.h"
#include "crypto/aead.h"
#include "crypto/aead_kernel.h"
#include "crypto/ed25519.h"
#include "crypto/equal.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "crypto/xchacha.h"

namespace {

using namespace sinew;

constexpr std::size_t kPacketSize = 1'420;

void hide(ByteView secret) {
  VALGRIND_MAKE_MEM_UNDEFINED(secret.data(), secret.size());
}
void reveal(ByteView bytes) {
  VALGRIND_MAKE_MEM_DEFINED(bytes.data(), bytes.size());
}
template <typename T>
T revealed(T value) {
  VALGRIND_MAKE_MEM_DEFINED(&value, sizeof value);
  return value;
}

std::array<std::uint8_t, 32> secret_bytes(std::uint8_t first) {
  std::array<std::uint8_t, 32> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(first + i);
  hide(bytes);
  return bytes;
}

bool leak() {
  const auto secret = secret_bytes(1);
  if (secret[0] == 1) std::puts("the first byte is 1");
  return true;
}

// A batch of packets under one key, and one by itself.
struct Packets {
  explicit Packets(const crypto::AeadKernel& kernel)
      : cipher(crypto::AeadKey(std::span<const std::uint8_t, 32>(secret_bytes(1))), kernel) {
    std::array<crypto::SealItem, kCount> items;
    for (std::size_t i = 0; i < kCount; ++i) {
      const ByteSpan sealed = batch[i];
      hide(sealed.first(kPacketSize));
      items[i] = {i, sealed.first(kPacketSize), sealed};
    }
    cipher.seal_batch(items);
    hide(ByteView(single).first(kSingleSize));
    cipher.seal(crypto::nonce_of_counter(kCount), {}, ByteView(single).first(kSingleSize), single);
    for (const auto& packet : batch)
      reveal(packet);
    reveal(single);
  }

  static constexpr std::size_t kCount = 20;
  static constexpr std::size_t kSingleSize = 100;
  crypto::AeadCipher cipher;
  std::array<std::array<std::uint8_t, kPacketSize + crypto::kAeadTagSize>, kCount> batch{};
  std::array<std::uint8_t, kSingleSize + crypto::kAeadTagSize> single{};
};

bool seal(const crypto::AeadKernel& kernel) {
  const Packets packets(kernel);
  return packets.batch[0] != packets.batch[1] && packets.single[0] != packets.single[1];
}

// Opens what was sealed, one packet with a wrong tag. Which packets are authentic is public, and
// the branches on it are what secrets.supp names.
bool open(const crypto::AeadKernel& kernel) {
  Packets packets(kernel);
  packets.batch[7].back() ^= 1;
  std::array<crypto::OpenItem, Packets::kCount> items;
  for (std::size_t i = 0; i < Packets::kCount; ++i) {
    const ByteSpan sealed = packets.batch[i];
    items[i] = {.counter = i, .sealed = sealed, .plain = sealed.first(kPacketSize)};
  }
  const std::size_t opened = packets.cipher.open_batch(items);
  const bool is_open = packets.cipher.open(crypto::nonce_of_counter(Packets::kCount), {},
                                           packets.single, ByteSpan(packets.single).first(100));
  return revealed(opened) == Packets::kCount - 1 && revealed(is_open);
}

bool compare() {
  auto left = secret_bytes(1);
  auto right = secret_bytes(1);
  const bool equal = revealed(crypto::equal_constant_time(left, right));
  right[31] = 0;
  return equal && !revealed(crypto::equal_constant_time(left, right));
}

bool exchange() {
  const crypto::X25519PrivateKey ours(std::span<const std::uint8_t, 32>(secret_bytes(1)));
  SeededRng rng(1);
  const auto theirs = crypto::X25519PrivateKey::generate(rng).public_key();
  crypto::X25519PublicKey public_key = ours.public_key();
  const auto shared = crypto::x25519(ours, theirs);
  return revealed(shared.has_value()) && revealed(public_key) != theirs;
}

bool derive() {
  const SecretArray<32> chain(std::span<const std::uint8_t, 32>(secret_bytes(1)));
  const auto input = secret_bytes(2);
  const auto keys = crypto::noise_kdf<3>(chain, input);
  const auto mac = revealed(crypto::blake2s<16>(input, keys[0].expose()));
  return mac != revealed(crypto::blake2s<16>(input, keys[1].expose()));
}

bool sign() {
  const crypto::Ed25519SigningKey key(std::span<const std::uint8_t, 32>(secret_bytes(1)));
  auto verify_key = revealed(key.verify_key());
  const std::array<std::uint8_t, 5> message = {1, 2, 3, 4, 5};
  return verify_key.verify(message, revealed(key.sign(message)));
}

bool cookie() {
  const crypto::XChaChaKey key(std::span<const std::uint8_t, 32>(secret_bytes(1)));
  std::array<std::uint8_t, 32> sealed{};
  std::array<std::uint8_t, 16> plain{};
  hide(plain);
  crypto::xchacha_seal(key, {}, {}, plain, sealed);
  reveal(sealed);
  return revealed(crypto::xchacha_open(key, {}, {}, sealed, plain));
}

const std::map<std::string_view, bool (*)()>& operations() {
  static const std::map<std::string_view, bool (*)()> kOperations = {
      {"seal_portable", [] { return seal(crypto::kPortableKernel); }},
      {"open_portable", [] { return open(crypto::kPortableKernel); }},
#if defined(__x86_64__)
      {"seal_avx2", [] { return seal(crypto::kAvx2Kernel); }},
      {"open_avx2", [] { return open(crypto::kAvx2Kernel); }},
#endif
      {"compare", compare},
      {"exchange", exchange},
      {"derive", derive},
      {"sign", sign},
      {"cookie", cookie},
      {"leak", leak},
  };
  return kOperations;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view name = argc == 2 ? argv[1] : "";
  const auto found = operations().find(name);
  if (found == operations().end()) return 2;
  if (name.ends_with("avx2") && crypto::AeadCipher::supported_kernels().size() == 1) {
    std::puts("[skip] secrets: this processor has no AVX2");
    return 0;
  }
  return revealed(found->second()) ? 0 : 3;
}
