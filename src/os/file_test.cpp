#include "os/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>

#include "os/path.h"
#include "support/refused_call.h"
#include "support/skip.h"
#include "support/temp_dir.h"

namespace sinew::os {
namespace {

namespace fs = std::filesystem;

mode_t mode_of(const std::string& path) {
  struct stat info;
  REQUIRE(::stat(path.c_str(), &info) == 0);
  return info.st_mode & 07777;
}

std::size_t files_in(const std::string& path) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

TEST_CASE("a written file has exactly the content and the mode, new or replaced") {
  const test::TempDir dir;
  const std::string path = dir / "state";
  const mode_t before = ::umask(0);
  REQUIRE(write_file(path, "one", 0600));
  ::umask(077);
  CHECK(mode_of(path) == 0600);
  REQUIRE(write_file(path, std::string(100'000, 'x'), 0644));
  ::umask(before);
  CHECK(mode_of(path) == 0644);
  CHECK(read_file(path, 100'000).value() == std::string(100'000, 'x'));
  CHECK(files_in(dir.path()) == 1);
}

TEST_CASE("replacing a link replaces the link, not what it points to") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "target", "precious", 0600));
  fs::create_symlink(dir / "target", dir / "link");
  REQUIRE(write_file(dir / "link", "new", 0600));
  CHECK(read_file(dir / "target", 100).value() == "precious");
  CHECK(read_file(dir / "link", 100).value() == "new");
}

TEST_CASE("reading stops at the limit") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "f", "12345", 0600));
  CHECK(read_file(dir / "f", 5).value() == "12345");
  CHECK(read_file(dir / "f", 4).error().kind == ErrorKind::kOverloaded);
  CHECK(read_file("/dev/zero", 1'000'000).error().kind == ErrorKind::kOverloaded);
  CHECK(read_file(dir / "g", 5).error() ==
        Error{ErrorKind::kNotFound, "open " + (dir / "g") + ": no such file or directory"});
  CHECK(read_file(dir.path(), 5).error().kind == ErrorKind::kInvalid);
}

