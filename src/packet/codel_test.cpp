#include "packet/codel.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"

namespace sinew::packet {
namespace {

constexpr MonoTime kStart{1h};
constexpr std::uint32_t kPlenty = 1'000'000;  // bytes behind
constexpr Duration kLong = 50ms;              // waited

bool is_late(Codel& codel, MonoTime now, Duration sojourn = kLong) {
  return codel.is_late(sojourn, kPlenty, now);
}

// A packet one nanosecond before `time` carries no signal, and one at `time` does.
void check_signal_at(Codel& codel, MonoTime time) {
  CAPTURE((time - kStart).count());
  CHECK_FALSE(is_late(codel, time - 1ns));
  CHECK(is_late(codel, time));
}

// Has given the first six signals, the last of them at 423,167,063 ns, and would give the next
// 40,824,829 ns later.
constexpr Duration kSignals[] = {100'000'000ns, 200'000'000ns, 270'710'678ns,
                                 328'445'704ns, 378'445'704ns, 423'167'063ns};
constexpr MonoTime kSeventh = kStart + 463'991'892ns;
Codel after_six_signals() {
  Codel codel;
  CHECK_FALSE(is_late(codel, kStart));
  for (const Duration since_start : kSignals)
    check_signal_at(codel, kStart + since_start);
  return codel;
}

// The rules as the header states them, from all that has ever left.
class NaiveCodel {
 public:
  bool is_late(Duration sojourn, std::uint32_t bytes_behind, MonoTime now) {
    const bool is_good = sojourn < 2ms || bytes_behind <= 65'536;
    if (is_good) {
      bad_.clear();
      if (!signals_.empty()) previous_ = signals_.size() - 1;
      signals_.clear();
      return false;
    }
    bad_.push_back(now);
    if (now - bad_.front() < 100ms) return false;
    if (signals_.empty()) {
      const bool is_soon = now - due_ < 1'600ms;
      offset_ = previous_ > 1 && is_soon ? previous_ - 1 : 0;
      previous_ = 0;
    } else if (now < due_) {
      return false;
    }
    signals_.push_back(now);
    const double count = static_cast<double>(signals_.size() + offset_);
    const Duration gap(static_cast<std::int64_t>(1e8 / std::sqrt(count)));
    const bool is_in_step = signals_.size() > 1 && due_ + gap > now;
    due_ = (is_in_step ? due_ : now) + gap;
    return true;
  }

