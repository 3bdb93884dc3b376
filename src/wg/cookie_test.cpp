#include "wg/cookie.h"

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include <algorithm>

#include "crypto/blake2s.h"
#include "support/hex.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::test;

namespace {

const Endpoint kCaller = {.address = IpAddress::v4(192, 0, 2, 1), .port = 4000};
constexpr MonoTime kStart{1h};

struct Both {
  explicit Both(std::uint64_t seed = 1) : rng(seed) {}

  Bytes message(std::size_t size = kInitiationSize) {
    Bytes bytes = random_bytes(rng, size);
    std::fill(bytes.end() - 32, bytes.end(), 0);
    return bytes;
  }
  // The caller is asked for a cookie, and has it at `now`.
  void hand_over_cookie(const Endpoint& from, MonoTime now) {
    Bytes first = message();
    holder.add_macs(first, now);
    REQUIRE(holder.accept(checker.create_reply(first, SessionIndex(1), from, now), now));
  }

  SeededRng rng;
  PublicKey key{random_array<32>(rng)};
  CookieChecker checker{key, rng};
  CookieHolder holder{key};
};

bool has_mac2(const Bytes& message) {
  return std::any_of(message.end() - 16, message.end(), [](auto byte) { return byte != 0; });
}

}  // namespace

TEST_CASE("cookie: the first MAC is that of the paper") {
  Both both;
  Bytes message = both.message();
  both.holder.add_macs(message, kStart);
  CHECK(both.checker.has_valid_mac1(message));

  Bytes labelled = Bytes{'m', 'a', 'c', '1', '-', '-', '-', '-'};
  labelled.insert(labelled.end(), both.key.bytes().begin(), both.key.bytes().end());
  Bytes key(32);
  REQUIRE(EVP_Digest(labelled.data(), labelled.size(), key.data(), nullptr, EVP_blake2s256(),
                     nullptr) == 1);
  const auto mac = crypto::blake2s<16>(ByteView(message).first(116), key);
  CHECK(std::ranges::equal(mac, ByteView(message).subspan(116, 16)));
}

TEST_CASE("cookie: a message for another key, or a changed one, has no valid first MAC") {
  Both both;
  Bytes message = both.message(kResponseSize);
  CookieHolder(PublicKey(random_array<32>(both.rng))).add_macs(message, kStart);
  CHECK_FALSE(both.checker.has_valid_mac1(message));
  both.holder.add_macs(message, kStart);
  for (std::size_t i = 0; i < message.size() - kMacSize; ++i) {
    message[i] ^= 1;
    REQUIRE_FALSE(both.checker.has_valid_mac1(message));
    message[i] ^= 1;
  }
  CHECK(both.checker.has_valid_mac1(message));
}

TEST_CASE("cookie: without a cookie the second MAC is zero and not valid") {
  Both both;
  Bytes message = both.message();
  both.holder.add_macs(message, kStart);
  CHECK_FALSE(has_mac2(message));
  CHECK_FALSE(both.checker.has_valid_mac2(message, kCaller, kStart));
}

TEST_CASE("L06 a cookie is good for one address and one port") {
  Both both;
  both.hand_over_cookie(kCaller, kStart);
  Bytes message = both.message();
  both.holder.add_macs(message, kStart);
  CHECK(both.checker.has_valid_mac2(message, kCaller, kStart));
  Endpoint other = kCaller;
  other.port = 4001;
  CHECK_FALSE(both.checker.has_valid_mac2(message, other, kStart));
  other = kCaller;
  other.address = IpAddress::v4(192, 0, 2, 2);
  CHECK_FALSE(both.checker.has_valid_mac2(message, other, kStart));
  message[20] ^= 1;
  CHECK_FALSE(both.checker.has_valid_mac2(message, kCaller, kStart));
}

TEST_CASE("L06 a cookie is refused once the secret is 120 s old") {
  Both both;
  both.hand_over_cookie(kCaller, kStart);
  Bytes message = both.message();
  both.holder.add_macs(message, kStart);
  CHECK(both.checker.has_valid_mac2(message, kCaller, kStart + kCookieLifetime - 1ns));
  CHECK_FALSE(both.checker.has_valid_mac2(message, kCaller, kStart + kCookieLifetime));
  // The secret is another one now, also for what was right a moment ago.
  CHECK_FALSE(both.checker.has_valid_mac2(message, kCaller, kStart + kCookieLifetime));
}

TEST_CASE("cookie: a held cookie is used for 115 s") {
  Both both;
  both.hand_over_cookie(kCaller, kStart);
  Bytes message = both.message();
  both.holder.add_macs(message, kStart + kCookieLifetime - kCookieLatency - 1ns);
  CHECK(has_mac2(message));
  message = both.message();
  both.holder.add_macs(message, kStart + kCookieLifetime - kCookieLatency);
  CHECK_FALSE(has_mac2(message));
}

TEST_CASE("L20 a reply is taken once, and only for the last message and from the right key") {
  Both both;
  Bytes first = both.message();
  both.holder.add_macs(first, kStart);
  const CookieReply reply = both.checker.create_reply(first, SessionIndex(1), kCaller, kStart);
  for (std::size_t i = 0; i < reply.sealed_cookie.size(); ++i) {
    CookieReply forged = reply;
    forged.sealed_cookie[i] ^= 1;
    REQUIRE_FALSE(both.holder.accept(forged, kStart));
  }
  CookieChecker stranger(PublicKey(random_array<32>(both.rng)), both.rng);
  CHECK_FALSE(
      both.holder.accept(stranger.create_reply(first, SessionIndex(1), kCaller, kStart), kStart));
  CHECK(both.holder.accept(reply, kStart));
  CHECK_FALSE(both.holder.accept(reply, kStart));

  Bytes second = both.message();
  both.holder.add_macs(second, kStart);
  CHECK_FALSE(both.holder.accept(reply, kStart));
}

TEST_CASE("L21 no two replies share a nonce") {
  Both both;
  const Bytes message = both.message();
  std::vector<std::array<std::uint8_t, 24>> nonces;
  for (int i = 0; i < 1000; ++i) {
    nonces.push_back(both.checker.create_reply(message, SessionIndex(1), kCaller, kStart).nonce);
  }
  std::ranges::sort(nonces);
  CHECK(std::ranges::adjacent_find(nonces) == nonces.end());
}
