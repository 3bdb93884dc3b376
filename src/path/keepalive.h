// How often an idle path has to be used to stay open. NATs forget a mapping after anything from 30
// s to many minutes; the interval grows while the path survives it, and goes back below what it did
// not survive. At the shortest interval one ping and one pong over IPv6, counted with their
// headers, come to 1 MB a day. Pure value.
#pragma once

#include <algorithm>

#include "base/clock.h"

namespace sinew::path {

inline constexpr Duration kShortestKeepalive = 28s;
inline constexpr Duration kLongestKeepalive = 110s;

class Keepalive {
 public:
  Duration interval() const { return interval_; }

  // The first ping after `silence` was answered.
  void survived(Duration silence) {
    if (silence < interval_) return;  // says nothing about the interval
    interval_ = std::min({interval_ * 5 / 4, ceiling_, kLongestKeepalive});
  }
  // No ping after `silence` was answered: the path had been forgotten.
  void forgotten(Duration silence) {
    if (silence < kShortestKeepalive) return;
    ceiling_ = std::max(std::min(ceiling_, silence * 4 / 5), kShortestKeepalive);
    interval_ = std::min(interval_, ceiling_);
  }

 private:
  Duration interval_ = kShortestKeepalive;
  Duration ceiling_ = kLongestKeepalive;
};

}  // namespace sinew::path
