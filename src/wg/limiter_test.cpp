#include "wg/limiter.h"

#include <doctest/doctest.h>

#include "base/rng.h"
#include "support/hex.h"

using namespace sinew;
using namespace sinew::wg;
using namespace sinew::test;

namespace {

using Verdict = HandshakeLimiter::Verdict;
constexpr MonoTime kStart{1h};

IpAddress v4(std::uint32_t number) {
  std::array<std::uint8_t, 4> bytes;
  store_be(bytes.data(), number);
  return IpAddress::v4(bytes);
}

IpAddress v6(std::uint64_t upper, std::uint64_t lower) {
  std::array<std::uint8_t, 16> bytes;
  store_be(bytes.data(), upper);
  store_be(bytes.data() + 8, lower);
  return IpAddress::v6(bytes);
}

}  // namespace

TEST_CASE("limiter: a source has a burst of 5 and then 20 a second") {
  SeededRng rng(1);
  SourceLimiter limiter(16, rng);
  for (std::uint32_t i = 0; i < kHandshakeBurst; ++i)
    CHECK(limiter.take(v4(1), kStart));
  CHECK_FALSE(limiter.take(v4(1), kStart + 50ms - 1ns));
  CHECK(limiter.take(v4(1), kStart + 50ms));
  CHECK(limiter.take(v4(2), kStart));
}

TEST_CASE("limiter: a source is an IPv4 address or an IPv6 /64") {
  SeededRng rng(2);
  SourceLimiter limiter(64, rng);
  for (std::uint64_t i = 0; i < kHandshakeBurst; ++i)
    CHECK(limiter.take(v6(0x20010db8'00000000, i), kStart));
  CHECK_FALSE(limiter.take(v6(0x20010db8'00000000, ~std::uint64_t{0}), kStart));
  CHECK(limiter.take(v6(0x20010db8'00000001, 0), kStart));
  for (std::uint32_t i = 0; i < kHandshakeBurst; ++i)
    CHECK(limiter.take(v4(0xffffffff), kStart));
  CHECK(limiter.take(v4(0xfffffffe), kStart));
}

TEST_CASE("limiter: memory is bounded, whatever addresses come") {
  SeededRng rng(3);
  SourceLimiter limiter(100, rng);
  for (std::uint32_t i = 0; i < 10'000; ++i)
    limiter.take(v4(i), kStart);
  CHECK(limiter.size() == 100);
}

TEST_CASE("L05 a flood from one source costs the others nothing") {
  SeededRng rng(4);
  HandshakeLimiter limiter(1024, 1000, rng);
  MonoTime now = kStart;
  for (int i = 0; i < 100'000; ++i) {
    static_cast<void>(limiter.judge(v4(1), false, now));
    now += 10us;
  }
  for (std::uint32_t i = 2; i < 900; ++i)
    REQUIRE(limiter.judge(v4(i), false, now) == Verdict::kAdmit);
}

TEST_CASE("L07 when the budget is gone, a cookie is asked for and then admits") {
  SeededRng rng(5);
  HandshakeLimiter limiter(4096, 1000, rng);
  for (std::uint32_t i = 0; i < 1000; ++i)
    REQUIRE(limiter.judge(v4(i), false, kStart) == Verdict::kAdmit);
  CHECK(limiter.judge(v4(5000), false, kStart) == Verdict::kAskForCookie);
  CHECK(limiter.judge(v4(5000), true, kStart) == Verdict::kAdmit);
  CHECK(limiter.judge(v4(5000), false, kStart + 1ms - 1ns) == Verdict::kAskForCookie);
  CHECK(limiter.judge(v4(5000), false, kStart + 1ms) == Verdict::kAdmit);
}

TEST_CASE("L07 who has a cookie is held to his own rate, and forgers cannot use it up") {
  SeededRng rng(6);
  HandshakeLimiter limiter(64, 1000, rng);
  for (int i = 0; i < 1000; ++i)
    static_cast<void>(limiter.judge(v4(1), false, kStart));
  CHECK(limiter.judge(v4(1), false, kStart) == Verdict::kAskForCookie);
  for (std::uint32_t i = 0; i < kHandshakeBurst; ++i)
    CHECK(limiter.judge(v4(1), true, kStart) == Verdict::kAdmit);
  CHECK(limiter.judge(v4(1), true, kStart) == Verdict::kDrop);
}
