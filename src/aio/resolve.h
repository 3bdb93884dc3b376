// Names to addresses without stopping the loop: the system's resolver knows no waiting but its own,
// so it gets a thread for each question. At most kMaxQuestions at a time; more are kOverloaded. A
// question that is cancelled leaves its thread to come to its end alone.
#pragma once

#include <string>
#include <vector>

#include "aio/runtime.h"
#include "aio/task.h"
#include "base/ip.h"

namespace sinew::aio {

inline constexpr int kMaxQuestions = 16;

Task<Result<std::vector<IpAddress>>> resolve(Runtime& runtime, std::string host);

}  // namespace sinew::aio
