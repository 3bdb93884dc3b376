#include "base/token_bucket.h"

#include <doctest/doctest.h>

#include "base/rng.h"

using namespace sinew;

namespace {

constexpr TokenBucket::Limits kLimits{.interval = 100ms, .burst = 3};
constexpr MonoTime kStart(1h);

TokenBucket emptied_at(MonoTime now) {
  TokenBucket bucket(kLimits, now);
  for (std::uint32_t i = 0; i < kLimits.burst; ++i)
    REQUIRE(bucket.take(now));
  return bucket;
}

}  // namespace

TEST_CASE("a bucket starts with its burst and no more") {
  TokenBucket bucket = emptied_at(kStart);
  CHECK_FALSE(bucket.take(kStart));
}

TEST_CASE("a token comes back after its interval: not 1 ns before, but 1 ns after") {
  CHECK_FALSE(emptied_at(kStart).take(kStart + 100ms - 1ns));
  CHECK(emptied_at(kStart).take(kStart + 100ms));
  CHECK(emptied_at(kStart).take(kStart + 100ms + 1ns));
}

TEST_CASE("asking in vain does not push the next token back") {
  TokenBucket bucket = emptied_at(kStart);
  for (MonoTime now = kStart; now < kStart + 100ms; now += 1ms)
    CHECK_FALSE(bucket.take(now));
  CHECK(bucket.take(kStart + 100ms));
  CHECK_FALSE(bucket.take(kStart + 200ms - 1ns));
  CHECK(bucket.take(kStart + 200ms));
}

TEST_CASE("a long rest fills the burst and nothing above it") {
  TokenBucket bucket = emptied_at(kStart);
  const MonoTime later = kStart + 24h;
  for (std::uint32_t i = 0; i < kLimits.burst; ++i)
    CHECK(bucket.take(later));
  CHECK_FALSE(bucket.take(later));
}

TEST_CASE("a bucket is full 1 ns after it is not") {
  TokenBucket bucket = emptied_at(kStart);
  CHECK_FALSE(bucket.is_full(kStart + 300ms - 1ns));
  CHECK(bucket.is_full(kStart + 300ms));
}

TEST_CASE("next_token_at is the first moment take succeeds") {
  TokenBucket bucket(kLimits, kStart);
  CHECK(bucket.next_token_at() == kStart);
  TokenBucket empty = emptied_at(kStart);
  CHECK(empty.next_token_at() == kStart + 100ms);
  CHECK_FALSE(empty.take(empty.next_token_at() - 1ns));
  CHECK(empty.take(empty.next_token_at()));
}

TEST_CASE("time that stands still or goes back gives nothing") {
  TokenBucket bucket = emptied_at(kStart);
  CHECK_FALSE(bucket.take(kStart - 1h));
  CHECK_FALSE(bucket.take(kStart));
  CHECK(bucket.take(kStart + 100ms));
}

TEST_CASE("the widest limits neither overflow nor lose a token") {
  TokenBucket bucket({.interval = Duration::max() / UINT32_MAX, .burst = UINT32_MAX}, kStart);
  CHECK(bucket.is_full(kStart));
  CHECK(bucket.take(kStart));
  CHECK_FALSE(bucket.is_full(kStart));
  CHECK(bucket.is_full(MonoTime::never()));
}

TEST_CASE("however take is called, the rate holds over any time") {
  SeededRng rng(11);
  TokenBucket bucket(kLimits, kStart);
  MonoTime now = kStart;
  std::int64_t taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    now += Duration(static_cast<std::int64_t>(rng.below(60'000'000)));
    taken += bucket.take(now);
    REQUIRE(taken <= kLimits.burst + (now - kStart) / kLimits.interval);
  }
  // Asked about every 30 ms, none of the tokens gets lost.
  CHECK(taken >= (now - kStart) / kLimits.interval);
}
