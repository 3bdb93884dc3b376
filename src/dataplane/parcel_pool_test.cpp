#include "dataplane/parcel_pool.h"

#include <doctest/doctest.h>

#include <cstring>
#include <set>
#include <vector>

namespace sinew::dataplane {
namespace {

constexpr std::size_t kHeader = packet::kVnetHeaderSize;

// "Reads" a packet of so many bytes, all of the same value.
ParcelPool::Handle keep(ParcelPool& pool, std::size_t size, std::uint8_t value) {
  std::memset(pool.read_room().data(), value, kHeader + size);
  return pool.keep(kHeader + size);
}

bool holds(ParcelPool& pool, ParcelPool::Handle handle, std::size_t size, std::uint8_t value) {
  const ByteSpan packet = pool[handle].packet;
  return packet.size() == size && packet.front() == value && packet.back() == value;
}

}  // namespace

TEST_CASE("packets keep their bytes while others come and go") {
  ParcelPool pool;
  const auto small = keep(pool, 100, 1);
  const auto large = keep(pool, 65'535, 2);
  const auto border = keep(pool, ParcelPool::kSmallSize - kHeader, 3);
  const auto beyond = keep(pool, ParcelPool::kSmallSize - kHeader + 1, 4);
  CHECK_FALSE(ParcelPool::is_large(small));
  CHECK(ParcelPool::is_large(large));
  CHECK_FALSE(ParcelPool::is_large(border));
  CHECK(ParcelPool::is_large(beyond));
  CHECK(holds(pool, small, 100, 1));
  CHECK(holds(pool, large, 65'535, 2));
  CHECK(holds(pool, border, ParcelPool::kSmallSize - kHeader, 3));
  CHECK(pool.used() == 4);
  pool.release(large);
  CHECK(pool.used() == 3);
  CHECK(holds(pool, beyond, ParcelPool::kSmallSize - kHeader + 1, 4));
}

TEST_CASE("every cell can be taken once, and taken again when it was given back") {
  ParcelPool pool;
  for (int round = 0; round < 2; ++round) {
    std::set<ParcelPool::Handle> handles;
    for (std::size_t i = 0; i < ParcelPool::kSmallCount; ++i)
      handles.insert(keep(pool, 60, 1));
    for (std::size_t i = 0; i < ParcelPool::kLargeCount; ++i)
      handles.insert(keep(pool, i % 2 == 0 ? 60'000 : 60, 2));
    CHECK(pool.read_room().empty());
    CHECK(handles.size() == ParcelPool::kCount);
    for (const ParcelPool::Handle handle : handles)
      pool.release(handle);
    CHECK(pool.used() == 0);
  }
}

}  // namespace sinew::dataplane
