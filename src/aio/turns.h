// Fairness between tasks. Internal to aio.
#pragma once

#include "aio/task.h"

namespace sinew::aio {

// Counts operations that were done without waiting, and gives way after a while: a task whose peer
// always has bytes ready would otherwise keep the thread for itself.
class Turns {
 public:
  bool is_over() { return ++used_ % kOperationsInOneTurn == 0; }

 private:
  static constexpr unsigned kOperationsInOneTurn = 16;
  unsigned used_ = 0;
};

}  // namespace sinew::aio
