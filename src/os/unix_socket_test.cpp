#include "os/unix_socket.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/file.h"
#include "support/temp_dir.h"

namespace sinew::os {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat info;
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

TEST_CASE("a listener's file has its mode and both sides know each other") {
  const test::TempDir dir;
  const std::string path = dir / "control";
  auto listener = listen_unix(path, 0660);
  REQUIRE(listener);
  CHECK(mode_of(path) == 0660);
  auto client = connect_unix(path);
  REQUIRE(client);
  const Fd server(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(server.is_open());
  const auto peer = peer_credentials(server);
  REQUIRE(peer);
  CHECK(peer->pid == ::getpid());
  CHECK(peer->uid == ::geteuid());
  CHECK(peer->gid == ::getegid());
}

TEST_CASE("a second listener is refused while the first lives, and replaces what it left") {
  const test::TempDir dir;
  const std::string path = dir / "control";
  {
    auto first = listen_unix(path, 0600);
    REQUIRE(first);
    CHECK(listen_unix(path, 0600).error() ==
          Error{ErrorKind::kConflict, "listen on " + path + ": another process listens there"});
    CHECK(connect_unix(path));
  }
  CHECK(connect_unix(path).error().kind == ErrorKind::kUnavailable);
  CHECK(listen_unix(path, 0600));
  CHECK(mode_of(path) == 0600);
}

TEST_CASE("a listener with a full queue is alive, and keeps nobody waiting") {
  const test::TempDir dir;
  const std::string path = dir / "control";
  auto listener = listen_unix(path, 0600);
  REQUIRE(listener);
  REQUIRE(::listen(listener->get(), 0) == 0);
  const Fd queued = connect_unix(path).value();
  CHECK(connect_unix(path).error() ==
        Error{ErrorKind::kOverloaded, "connect to " + path + ": its listener is too far behind"});
  CHECK(listen_unix(path, 0600).error().kind == ErrorKind::kConflict);
  CHECK(connect_unix(path).error().kind ==
        ErrorKind::kOverloaded);  // the file is still the first's
}

TEST_CASE("a file that is not a socket is never removed") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "file", "precious", 0600));
  CHECK(listen_unix(dir / "file", 0600).error().kind == ErrorKind::kConflict);
  CHECK(read_file(dir / "file", 100).value() == "precious");
}

TEST_CASE("names that do not fit or do not exist are errors") {
  const test::TempDir dir;
  CHECK(listen_unix(dir / std::string(120, 'x'), 0600).error().kind == ErrorKind::kInvalid);
  CHECK(connect_unix("").error().kind == ErrorKind::kInvalid);
  CHECK(listen_unix(std::string("\0abstract", 9), 0600).error().kind == ErrorKind::kInvalid);
  CHECK(connect_unix(dir / "missing").error().kind == ErrorKind::kNotFound);
  Pipe pipe = *open_pipe();
  CHECK(!peer_credentials(pipe.read_end));
}

}  // namespace
}  // namespace sinew::os
