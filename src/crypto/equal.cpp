#include "crypto/equal.h"

#include <sodium/utils.h>

namespace sinew::crypto {

bool equal_constant_time(ByteView left, ByteView right) {
  return left.size() == right.size() && sodium_memcmp(left.data(), right.data(), left.size()) == 0;
}

}  // namespace sinew::crypto
