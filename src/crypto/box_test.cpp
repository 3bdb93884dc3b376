#include "crypto/box.h"

#include <doctest/doctest.h>
#include <sodium/crypto_box.h>

#include "support/hex.h"

using namespace sinew;
using namespace sinew::crypto;
using test::unhex;

namespace {

Bytes seal(const BoxKey& key, const BoxKey::Nonce& nonce, ByteView plain) {
  Bytes sealed(plain.size() + BoxKey::kTagSize);
  key.seal(nonce, plain, sealed);
  return sealed;
}

std::optional<Bytes> open(const BoxKey& key, const BoxKey::Nonce& nonce, ByteView sealed) {
  Bytes plain(sealed.size() - BoxKey::kTagSize, 0xee);
  if (key.open(nonce, sealed, plain)) return plain;
  CHECK(plain == Bytes(plain.size(), 0));
  return std::nullopt;
}

struct Pair {
  X25519PrivateKey alice;
  X25519PrivateKey bob;

  BoxKey from_alice() const { return BoxKey::between(alice, bob.public_key()).value(); }
  BoxKey from_bob() const { return BoxKey::between(bob, alice.public_key()).value(); }
};

Pair random_pair(Rng& rng) {
  return {X25519PrivateKey::generate(rng), X25519PrivateKey::generate(rng)};
}

}  // namespace

TEST_CASE("the box agrees with the example of the NaCl paper") {
  const Pair pair{X25519PrivateKey(unhex<32>(
                      "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")),
                  X25519PrivateKey(unhex<32>(
                      "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))};
  const auto nonce = unhex<24>("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
  const Bytes plain = unhex(
      "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c"
      "61296cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f"
      "21af1fde048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705");
  CHECK(
      to_hex(seal(pair.from_alice(), nonce, plain)) ==
      "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a"
      "1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab93216"
      "4548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a65"
      "99b1f654cb45a74e355a5");
  CHECK(open(pair.from_bob(), nonce, seal(pair.from_alice(), nonce, plain)) == plain);
}

TEST_CASE("each side opens what the other sealed, at every length") {
  SeededRng rng(1);
  const Pair pair = random_pair(rng);
  for (std::size_t round = 0; round < 300; ++round) {
    const Bytes plain = test::random_bytes(rng, round < 150 ? round : rng.below(16'385));
    const auto nonce = test::random_array<24>(rng);
    CHECK(open(pair.from_bob(), nonce, seal(pair.from_alice(), nonce, plain)) == plain);
    CHECK(open(pair.from_alice(), nonce, seal(pair.from_bob(), nonce, plain)) == plain);
  }
}

TEST_CASE("the key kept for a pair gives the box computed in one step") {
  SeededRng rng(2);
  for (int round = 0; round < 20; ++round) {
    const Pair pair = random_pair(rng);
    const Bytes plain = test::random_bytes(rng, rng.below(500));
    const auto nonce = test::random_array<24>(rng);
    Bytes theirs(plain.size() + BoxKey::kTagSize);
    REQUIRE(crypto_box_easy(theirs.data(), plain.data(), plain.size(), nonce.data(),
                            pair.bob.public_key().bytes().data(), pair.alice.expose().data()) == 0);
    CHECK(seal(pair.from_alice(), nonce, plain) == theirs);
  }
}

TEST_CASE("a box with any bit flipped is refused and leaves nothing behind") {
  SeededRng rng(3);
  const Pair pair = random_pair(rng);
  const auto nonce = test::random_array<24>(rng);
  const Bytes sealed = seal(pair.from_alice(), nonce, as_bytes("hello"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes forged = sealed;
    forged[bit / 8] = static_cast<std::uint8_t>(forged[bit / 8] ^ 1U << bit % 8);
    CHECK_FALSE(open(pair.from_bob(), nonce, forged));
  }
  auto other_nonce = nonce;
  other_nonce[23] ^= 1;
  CHECK_FALSE(open(pair.from_bob(), other_nonce, sealed));
  CHECK_FALSE(open(random_pair(rng).from_bob(), nonce, sealed));
}

TEST_CASE("bytes too short for a tag are no box") {
  SeededRng rng(4);
  const BoxKey key = random_pair(rng).from_alice();
  for (std::size_t size = 0; size < BoxKey::kTagSize; ++size) {
    CHECK_FALSE(key.open({}, Bytes(size), {}));
  }
}

TEST_CASE("T-WG-LOWORDER/L13: there is no box with a key of low order") {
  SeededRng rng(5);
  const auto ours = X25519PrivateKey::generate(rng);
  std::array<std::uint8_t, 32> one{};
  one[0] = 1;
  CHECK_FALSE(BoxKey::between(ours, X25519PublicKey()));
  CHECK_FALSE(BoxKey::between(ours, X25519PublicKey(one)));
}