TEST_CASE("a write that cannot finish leaves nothing behind") {
  const test::TempDir dir;
  fs::create_directories(dir / "taken/inside");
  CHECK(!write_file(dir / "taken", "x", 0600));  // a folder cannot be replaced
  CHECK(files_in(dir.path()) == 1);
  CHECK(write_file(dir / "missing/file", "x", 0600).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a full disk leaves the old content") {
  if (!test::is_root("mounting a small disk")) return;
  const test::TempDir dir;
  REQUIRE(::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=64k") == 0);
  const std::string path = dir / "state";
  CHECK(write_file(path, "old", 0600));
  const auto written = write_file(path, std::string(200'000, 'x'), 0600);
  CHECK(!written);
  CHECK(written.error().message == "write " + path + ": write: no space left on device");
  CHECK(written.error().kind == ErrorKind::kOverloaded);
  CHECK(read_file(path, 100).value() == "old");
  CHECK(files_in(dir.path()) == 1);
  CHECK(write_file(path, "newer", 0600));  // there is room again
  REQUIRE(::umount(dir.path().c_str()) == 0);
}

// Replaces the file by `a` and `b` in turn and tells of each, until it is killed.
[[noreturn]] void write_for_ever(const std::string& path, std::string_view a, std::string_view b,
                                 const Fd& progress) {
  while (true) {
    for (const std::string_view content : {a, b}) {
      if (!write_file(path, content, 0600) || !write_all(progress, as_bytes("."))) ::_exit(1);
    }
  }
}

TEST_CASE("a writer that is killed leaves one content or the other, whole") {
  const test::TempDir dir;
  const std::string path = dir / "state";
  const std::string a(300'000, 'a');
  const std::string b(200'000, 'b');
  REQUIRE(write_file(path, a, 0600));
  for (int round = 0; round < 30; ++round) {
    Pipe progress = open_pipe().value();
    const pid_t writer = ::fork();
    if (writer == 0) write_for_ever(path, a, b, progress.write_end);
    std::uint8_t mark = 0;
    for (int i = 0; i <= round % 2; ++i)
      REQUIRE(read_some(progress.read_end, {&mark, 1}).value() == 1);
    REQUIRE(::kill(writer, SIGKILL) == 0);  // somewhere in its next write
    REQUIRE(::waitpid(writer, nullptr, 0) == writer);
    const std::string found = read_file(path, 1'000'000).value();
    CHECK((found == a || found == b));
  }
}

TEST_CASE("a folder opens what lies beneath it and nothing else") {
  const test::TempDir dir;
  fs::create_directories(dir / "in/sub");
  REQUIRE(write_file(dir / "in/sub/file", "inside", 0600));
  REQUIRE(write_file(dir / "secret", "outside", 0600));
  fs::create_symlink(dir / "secret", dir / "in/link");
  fs::create_symlink("sub", dir / "in/inner");
  fs::create_symlink("..", dir / "in/up");

  auto folder = Folder::open(dir / "in");
  REQUIRE(folder);
  CHECK(folder->open_beneath("sub/file", O_RDONLY));
  CHECK(folder->open_beneath("sub/../sub/file", O_RDONLY));
  for (const std::string name : {"../secret", "sub/../../secret", "link", "inner/file", "up/secret",
                                 "/etc/passwd", "/proc/self/root/etc/passwd"}) {
    CAPTURE(name);
    CHECK(folder->open_beneath(name, O_RDONLY).error().kind == ErrorKind::kDenied);
    CHECK(folder->open_beneath(name, O_WRONLY | O_CREAT, 0600).error().kind == ErrorKind::kDenied);
  }
  CHECK(folder->open_beneath("nothing", O_RDONLY).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a name beneath a folder is taken whole") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "file", "inside", 0600));
  const Folder folder = Folder::open(dir.path()).value();
  const std::string cut("file\0.txt", 9);
  CHECK(folder.open_beneath(cut, O_RDONLY).error().kind == ErrorKind::kInvalid);
  CHECK(folder.subfolder(std::string("sub\0x", 5), 0700).error().kind == ErrorKind::kInvalid);
  CHECK(folder.open_beneath("", O_RDONLY).error().kind == ErrorKind::kNotFound);
}

TEST_CASE("a mode without O_CREAT does not count") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "file", "inside", 0600));
  CHECK(Folder::open(dir.path()).value().open_beneath("file", O_RDONLY, 0600));
}

TEST_CASE("magic links of /proc lead nowhere") {
  const Folder self = Folder::open("/proc/self").value();
  const Fd file = open_file("/etc/passwd", O_RDONLY).value();
  CHECK(self.open_beneath("status", O_RDONLY));
  for (const std::string& name :
       {"fd/" + std::to_string(file.get()), std::string("root"), std::string("cwd"),
        std::string("root/etc/passwd"), std::string("exe")}) {
    CAPTURE(name);
    CHECK(self.open_beneath(name, O_RDONLY).error().kind == ErrorKind::kDenied);
  }
}

TEST_CASE("who holds a lease on a file keeps nobody in a loop") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "file", "inside", 0600));
  const Fd held = open_file((dir / "file").c_str(), O_RDONLY).value();
  REQUIRE((::signal(SIGIO, SIG_IGN) != SIG_ERR));  // how the kernel asks for it back
  REQUIRE(::fcntl(held.get(), F_SETLEASE, F_RDLCK) == 0);
  const Folder folder = Folder::open(dir.path()).value();
  CHECK(folder.open_beneath("file", O_WRONLY | O_NONBLOCK).error().kind == ErrorKind::kUnavailable);
  REQUIRE(::fcntl(held.get(), F_SETLEASE, F_UNLCK) == 0);
}

TEST_CASE("without openat2 nothing is opened beneath a folder") {
  const test::TempDir dir;
  REQUIRE(write_file(dir / "file", "inside", 0600));
  const Folder folder = Folder::open(dir.path()).value();
  std::optional<Error> error;
  test::with_refused_call(SYS_openat2, ENOSYS,
                          [&] { error = folder.open_beneath("file", O_RDONLY).error(); });
  CHECK(error == Error{ErrorKind::kUnsupported, "open file: needs Linux 5.6 or newer (openat2)"});
}

TEST_CASE("folders are made with their mode, and links in their place are refused") {
  const test::TempDir dir;
  auto folder = Folder::create(dir / "a/b/c", 0700);
  REQUIRE(folder);
  CHECK(mode_of(dir / "a/b/c") == 0700);
  CHECK(mode_of(dir / "a") == 0700);
  CHECK(Folder::create(dir / "a/b/c", 0755));
  auto sub = folder->subfolder("d", 0700);
  REQUIRE(sub);
  CHECK(sub->open_beneath("file", O_WRONLY | O_CREAT | O_EXCL, 0640));
  CHECK(fs::exists(dir / "a/b/c/d/file"));
  CHECK(folder->subfolder("d", 0700));
  fs::create_symlink("/", dir / "a/b/c/link");
  CHECK(folder->subfolder("link", 0700).error().kind == ErrorKind::kDenied);
  CHECK(folder->subfolder("..", 0700).error().kind == ErrorKind::kDenied);
  CHECK(folder->subfolder("x/y", 0700).error().kind == ErrorKind::kDenied);
}

}  // namespace
}  // namespace sinew::os
