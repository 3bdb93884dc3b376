#include "os/file_watch.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "os/unix_socket.h"
#include "support/temp_dir.h"

using namespace sinew;

namespace {

bool is_readable(const os::Fd& fd) {
  pollfd look{.fd = fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&look, 1, 0) == 1;
}

struct Watched {
  test::TempDir folder;
  std::string path = folder.path() + "/watched";
  os::Fd listener = *os::listen_unix(path, 0600);
  os::FileWatch watch = *os::FileWatch::open(path);
};

}  // namespace

TEST_CASE("a file that stays is not gone") {
  Watched it;
  CHECK_FALSE(it.watch.is_gone());
  CHECK_FALSE(is_readable(it.watch.fd()));
  REQUIRE(::chmod(it.path.c_str(), 0644) == 0);
  CHECK(is_readable(it.watch.fd()));
  CHECK_FALSE(it.watch.is_gone());
  it.watch.clear();
  CHECK_FALSE(is_readable(it.watch.fd()));
}

TEST_CASE("a socket that is removed, renamed or replaced is gone, although it is open") {
  const auto removed = [](const std::string& path) { return ::unlink(path.c_str()); };
  const auto renamed = [](const std::string& path) {
    return std::rename(path.c_str(), (path + "2").c_str());
  };
  const auto replaced = [](const std::string& path) {
    const auto other = os::listen_unix(path + "2", 0600);
    return std::rename((path + "2").c_str(), path.c_str());
  };
  for (int (*const act)(const std::string&) : {+removed, +renamed, +replaced}) {
    Watched it;
    REQUIRE(act(it.path) == 0);
    CHECK(is_readable(it.watch.fd()));
    CHECK(it.watch.is_gone());
  }
}

TEST_CASE("a file that is not there cannot be watched") {
  const test::TempDir folder;
  const auto watch = os::FileWatch::open(folder.path() + "/none");
  REQUIRE_FALSE(watch.has_value());
  CHECK(watch.error().kind == ErrorKind::kNotFound);
}
