#include "os/random.h"

#include <sys/random.h>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::os {

void SystemRng::fill(ByteSpan out) {
  while (!out.empty()) {
    const ssize_t size = retry_interrupted([&] { return ::getrandom(out.data(), out.size(), 0); });
    VERIFY(size > 0);
    out = out.subspan(static_cast<std::size_t>(size));
  }
}

}  // namespace sinew::os
