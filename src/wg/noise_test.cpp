#include "wg/noise.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <sodium.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::test;

namespace {

// The whitepaper, section 5.4, once more and in its own words, over other libraries than ours: hash
// from OpenSSL, key exchange and cipher from libsodium, HMAC by hand. Names are those of the paper.
namespace paper {

Bytes operator+(const Bytes& left, const Bytes& right) {
  Bytes out = left;
  out.insert(out.end(), right.begin(), right.end());
  return out;
}

Bytes text(std::string_view from) {
  return Bytes(from.begin(), from.end());
}

Bytes Hash(const Bytes& input) {
  Bytes out(32);
  unsigned size = 32;
  REQUIRE(EVP_Digest(input.data(), input.size(), out.data(), &size, EVP_blake2s256(), nullptr) ==
          1);
  return out;
}

Bytes Hmac(const Bytes& key, const Bytes& input) {
  Bytes inner(64, 0x36);
  Bytes outer(64, 0x5c);
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  return Hash(outer + Hash(inner + input));
}

std::vector<Bytes> Kdf(std::size_t n, const Bytes& key, const Bytes& input) {
  const Bytes t0 = Hmac(key, input);
  std::vector<Bytes> out;
  Bytes last;
  for (std::size_t i = 1; i <= n; ++i) {
    last = Hmac(t0, last + Bytes{static_cast<std::uint8_t>(i)});
    out.push_back(last);
  }
  return out;
}

Bytes Dh(const Bytes& secret, const Bytes& point) {
  Bytes out(32);
  REQUIRE(crypto_scalarmult(out.data(), secret.data(), point.data()) == 0);
  return out;
}

Bytes Pub(const Bytes& secret) {
  Bytes out(32);
  crypto_scalarmult_base(out.data(), secret.data());
  return out;
}

Bytes Aead(const Bytes& key, const Bytes& plain, const Bytes& auth) {
  const Bytes nonce(12);
  Bytes out(plain.size() + 16);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(),
                                            auth.data(), auth.size(), nullptr, nonce.data(),
                                            key.data());
  return out;
}

struct State {
  Bytes c;
  Bytes h;
};

// Both messages for given keys, and the transport keys: everything but what is public anyway.
struct Handshake {
  Bytes initiator_static, initiator_ephemeral, responder_static, responder_ephemeral;
  Bytes preshared = Bytes(32);
  Bytes timestamp;

  Bytes sealed_static, sealed_timestamp, sealed_nothing;
  Bytes initiator_sends, responder_sends;

  void run() {
    Bytes c = Hash(text("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
    Bytes h = Hash(c + text("WireGuard v1 zx2c4 Jason@zx2c4.com"));
    h = Hash(h + Pub(responder_static));

    c = Kdf(1, c, Pub(initiator_ephemeral))[0];
    h = Hash(h + Pub(initiator_ephemeral));
    auto k = Kdf(2, c, Dh(initiator_ephemeral, Pub(responder_static)));
    c = k[0];
    sealed_static = Aead(k[1], Pub(initiator_static), h);
    h = Hash(h + sealed_static);
    k = Kdf(2, c, Dh(initiator_static, Pub(responder_static)));
    c = k[0];
    sealed_timestamp = Aead(k[1], timestamp, h);
    h = Hash(h + sealed_timestamp);

    c = Kdf(1, c, Pub(responder_ephemeral))[0];
    h = Hash(h + Pub(responder_ephemeral));
    c = Kdf(1, c, Dh(responder_ephemeral, Pub(initiator_ephemeral)))[0];
    c = Kdf(1, c, Dh(responder_ephemeral, Pub(initiator_static)))[0];
    k = Kdf(3, c, preshared);
    c = k[0];
    h = Hash(h + k[1]);
    sealed_nothing = Aead(k[2], {}, h);

    k = Kdf(2, c, {});
    initiator_sends = k[0];
    responder_sends = k[1];
  }
};

}  // namespace paper

template <typename Range>
Bytes bytes_of(const Range& range) {
  return Bytes(range.begin(), range.end());
}

std::array<std::uint8_t, 32> clamped(const std::array<std::uint8_t, 32>& bytes) {
  const PrivateKey key{std::span<const std::uint8_t, 32>(bytes)};
  std::array<std::uint8_t, 32> out;
  std::ranges::copy(key.expose(), out.begin());
  return out;
}

// Hands out given bytes, so that the ephemeral keys are known.
class ScriptedRng final : public Rng {
 public:
  explicit ScriptedRng(const Bytes& script) : script_(script) {}
  void fill(ByteSpan out) override {
    REQUIRE(out.size() <= script_.size());
    std::copy_n(script_.begin(), out.size(), out.begin());
    script_.erase(script_.begin(), script_.begin() + static_cast<std::ptrdiff_t>(out.size()));
  }

