#include "crypto/equal.h"

#include <doctest/doctest.h>

#include "base/rng.h"
#include "support/hex.h"

using namespace sinew;
using crypto::equal_constant_time;

TEST_CASE("equal bytes are equal, wherever they lie") {
  SeededRng rng(1);
  for (std::size_t size = 0; size < 100; ++size) {
    const Bytes bytes = test::random_bytes(rng, size);
    const Bytes copy = bytes;
    CHECK(equal_constant_time(bytes, copy));
  }
}

TEST_CASE("a single bit anywhere makes bytes differ") {
  SeededRng rng(2);
  const Bytes bytes = test::random_bytes(rng, 32);
  for (std::size_t bit = 0; bit < 256; ++bit) {
    Bytes other = bytes;
    other[bit / 8] = static_cast<std::uint8_t>(other[bit / 8] ^ 1U << bit % 8);
    CHECK_FALSE(equal_constant_time(bytes, other));
  }
}

TEST_CASE("bytes of different lengths differ, also when one starts the other") {
  const Bytes bytes = test::counting(32);
  CHECK_FALSE(equal_constant_time(bytes, ByteView(bytes).first(31)));
  CHECK_FALSE(equal_constant_time({}, bytes));
  CHECK(equal_constant_time({}, {}));
}
