#include "crypto/sodium.h"

#include <sodium/core.h>

#include "base/verify.h"

namespace sinew::crypto {

void init_sodium() {
  static const bool is_ready = sodium_init() >= 0;
  VERIFY(is_ready);
}

}  // namespace sinew::crypto
