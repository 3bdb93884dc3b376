// A source that behaves as TCP does, behind the queue and a link of 25 bytes in a microsecond with
// a round trip of 10 ms, in steps of 100 us:
//
//   source, or something sparse --> FairQueue --> link --> 10 ms --> acknowledgement or signal
//
// What is asked is what a person notices: how long the queue stands, and whether the link is used.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>

#include "packet/fair_queue.h"

namespace sinew::packet {
namespace {

constexpr Duration kStep = 100us;
constexpr Duration kRoundTrip = 10ms;
constexpr Duration kLength = 40s;
constexpr std::int64_t kBytesPerStep = 2'500;
constexpr std::uint32_t kItemSize = 16'384;
constexpr std::uint32_t kSparseSize = 200;
constexpr std::uint32_t kQueueBytes = 1U << 20;  // 42 ms of the link
constexpr std::uint32_t kBulk = 1;               // flows
constexpr std::uint32_t kSparse = 2;

// Additive increase, multiplicative decrease, and one decrease in a round trip.
class Source {
 public:
  bool may_send() const { return in_flight_ + kItemSize <= window_; }
  void on_sent() { in_flight_ += kItemSize; }
  void on_arrived() {
    in_flight_ -= kItemSize;
    window_ += kSegment * kItemSize / window_;
  }
  void on_signal(MonoTime now) {
    in_flight_ -= kItemSize;
    if (now - last_cut_ < kRoundTrip) return;
    window_ = std::max<std::int64_t>(window_ / 2, kItemSize);
    last_cut_ = now;
  }

 private:
  static constexpr std::int64_t kSegment = 1'460;

  std::int64_t window_ = 500'000;  // twice what the path holds
  std::int64_t in_flight_ = 0;
  MonoTime last_cut_;
};

struct Outcome {
  std::size_t evictions = 0;
  std::size_t signals = 0;
  std::size_t sparse_signals = 0;
  Duration longest_sparse{0};
  // Of the second half.
  Duration worst_standing{0};  // the least that bulk waited in an interval, of all intervals
  double use_of_link = 0;
};

class Simulation {
 public:
  explicit Simulation(bool heeds_signals) : heeds_signals_(heeds_signals) {}

  Outcome run() {
    for (std::int64_t step = 0; now_ < kEnd; ++step) {
      receive();
      while (source_.may_send()) {
        source_.on_sent();
        push(kBulk, kItemSize);
      }
      if (step % 50 == 0) push(kSparse, kSparseSize);
      drain();
      if (step % 1'000 == 999) end_interval();
      now_ += kStep;
    }
    constexpr auto kSteps = static_cast<double>(kLength / 2 / kStep);
    outcome_.use_of_link = static_cast<double>(bytes_) / (kSteps * kBytesPerStep);
    return outcome_;
  }

 private:
  struct Reply {
    MonoTime arrives;
    bool is_late;
  };
  static constexpr MonoTime kStart{1h};
  static constexpr MonoTime kEnd = kStart + kLength;

  bool is_second_half() const { return now_ >= kStart + kLength / 2; }

  void push(std::uint32_t flow, std::uint32_t size) {
    queue_.push({1, flow, size, 0, now_}, [this](const auto& victim) {
      ++outcome_.evictions;
      if (victim.flow_hash == kBulk) source_.on_signal(now_);
    });
  }
  void receive() {
    for (; !replies_.empty() && replies_.front().arrives <= now_; replies_.pop_front()) {
      if (replies_.front().is_late) {
        source_.on_signal(now_);
      } else {
        source_.on_arrived();
      }
    }
  }
  void drain() {
    budget_ += kBytesPerStep;
    while (budget_ > 0) {
      const auto popped = queue_.pop(now_);
      if (!popped) {
        budget_ = 0;
        return;
      }
      budget_ -= popped->item.size;
      if (is_second_half()) bytes_ += popped->item.size;
      note(popped->item.flow_hash, popped->is_late, now_ - popped->item.queued_at);
    }
  }
  void note(std::uint32_t flow, bool is_late, Duration sojourn) {
    if (flow == kSparse) {
      outcome_.sparse_signals += is_late ? 1U : 0U;
      outcome_.longest_sparse = std::max(outcome_.longest_sparse, sojourn);
      return;
    }
    outcome_.signals += is_late ? 1U : 0U;
    shortest_ = std::min(shortest_, sojourn);
    replies_.push_back({now_ + kRoundTrip, is_late && heeds_signals_});
  }
  void end_interval() {
    if (is_second_half()) outcome_.worst_standing = std::max(outcome_.worst_standing, shortest_);
    shortest_ = kLength;
  }

  bool heeds_signals_;
  FairQueue<int> queue_{{.items = 1'024, .bytes = kQueueBytes}};
  Source source_;
  std::deque<Reply> replies_;
  MonoTime now_ = kStart;
  std::int64_t budget_ = 0;
  std::int64_t bytes_ = 0;
  Duration shortest_ = kLength;  // of bulk, in this interval
  Outcome outcome_;
};

}  // namespace

TEST_CASE("the queue of a source that heeds signals stands near the target, and nothing is lost") {
  const Outcome outcome = Simulation(true).run();
  CHECK(outcome.evictions == 0);
  CHECK(outcome.signals > 10);
  // The super-packet that is spared is worth 2.6 ms of this link.
  CHECK(outcome.worst_standing < 3 * Codel::kTarget);
  CHECK(outcome.use_of_link > 0.8);
}

TEST_CASE("the queue of a source that ignores signals grows to the end of memory") {
  const Outcome outcome = Simulation(false).run();
  CHECK(outcome.evictions > 0);
  CHECK(outcome.worst_standing > 10 * Codel::kTarget);
}

TEST_CASE("a sparse flow waits for one item of bulk at most and gets no signal") {
  for (const bool heeds_signals : {false, true}) {
    const Outcome outcome = Simulation(heeds_signals).run();
    CHECK(outcome.sparse_signals == 0);
    CHECK(outcome.longest_sparse <= 700us);
  }
}

}  // namespace sinew::packet
