#include "os/lock_file.h"

#include <doctest/doctest.h>

#include "support/temp_dir.h"

namespace sinew::os {
namespace {

TEST_CASE("a lock is held by one and free again when that one lets go") {
  const test::TempDir folder;
  const std::string path = folder.path() + "/lock";
  auto first = lock_file(path);
  REQUIRE(first);
  const auto second = lock_file(path);
  REQUIRE_FALSE(second);
  CHECK(second.error().kind == ErrorKind::kConflict);
  first->close();
  CHECK(lock_file(path));
}

}  // namespace
}  // namespace sinew::os
