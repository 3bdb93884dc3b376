#include "base/secret_text.h"

#include <doctest/doctest.h>

#include <string>

namespace sinew {

TEST_CASE("secret text grows, shrinks from the front and moves like a string") {
  SecretText text("abc");
  std::string twin = "abc";
  for (int i = 0; i < 1000; ++i) {
    const std::string piece(static_cast<std::size_t>(i % 7), static_cast<char>('a' + i % 26));
    text.append(piece);
    twin += piece;
    if (i % 3 == 0 && twin.size() > 5) {
      text.remove_prefix(5);
      twin.erase(0, 5);
    }
    REQUIRE(text.expose() == twin);
  }
  SecretText moved = std::move(text);
  CHECK(moved.expose() == twin);
  moved = SecretText("x");
  CHECK(moved.expose() == "x");
  moved.clear();
  CHECK(moved.is_empty());
}

TEST_CASE("secret text wipes what was removed, in the memory it had") {
  SecretText text("password=hunter2");
  const char* memory = text.expose().data();
  text.remove_prefix(9);
  CHECK(std::string_view(memory, 16) == std::string_view("hunter2\0\0\0\0\0\0\0\0\0", 16));
  text.clear();
  CHECK(std::string_view(memory, 16) == std::string(16, '\0'));
}

}  // namespace sinew
