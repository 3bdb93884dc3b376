#include "base/secret.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <concepts>
#include <cstdlib>
#include <memory>
#include <new>
#include <ostream>
#include <type_traits>

#include "base/log.h"

using namespace sinew;

namespace {

using Key = SecretArray<32>;

template <typename T>
concept Printable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!std::equality_comparable<Key>);
static_assert(!std::equality_comparable<SecretBytes>);
static_assert(!std::three_way_comparable<Key>);
static_assert(!Printable<Key>);
static_assert(!Printable<SecretBytes>);
static_assert(!std::is_copy_constructible_v<Key> && !std::is_copy_assignable_v<Key>);
static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<Key>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);
static_assert(!std::is_constructible_v<LogField, std::string_view, const Key&>);
static_assert(!std::is_constructible_v<LogField, std::string_view, const SecretBytes&>);
static_assert(!std::is_convertible_v<Key, ByteView>);
static_assert(!std::is_convertible_v<SecretBytes, std::string_view>);

std::array<std::uint8_t, 32> pattern() {
  std::array<std::uint8_t, 32> bytes;
  bytes.fill(0xa5);
  return bytes;
}

Key a_key() {
  return Key(std::span<const std::uint8_t, 32>(pattern()));
}

bool holds_pattern(ByteView bytes) {
  return std::ranges::find(bytes, std::uint8_t{0xa5}) != bytes.end();
}

// One heap block, looked into at the moment it is freed.
struct Watched {
  const void* block = nullptr;
  std::size_t size = 0;
  bool was_freed = false;
  bool held_pattern = false;
};
thread_local Watched watched;

void release(void* block) {
  if (block != nullptr && block == watched.block) {
    watched.was_freed = true;
    watched.held_pattern = holds_pattern({static_cast<std::uint8_t*>(block), watched.size});
    watched.block = nullptr;
  }
  std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
  release(block);
}
void operator delete(void* block, std::size_t) noexcept {
  release(block);
}

TEST_CASE("a secret array leaves no trace in its storage when it dies") {
  alignas(Key) std::array<std::uint8_t, sizeof(Key)> storage{};
  Key* key = new (storage.data()) Key(std::span<const std::uint8_t, 32>(pattern()));
  REQUIRE(holds_pattern(storage));
  std::destroy_at(key);
  CHECK_FALSE(holds_pattern(storage));
}

TEST_CASE("a secret array that moved away leaves no trace behind") {
  Key from = a_key();
  const Key to = std::move(from);
  CHECK(holds_pattern(to.expose()));
  CHECK_FALSE(holds_pattern(from.expose()));

  Key again = a_key();
  Key assigned;
  assigned = std::move(again);
  CHECK(holds_pattern(assigned.expose()));
  CHECK_FALSE(holds_pattern(again.expose()));
}

TEST_CASE("a secret array survives being moved onto itself") {
  Key key = a_key();
  Key& same = key;
  key = std::move(same);
  CHECK(holds_pattern(key.expose()));
}

TEST_CASE("a clone is a second secret") {
  const Key key = a_key();
  Key copy = key.clone();
  wipe(copy.expose_mutable());
  CHECK(holds_pattern(key.expose()));
  CHECK_FALSE(holds_pattern(copy.expose()));
}

TEST_CASE("secret bytes are wiped before their memory is given back") {
  SecretBytes secret{ByteView(pattern())};
  watched = {.block = secret.expose().data(), .size = secret.size()};
  SUBCASE("by the destructor") {
    const SecretBytes dies = std::move(secret);
  }
  SUBCASE("by an assignment") {
    secret = SecretBytes("new");
  }
  CHECK(watched.was_freed);
  CHECK_FALSE(watched.held_pattern);
}

TEST_CASE("secret bytes that moved away are empty") {
  SecretBytes from("hunter2");
  const SecretBytes to = std::move(from);
  CHECK(to.expose_text() == "hunter2");
  CHECK(from.is_empty());
}

TEST_CASE("wipe clears exactly the bytes it is given") {
  auto bytes = pattern();
  wipe(ByteSpan(bytes).subspan(1, 30));
  CHECK(bytes.front() == 0xa5);
  CHECK(bytes.back() == 0xa5);
  CHECK_FALSE(holds_pattern(ByteView(bytes).subspan(1, 30)));
  wipe({});
}

TEST_CASE("secret bytes hold text and hand out a clone") {
  const SecretBytes password("hunter2");
  CHECK(password.size() == 7);
  CHECK(password.expose_text() == "hunter2");
  CHECK(password.clone().expose_text() == "hunter2");
  CHECK(SecretBytes().is_empty());
}
