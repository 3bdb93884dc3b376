// The kernel's random numbers. Nothing else in the program makes unpredictable ones. Any thread.
#pragma once

#include "base/rng.h"

namespace sinew::os {

// Waits at early boot until the kernel has gathered enough; stops the program when the kernel has
// none, because a key from anything weaker is worse than no program.
class SystemRng final : public Rng {
 public:
  void fill(ByteSpan out) override;
};

}  // namespace sinew::os