 private:
  std::vector<MonoTime> bad_;
  std::vector<MonoTime> signals_;
  std::size_t previous_ = 0;  // signals after the first one, when they ended
  std::size_t offset_ = 0;
  MonoTime due_;
};

TEST_CASE("signals begin after an interval above the target and come at the gaps of the RFC") {
  Codel codel = after_six_signals();
  check_signal_at(codel, kSeventh);
}

TEST_CASE("a flow below the target never gets a signal, one at the target does") {
  Codel below, at;
  bool is_any_late = false;
  for (MonoTime now = kStart; now < kStart + 10s; now += 1ms) {
    CHECK_FALSE(is_late(below, now, Codel::kTarget - 1ns));
    is_any_late |= is_late(at, now, Codel::kTarget);
  }
  CHECK(is_any_late);
}

TEST_CASE("a queue of one super-packet never gets a signal, one byte more does") {
  Codel below, above;
  bool is_any_late = false;
  for (MonoTime now = kStart; now < kStart + 10s; now += 1ms) {
    CHECK_FALSE(below.is_late(kLong, Codel::kSparedBytes, now));
    is_any_late |= above.is_late(kLong, Codel::kSparedBytes + 1, now);
  }
  CHECK(is_any_late);
}

TEST_CASE("one packet in time begins the interval anew") {
  for (const bool is_short : {false, true}) {
    Codel codel;
    CHECK_FALSE(is_late(codel, kStart));
    CHECK_FALSE(is_late(codel, kStart + 99ms));
    CHECK_FALSE(codel.is_late(is_short ? kLong : 1ms, is_short ? 0 : kPlenty, kStart + 99ms));
    CHECK_FALSE(is_late(codel, kStart + 150ms));
    check_signal_at(codel, kStart + 250ms);
  }
}

TEST_CASE("one packet in time ends the signals") {
  Codel codel = after_six_signals();
  CHECK_FALSE(is_late(codel, kSeventh - 1ns, 1ms));
  CHECK_FALSE(is_late(codel, kSeventh));
  check_signal_at(codel, kSeventh + 100ms);
}

TEST_CASE("who falls back soon begins at the rate reached, who falls back later from the start") {
  // Five signals followed the first: the next streak begins as if with the fifth.
  struct Case {
    Duration since_due;
    Duration gap;
  };
  for (const auto& [since_due, gap] : {Case{1'600ms - 1ns, 44'721'359ns}, Case{1'600ms, 100ms}}) {
    Codel codel = after_six_signals();
    CHECK_FALSE(is_late(codel, kStart + 430ms, 1ms));
    const MonoTime again = kSeventh + since_due;
    CHECK_FALSE(is_late(codel, again - 100ms));
    check_signal_at(codel, again);
    check_signal_at(codel, again + gap);
  }
}

TEST_CASE("a streak of two signals is not remembered, one of three is") {
  for (const std::size_t count : {2U, 3U}) {
    Codel codel;
    CHECK_FALSE(is_late(codel, kStart));
    for (std::size_t i = 0; i < count; ++i)
      CHECK(is_late(codel, kStart + kSignals[i]));
    CHECK_FALSE(is_late(codel, kStart + 300ms, 1ms));
    CHECK_FALSE(is_late(codel, kStart + 400ms));
    check_signal_at(codel, kStart + 500ms);
    check_signal_at(codel, kStart + 500ms + (count == 2 ? 100'000'000ns : 70'710'678ns));
  }
}

TEST_CASE("signals that came due while nothing left are not made up for") {
  // The seventh in step: the eighth is due 37,796,447 ns behind it, which is not yet over.
  Codel in_step = after_six_signals();
  CHECK(is_late(in_step, kSeventh + 37'796'446ns));
  CHECK(is_late(in_step, kSeventh + 37'796'447ns));
  // One nanosecond later, and the gap begins with what was late.
  Codel behind = after_six_signals();
  CHECK(is_late(behind, kSeventh + 37'796'447ns));
  check_signal_at(behind, kSeventh + 2 * 37'796'447ns);
  Codel far_behind = after_six_signals();
  CHECK(is_late(far_behind, kSeventh + 10s));
  check_signal_at(far_behind, kSeventh + 10s + 37'796'447ns);
}

TEST_CASE("the gap stops shrinking at a tenth of a millisecond, whatever a flow ignores") {
  Codel codel;
  CHECK_FALSE(is_late(codel, kStart));
  MonoTime now = kStart + 100ms;
  CHECK(is_late(codel, now));
  for (std::uint32_t count = 1; count < Codel::kMaxSignals + 1'000; ++count) {
    now += Duration(static_cast<std::int64_t>(
        1e8 / std::sqrt(std::min<std::uint32_t>(count, Codel::kMaxSignals))));
    REQUIRE(is_late(codel, now));
  }
  check_signal_at(codel, now + 97'656ns);
}

TEST_CASE("a queue that fills faster than it drains gets signals that come ever closer") {
  // Packets of 1,000 bytes come every 80 us and leave every 100 us.
  Codel codel;
  std::vector<Duration> times;
  for (std::int64_t i = 0; i < 30'000; ++i) {
    const Duration leaves = i * 100us;
    const Duration comes = i * 80us;
    const auto bytes_behind = static_cast<std::uint32_t>((leaves / 80us - i) * 1'000);
    if (codel.is_late(leaves - comes, bytes_behind, kStart + leaves)) times.push_back(leaves);
  }
  REQUIRE(times.size() > 100);
  // More than 65 packets are behind after 26 ms.
  CHECK(times[0] > 126ms);
  CHECK(times[0] < 128ms);
  for (std::size_t i = 10; i < times.size(); i += 10)
    CHECK(times[i] - times[i - 5] < times[i - 5] - times[i - 10]);
}

TEST_CASE("controlled delay does what a naive twin does, whatever comes") {
  SeededRng rng(8289);
  std::size_t late = 0;
  for (int round = 0; round < 40; ++round) {
    Codel codel;
    NaiveCodel naive;
    MonoTime now = kStart;
    const std::uint64_t step = 1 + rng.below(40'000'000);
    const std::uint64_t good = 1 + rng.below(100);
    for (int i = 0; i < 5'000; ++i) {
      now += Duration(rng.below(step));
      if (rng.below(500) == 0) now += Duration(rng.below(3'000'000'000));
      const bool is_good = rng.below(2'000) < good;
      const Duration sojourn(is_good ? rng.below(2'000'000) : 2'000'000 + rng.below(50'000'000));
      const auto bytes = static_cast<std::uint32_t>(65'500 + rng.below(5'000'000));
      const bool ours = codel.is_late(sojourn, bytes, now);
      REQUIRE(ours == naive.is_late(sojourn, bytes, now));
      late += ours ? 1U : 0U;
    }
  }
  CHECK(late > 1'000);
}

}  // namespace
}  // namespace sinew::packet
