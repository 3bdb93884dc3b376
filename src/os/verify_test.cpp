// VERIFY ends the process that calls it, so this test needs another one; base cannot start any.
#include "base/verify.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "os/fd.h"

namespace sinew::os {
namespace {

// What a process wrote to standard error that kept this promise or broke it, and how it ended.
struct Death {
  std::string words;
  int status = 0;
};
Death die_by_verify(int sum) {
  Pipe pipe = open_pipe().value();
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe.write_end.get(), STDERR_FILENO);
    ::signal(SIGABRT, SIG_DFL);  // not the test framework's
    VERIFY(1 + 1 == sum);
    ::_exit(7);
  }
  pipe.write_end.close();
  Death death;
  std::array<std::uint8_t, 1024> room;
  while (const std::size_t size = read_some(pipe.read_end, room).value().value())
    death.words += as_text(ByteView(room).first(size));
  REQUIRE(::waitpid(pid, &death.status, 0) == pid);
  return death;
}

TEST_CASE("a broken promise aborts the program, and says which and where") {
  const Death death = die_by_verify(3);
  CHECK(WIFSIGNALED(death.status));
  CHECK(WTERMSIG(death.status) == SIGABRT);
  CHECK(death.words.starts_with("BUG: "));
  CHECK(death.words.contains("os/verify_test.cpp:"));
  CHECK(death.words.ends_with(": broken promise: 1 + 1 == sum\n"));
}

TEST_CASE("a promise that is kept goes unnoticed") {
  const Death death = die_by_verify(2);
  CHECK(WIFEXITED(death.status));
  CHECK(WEXITSTATUS(death.status) == 7);
  CHECK(death.words == "");
}

}  // namespace
}  // namespace sinew::os
