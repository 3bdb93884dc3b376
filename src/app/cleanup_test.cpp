#include "app/cleanup.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "os/unix_socket.h"
#include "support/temp_dir.h"

namespace sinew::app {
namespace {

TEST_CASE("what a killed node left behind goes, and everything else stays") {
  test::TempDir temp;
  const auto folder = *node::StateFolder::open(temp / "state");
  {
    const auto killed = os::listen_unix(folder.control_socket(), 0600);
  }
  REQUIRE(::mkdir(folder.file("nucleus").c_str(), 0700) == 0);
  const std::string half_secret = folder.file("secret.0123456789abcdef.tmp");
  const std::string half_state = folder.file("nucleus/state.fedcba9876543210.tmp");
  const std::vector<std::string> kept = {folder.file("secret"),
                                         folder.file("node.key"),
                                         folder.file("log.json"),
                                         folder.file("mine.tmp"),
                                         folder.file("x.0123456789abcdeg.tmp"),
                                         folder.file(".0123456789abcdef.tmp"),
                                         folder.file("nucleus/state")};
  for (const std::string& path : kept)
    REQUIRE(os::write_file(path, "x", 0600));
  for (const std::string& path : {half_secret, half_state})
    REQUIRE(os::write_file(path, "x", 0600));
  const auto lock = folder.lock();
  REQUIRE(lock);
  const auto removed = remove_leftovers(folder, *lock);
  REQUIRE(removed);
  CHECK(*removed == std::vector{folder.control_socket(), half_secret, half_state});
  for (const std::string& path : kept)
    CHECK(::access(path.c_str(), F_OK) == 0);
  CHECK(::access(folder.file("lock").c_str(), F_OK) == 0);
  CHECK(remove_leftovers(folder, *lock)->empty());
}

TEST_CASE("a file that is no socket, in the place of one, is not ours to remove") {
  test::TempDir temp;
  const auto folder = *node::StateFolder::open(temp / "state");
  REQUIRE(os::write_file(folder.control_socket(), "x", 0600));
  const auto lock = folder.lock();
  REQUIRE(lock);
  CHECK(remove_leftovers(folder, *lock)->empty());
}

}  // namespace
}  // namespace sinew::app