 private:
  Bytes script_;
};

const std::vector<std::string_view> kLowOrder = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000080",
};

struct Sides {
  explicit Sides(Rng& rng)
      : initiator(PrivateKey::generate(rng)), responder(PrivateKey::generate(rng)) {
    static_static = crypto::x25519(initiator.private_key, responder.public_key);
  }
  Identity initiator;
  Identity responder;
  std::optional<crypto::SharedSecret> static_static;
};

}  // namespace

TEST_CASE("noise: the twin starts from the constants that are published") {
  using namespace paper;
  const Bytes c = Hash(text("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"));
  CHECK(c == unhex("60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36"));
  CHECK(Hash(c + text("WireGuard v1 zx2c4 Jason@zx2c4.com")) ==
        unhex("2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3"));
}

TEST_CASE("noise: both messages and all keys are those of the whitepaper, byte for byte") {
  SeededRng rng(1);
  for (int round = 0; round < 20; ++round) {
    const auto a = clamped(random_array<32>(rng));
    const auto b = clamped(random_array<32>(rng));
    const auto ea = clamped(random_array<32>(rng));
    const auto eb = clamped(random_array<32>(rng));
    const auto psk = round == 0 ? std::array<std::uint8_t, 32>{} : random_array<32>(rng);
    const Timestamp stamp(random_array<kTimestampSize>(rng));
    paper::Handshake twin;
    twin.initiator_static = bytes_of(a);
    twin.responder_static = bytes_of(b);
    twin.initiator_ephemeral = bytes_of(ea);
    twin.responder_ephemeral = bytes_of(eb);
    twin.preshared = bytes_of(psk);
    twin.timestamp = bytes_of(stamp.bytes());
    twin.run();

    const Identity us{PrivateKey(std::span<const std::uint8_t, 32>(a))};
    const Identity them{PrivateKey(std::span<const std::uint8_t, 32>(b))};
    const auto secret = crypto::x25519(us.private_key, them.public_key);
    const PresharedKey preshared{std::span<const std::uint8_t, 32>(psk)};
    ScriptedRng initiator_rng(bytes_of(ea));
    Initiation initiation;
    const auto initiator = Initiator::create(us, them.public_key, *secret, SessionIndex(7), stamp,
                                             initiator_rng, initiation);
    REQUIRE(initiator);
    CHECK(bytes_of(initiation.ephemeral) == paper::Pub(bytes_of(ea)));
    CHECK(bytes_of(initiation.sealed_static) == twin.sealed_static);
    CHECK(bytes_of(initiation.sealed_timestamp) == twin.sealed_timestamp);

    auto responder = Responder::open(them, initiation);
    REQUIRE(responder);
    CHECK(responder->claimed_key() == us.public_key);
    CHECK(responder->open_timestamp(*secret) == stamp);
    ScriptedRng responder_rng(bytes_of(eb));
    Response response;
    const auto theirs =
        responder->create_response(preshared, SessionIndex(8), responder_rng, response);
    REQUIRE(theirs);
    CHECK(bytes_of(response.ephemeral) == paper::Pub(bytes_of(eb)));
    CHECK(bytes_of(response.sealed_nothing) == twin.sealed_nothing);

    const auto ours = initiator->open_response(us, preshared, response);
    REQUIRE(ours);
    CHECK(bytes_of(ours->sending.expose()) == twin.initiator_sends);
    CHECK(bytes_of(ours->receiving.expose()) == twin.responder_sends);
    CHECK(bytes_of(theirs->sending.expose()) == twin.responder_sends);
    CHECK(bytes_of(theirs->receiving.expose()) == twin.initiator_sends);
    CHECK(ours->is_initiator);
    CHECK_FALSE(theirs->is_initiator);
    CHECK(ours->local == SessionIndex(7));
    CHECK(ours->remote == SessionIndex(8));
    CHECK(theirs->local == SessionIndex(8));
    CHECK(theirs->remote == SessionIndex(7));
  }
}

