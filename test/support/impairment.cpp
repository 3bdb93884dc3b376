#include "support/impairment.h"

#include <algorithm>
#include <cmath>

#include "base/verify.h"

namespace sinew::lab {
namespace {

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

bool is_probability(double value) {
  return value >= 0 && value <= 1;
}

// Uniform in [0, 1), so that a probability of 1 always and one of 0 never comes true.
double draw_unit(Rng& rng) {
  return static_cast<double>(rng.number<std::uint64_t>() >> 11) * 0x1p-53;
}

}  // namespace

ImpairedLink::ImpairedLink(const Impairment& impairment, std::uint64_t seed) : rng_(seed) {
  set(impairment);
}

void ImpairedLink::set(const Impairment& impairment) {
  VERIFY(is_probability(impairment.loss));
  VERIFY(is_probability(impairment.duplicate));
  VERIFY(is_probability(impairment.reorder));
  VERIFY(impairment.delay >= 0ns && impairment.jitter >= 0ns && impairment.reorder_hold >= 0ns);
  impairment_ = impairment;
}

void ImpairedLink::feed(ByteView packet, MonoTime now) {
  ++counters_.fed;
  const Fate fate = draw_fate();
  if (fate.is_lost) {
    ++counters_.lost;
    return;
  }
  const auto sent_at = send(packet.size(), now);
  if (!sent_at) {
    ++counters_.overflowed;
    return;
  }
  const MonoTime in_order = std::max(last_due_, *sent_at + impairment_.delay + fate.jitter);
  if (fate.is_reordered) {
    ++counters_.reordered;
    deliver_at(in_order + impairment_.reorder_hold, packet);
  } else {
    last_due_ = in_order;
    deliver_at(in_order, packet);
  }
  if (fate.is_duplicated) {
    ++counters_.duplicated;
    deliver_at(in_order, packet);
  }
}

MonoTime ImpairedLink::deadline() const {
  return under_way_.empty() ? MonoTime::never() : under_way_.begin()->first;
}

std::optional<Bytes> ImpairedLink::next_transmit(MonoTime now) {
  if (deadline() > now || under_way_.empty()) return std::nullopt;
  ++counters_.delivered;
  return std::move(under_way_.extract(under_way_.begin()).mapped());
}

ImpairedLink::Fate ImpairedLink::draw_fate() {
  const double loss = draw_unit(rng_);
  const double duplicate = draw_unit(rng_);
  const double reorder = draw_unit(rng_);
  const double jitter = draw_unit(rng_);
  return {
      .is_lost = loss < impairment_.loss,
      .is_duplicated = duplicate < impairment_.duplicate,
      .is_reordered = reorder < impairment_.reorder,
      .jitter = Duration(std::llround(jitter * static_cast<double>(impairment_.jitter.count())))};
}

std::optional<MonoTime> ImpairedLink::send(std::size_t size, MonoTime now) {
  if (under_way_.size() >= kMaxUnderWay) return std::nullopt;
  if (impairment_.bits_per_second == 0) return now;
  const auto time_for = [&](std::size_t bytes) {
    const std::uint64_t scaled = bytes * 8 * kNanosecondsPerSecond;
    return Duration((scaled + impairment_.bits_per_second - 1) / impairment_.bits_per_second);
  };
  const MonoTime starts_at = std::max(now, wire_free_at_);
  const MonoTime ends_at = starts_at + time_for(size);
  if (ends_at - now > time_for(impairment_.queue_bytes)) return std::nullopt;
  return wire_free_at_ = ends_at;
}

void ImpairedLink::deliver_at(MonoTime due, ByteView packet) {
  under_way_.emplace(due, Bytes(packet.begin(), packet.end()));
}

}  // namespace sinew::lab
