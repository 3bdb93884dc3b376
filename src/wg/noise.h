// The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s (whitepaper section 5.4). An Initiator makes
// an initiation and turns the response into keys; a Responder opens an initiation in the two steps
// between which the peer is looked up, and makes the response.
//
// Every key exchange that yields zero, which a public key of low order forces, ends the handshake.
// Opening a message changes nothing unless its last tag was right. Secrets are wiped with their
// objects. Costs: an initiation made, opened or answered takes one to three X25519. Pure.
#pragma once

#include <array>
#include <optional>

#include "base/rng.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/x25519.h"
#include "wg/messages.h"
#include "wg/session.h"
#include "wg/timestamp.h"

namespace sinew::wg {

// Our own key pair.
struct Identity {
  explicit Identity(PrivateKey secret)
      : private_key(std::move(secret)), public_key(private_key.public_key()) {}

  PrivateKey private_key;
  PublicKey public_key;
};

// The running state of a Noise handshake: a chaining key and a hash of all that was said.
class Transcript {
 public:
  // The state before the first message, for a responder with this public key.
  explicit Transcript(const PublicKey& responder);

  Transcript clone() const;

  void mix_hash(ByteView data);
  // The key exchange goes into the chaining key; the key it yields is for the next seal or open.
  // False if the shared secret is zero.
  [[nodiscard]] bool mix_exchange(const PrivateKey& ours, const PublicKey& theirs);
  void mix_secret(const crypto::SharedSecret& secret);
  void mix_ephemeral(const PublicKey& key);
  void mix_preshared_key(const PresharedKey& key);

  // `sealed` is kTagSize longer than `plain`. Each key seals once.
  void seal(ByteView plain, ByteSpan sealed);
  [[nodiscard]] bool open(ByteView sealed, ByteSpan plain);

  // Both directions' keys: first the initiator's sending key.
  std::array<SecretArray<32>, 2> split() const;

 private:
  Transcript() = default;

  SecretArray<32> chaining_key_;
  SecretArray<32> key_;
  crypto::Digest hash_{};
};

// Between an initiation and its response.
class Initiator {
 public:
  // Writes the initiation to `out`. `static_static` is the secret of both static keys. None if a
  // public key is of low order.
  static std::optional<Initiator> create(const Identity& us, const PublicKey& them,
                                         const crypto::SharedSecret& static_static,
                                         SessionIndex local, const Timestamp& stamp, Rng& rng,
                                         Initiation& out);

  // None if the response does not authenticate: then this handshake still waits for one.
  std::optional<SessionKeys> open_response(const Identity& us, const PresharedKey& preshared_key,
                                           const Response& response) const;

  SessionIndex local() const { return local_; }

 private:
  Initiator(Transcript transcript, PrivateKey ephemeral, SessionIndex local)
      : transcript_(std::move(transcript)), ephemeral_(std::move(ephemeral)), local_(local) {}

  Transcript transcript_;
  PrivateKey ephemeral_;
  SessionIndex local_;
};

// Between opening an initiation and answering it.
class Responder {
 public:
  // Learns who claims to call. None if the message does not authenticate so far.
  static std::optional<Responder> open(const Identity& us, const Initiation& initiation);

  const PublicKey& claimed_key() const { return claimed_key_; }
  // Proves the claim. `static_static` is the secret of both static keys.
  std::optional<Timestamp> open_timestamp(const crypto::SharedSecret& static_static);
  // After open_timestamp(), once. None if a public key is of low order.
  std::optional<SessionKeys> create_response(const PresharedKey& preshared_key, SessionIndex local,
                                             Rng& rng, Response& out);

 private:
  Responder(Transcript transcript, const Initiation& initiation, const PublicKey& claimed_key)
      : transcript_(std::move(transcript)), initiation_(initiation), claimed_key_(claimed_key) {}

  Transcript transcript_;
  Initiation initiation_;
  PublicKey claimed_key_;
};

}  // namespace sinew::wg