TEST_CASE("L13 no handshake comes out of a public key of low order, in either role") {
  SeededRng rng(2);
  const Sides sides(rng);
  for (const std::string_view hex : kLowOrder) {
    CAPTURE(hex);
    const PublicKey low(unhex<32>(hex));
    CHECK_FALSE(crypto::x25519(sides.initiator.private_key, low));
    Initiation initiation;
    // The peer's static key, as initiator.
    CHECK_FALSE(Initiator::create(sides.initiator, low, *sides.static_static, SessionIndex(1),
                                  Timestamp(), rng, initiation));
    const auto initiator =
        Initiator::create(sides.initiator, sides.responder.public_key, *sides.static_static,
                          SessionIndex(1), Timestamp(), rng, initiation);
    REQUIRE(initiator);
    // The ephemeral key of a response.
    Response response;
    response.ephemeral = low.bytes();
    CHECK_FALSE(initiator->open_response(sides.initiator, {}, response));
    // The ephemeral key of an initiation.
    initiation.ephemeral = low.bytes();
    CHECK_FALSE(Responder::open(sides.responder, initiation));
  }
}

TEST_CASE("L20 a wrong bit anywhere in a message ends nothing but that message") {
  SeededRng rng(3);
  const Sides sides(rng);
  Initiation initiation;
  const auto initiator =
      Initiator::create(sides.initiator, sides.responder.public_key, *sides.static_static,
                        SessionIndex(1), Timestamp(), rng, initiation);
  REQUIRE(initiator);
  const auto is_opened = [&](const Initiation& message) {
    auto responder = Responder::open(sides.responder, message);
    return responder && responder->open_timestamp(*sides.static_static);
  };
  for (std::size_t bit = 0; bit < 8 * 48; ++bit) {
    Initiation message = initiation;
    message.sealed_static[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    REQUIRE_FALSE(is_opened(message));
  }
  for (std::size_t bit = 0; bit < 8 * 28; ++bit) {
    Initiation message = initiation;
    message.sealed_timestamp[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    REQUIRE_FALSE(is_opened(message));
  }
  for (std::size_t bit = 0; bit < 8 * 32; ++bit) {
    Initiation message = initiation;
    message.ephemeral[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    REQUIRE_FALSE(is_opened(message));
  }
  auto responder = Responder::open(sides.responder, initiation);
  REQUIRE(responder->open_timestamp(*sides.static_static));
  Response response;
  REQUIRE(responder->create_response({}, SessionIndex(2), rng, response));
  for (std::size_t bit = 0; bit < 8 * 32; ++bit) {
    Response message = response;
    message.ephemeral[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    REQUIRE_FALSE(initiator->open_response(sides.initiator, {}, message));
  }
  for (std::size_t bit = 0; bit < 8 * 16; ++bit) {
    Response message = response;
    message.sealed_nothing[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    REQUIRE_FALSE(initiator->open_response(sides.initiator, {}, message));
  }
  // The handshake has survived all of that.
  CHECK(initiator->open_response(sides.initiator, {}, response));
}

TEST_CASE("noise: different preshared keys do not meet") {
  SeededRng rng(4);
  const Sides sides(rng);
  Initiation initiation;
  const auto initiator =
      Initiator::create(sides.initiator, sides.responder.public_key, *sides.static_static,
                        SessionIndex(1), Timestamp(), rng, initiation);
  auto responder = Responder::open(sides.responder, initiation);
  REQUIRE(responder->open_timestamp(*sides.static_static));
  Response response;
  REQUIRE(responder->create_response({}, SessionIndex(2), rng, response));
  PresharedKey other;
  other.expose_mutable()[31] = 1;
  CHECK_FALSE(initiator->open_response(sides.initiator, other, response));
  CHECK(initiator->open_response(sides.initiator, {}, response));
}
