// Failures of system calls as values.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sinew::os {

// What a caller can do about an errno value.
ErrorKind kind_of_errno(int number);

// "permission denied": the end of a sentence.
std::string describe_errno(int number);

// "open /x: permission denied" of kind kDenied, for `what` = "open /x". The number is errno unless
// given, so the call comes directly behind the failure.
Error system_error(std::string_view what, int number = errno);

// Repeats a system call for as long as a signal interrupts it. Never for close(2): Linux frees the
// number even when it reports EINTR.
template <typename Call>
auto retry_interrupted(Call call) {
  while (true) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

}  // namespace sinew::os
