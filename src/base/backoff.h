// How long to wait before the next try. Delays double up to a ceiling and each is drawn from its
// upper half, so that a thousand nodes that lost the same server do not come back in the same
// second.
#pragma once

#include "base/clock.h"
#include "base/rng.h"

namespace sinew {

class Backoff {
 public:
  struct Limits {
    Duration first;
    Duration ceiling;
  };

  // 0 < first <= ceiling.
  explicit Backoff(Limits limits);

  // The delay before the next try: in [d/2, d], where d is `first` doubled once per earlier
  // failure.
  Duration next_delay(Rng& rng);
  // A try succeeded: begin again with `first`.
  void reset() { current_ = limits_.first; }

 private:
  Limits limits_;
  Duration current_;
};

}  // namespace sinew
