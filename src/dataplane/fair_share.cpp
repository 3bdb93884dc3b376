#include "dataplane/fair_share.h"

#include <utility>

namespace sinew::dataplane {

void FairShare::begin_window(MonoTime now, const Queue& queue) {
  std::array<Count, kBuckets> counts;
  for (std::size_t i = 0; i < active_count_; ++i)
    counts[i] = std::exchange(buckets_[active_[i]].arrived, 0);
  const auto arrived = std::span(counts).first(active_count_);
  std::ranges::sort(arrived);

  if (now < begin_) has_dropped_until_ = has_modest_until_ = MonoTime();
  if (queue.dropped > 0 || has_cut_) has_dropped_until_ = now + kMemory;
  if (!arrived.empty() && arrived.front() <= arrived.back() / 2) has_modest_until_ = now + kMemory;
  capacity_ = std::max(admitted_, capacity_ - capacity_ / kForgetting);
  limit_ = choose_limit(now, queue.filled_percent, arrived);

  begin_ = now;
  chance_ = chance_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
  active_count_ = 0;
  admitted_ = others_ = 0;
  has_cut_ = false;
}

FairShare::Count FairShare::fair_limit(std::span<const Count> arrived, Count budget) {
  Count left = budget;
  for (std::size_t i = 0; i < arrived.size(); ++i) {
    const Count equal_part = left / (arrived.size() - i);
    if (arrived[i] > equal_part) return std::max<Count>(equal_part, 1);
    left -= arrived[i];
  }
  return kUnlimited;
}

FairShare::Count FairShare::choose_limit(MonoTime now, unsigned filled_percent,
                                         std::span<const Count> arrived) const {
  const bool is_needed = now < has_dropped_until_ && now < has_modest_until_;
  if (!is_needed || filled_percent <= kFilledLow) return kUnlimited;
  const Count limit = fair_limit(arrived, budget(filled_percent));
  Count all = others_;
  Count of_busy = 0;
  for (const Count count : arrived) {
    all += count;
    if (count > limit) of_busy += count;
  }
  return of_busy >= all - of_busy ? limit : kUnlimited;
}

// From the whole capacity down to its kLeastPart-th.
FairShare::Count FairShare::budget(unsigned filled_percent) const {
  constexpr Count kSpan = kFilledHigh - kFilledLow;
  const Count over = std::min(filled_percent, kFilledHigh) - kFilledLow;
  return capacity_ - capacity_ * (kLeastPart - 1) * over / (kLeastPart * kSpan);
}

}  // namespace sinew::dataplane
