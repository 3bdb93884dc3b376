// VERIFY(condition): stops the program when our own code broke a promise to itself. Always on, in
// every build. Never for input: what a peer or a user may get wrong is a Result or a counted drop.
#pragma once

#include <source_location>

namespace sinew {

// Prints the place and the broken promise to standard error and aborts.
[[noreturn]] void verify_failed(const char* promise,
                                std::source_location where = std::source_location::current());

}  // namespace sinew

#define VERIFY(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::sinew::verify_failed(#condition))

#define VERIFY_NOT_REACHED() ::sinew::verify_failed("this line is not reached")
