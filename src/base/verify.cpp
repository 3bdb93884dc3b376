#include "base/verify.h"

#include <cstdio>
#include <cstdlib>

namespace sinew {

void verify_failed(const char* promise, std::source_location where) {
  std::fprintf(stderr, "BUG: %s:%u: %s: broken promise: %s\n", where.file_name(), where.line(),
               where.function_name(), promise);
  std::abort();
}

}  // namespace sinew
