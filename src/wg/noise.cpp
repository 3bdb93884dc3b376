#include "wg/noise.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/verify.h"
#include "crypto/aead.h"

namespace sinew::wg {
namespace {

using crypto::Blake2s;

constexpr std::string_view kConstruction = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
constexpr std::string_view kIdentifier = "WireGuard v1 zx2c4 Jason@zx2c4.com";

crypto::Digest hash_of_both(ByteView first, ByteView second) {
  Blake2s hash;
  hash.update(first);
  hash.update(second);
  crypto::Digest digest;
  hash.finish(digest);
  return digest;
}

SessionKeys keys_of_initiator(const Transcript& transcript, SessionIndex local,
                              SessionIndex remote) {
  auto [sending, receiving] = transcript.split();
  return {.sending = std::move(sending),
          .receiving = std::move(receiving),
          .local = local,
          .remote = remote,
          .is_initiator = true};
}

SessionKeys keys_of_responder(const Transcript& transcript, SessionIndex local,
                              SessionIndex remote) {
  auto [receiving, sending] = transcript.split();
  return {.sending = std::move(sending),
          .receiving = std::move(receiving),
          .local = local,
          .remote = remote,
          .is_initiator = false};
}

}  // namespace

Transcript::Transcript(const PublicKey& responder) {
  const crypto::Digest name = crypto::blake2s(as_bytes(kConstruction));
  chaining_key_ = SecretArray<32>(std::span<const std::uint8_t, 32>(name));
  hash_ = hash_of_both(name, as_bytes(kIdentifier));
  mix_hash(responder.bytes());
}

Transcript Transcript::clone() const {
  Transcript copy;
  copy.chaining_key_ = chaining_key_.clone();
  copy.key_ = key_.clone();
  copy.hash_ = hash_;
  return copy;
}

void Transcript::mix_hash(ByteView data) {
  hash_ = hash_of_both(hash_, data);
}

bool Transcript::mix_exchange(const PrivateKey& ours, const PublicKey& theirs) {
  const auto secret = crypto::x25519(ours, theirs);
  if (!secret) return false;
  mix_secret(*secret);
  return true;
}

void Transcript::mix_secret(const crypto::SharedSecret& secret) {
  auto [chaining_key, key] = crypto::noise_kdf<2>(chaining_key_, secret.expose());
  chaining_key_ = std::move(chaining_key);
  key_ = std::move(key);
}

void Transcript::mix_ephemeral(const PublicKey& key) {
  mix_hash(key.bytes());
  auto [chaining_key] = crypto::noise_kdf<1>(chaining_key_, key.bytes());
  chaining_key_ = std::move(chaining_key);
}

void Transcript::mix_preshared_key(const PresharedKey& preshared_key) {
  auto [chaining_key, mixed, key] = crypto::noise_kdf<3>(chaining_key_, preshared_key.expose());
  chaining_key_ = std::move(chaining_key);
  mix_hash(mixed.expose());
  key_ = std::move(key);
}

void Transcript::seal(ByteView plain, ByteSpan sealed) {
  crypto::AeadCipher(key_).seal(crypto::nonce_of_counter(0), hash_, plain, sealed);
  mix_hash(sealed);
}

bool Transcript::open(ByteView sealed, ByteSpan plain) {
  const auto nonce = crypto::nonce_of_counter(0);
  if (!crypto::AeadCipher(key_).open(nonce, hash_, sealed, plain)) return false;
  mix_hash(sealed);
  return true;
}

std::array<SecretArray<32>, 2> Transcript::split() const {
  return crypto::noise_kdf<2>(chaining_key_, {});
}

std::optional<Initiator> Initiator::create(const Identity& us, const PublicKey& them,
                                           const crypto::SharedSecret& static_static,
                                           SessionIndex local, const Timestamp& stamp, Rng& rng,
                                           Initiation& out) {
  Transcript transcript(them);
  PrivateKey ephemeral = PrivateKey::generate(rng);
  const PublicKey public_ephemeral = ephemeral.public_key();
  out.sender = local;
  out.ephemeral = public_ephemeral.bytes();
  transcript.mix_ephemeral(public_ephemeral);                          // e
  if (!transcript.mix_exchange(ephemeral, them)) return std::nullopt;  // es
  transcript.seal(us.public_key.bytes(), out.sealed_static);           // s
  transcript.mix_secret(static_static);                                // ss
  transcript.seal(stamp.bytes(), out.sealed_timestamp);
  return Initiator(std::move(transcript), std::move(ephemeral), local);
}

std::optional<SessionKeys> Initiator::open_response(const Identity& us,
                                                    const PresharedKey& preshared_key,
                                                    const Response& response) const {
  Transcript transcript = transcript_.clone();
  const PublicKey theirs(response.ephemeral);
  transcript.mix_ephemeral(theirs);                                           // e
  if (!transcript.mix_exchange(ephemeral_, theirs)) return std::nullopt;      // ee
  if (!transcript.mix_exchange(us.private_key, theirs)) return std::nullopt;  // se
  transcript.mix_preshared_key(preshared_key);                                // psk
  if (!transcript.open(response.sealed_nothing, {})) return std::nullopt;
  return keys_of_initiator(transcript, local_, response.sender);
}

std::optional<Responder> Responder::open(const Identity& us, const Initiation& initiation) {
  Transcript transcript(us.public_key);
  const PublicKey theirs(initiation.ephemeral);
  std::array<std::uint8_t, PublicKey::kSize> claimed_key;
  transcript.mix_ephemeral(theirs);                                                  // e
  if (!transcript.mix_exchange(us.private_key, theirs)) return std::nullopt;         // es
  if (!transcript.open(initiation.sealed_static, claimed_key)) return std::nullopt;  // s
  return Responder(std::move(transcript), initiation, PublicKey(claimed_key));
}

std::optional<Timestamp> Responder::open_timestamp(const crypto::SharedSecret& static_static) {
  std::array<std::uint8_t, kTimestampSize> stamp;
  transcript_.mix_secret(static_static);  // ss
  if (!transcript_.open(initiation_.sealed_timestamp, stamp)) return std::nullopt;
  return Timestamp(stamp);
}

std::optional<SessionKeys> Responder::create_response(const PresharedKey& preshared_key,
                                                      SessionIndex local, Rng& rng, Response& out) {
  const PrivateKey ephemeral = PrivateKey::generate(rng);
  const PublicKey public_ephemeral = ephemeral.public_key();
  out.sender = local;
  out.receiver = initiation_.sender;
  out.ephemeral = public_ephemeral.bytes();
  transcript_.mix_ephemeral(public_ephemeral);  // e
  const PublicKey theirs(initiation_.ephemeral);
  if (!transcript_.mix_exchange(ephemeral, theirs)) return std::nullopt;        // ee
  if (!transcript_.mix_exchange(ephemeral, claimed_key_)) return std::nullopt;  // se
  transcript_.mix_preshared_key(preshared_key);                                 // psk
  transcript_.seal({}, out.sealed_nothing);
  return keys_of_responder(transcript_, local, initiation_.sender);
}

}  // namespace sinew::wg
