// lab_guardian NAME: removes a laboratory when its owner is gone. The owner holds the other end of
// standard input, which ends with it, however it ends. Every laboratory is removed this way, also
// the one whose test has simply finished, so that the way out after a crash is never untried.
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "support/cleanup.h"

int main(int argc, char** argv) {
  if (argc != 2 || !std::string_view(argv[1]).starts_with(sinew::lab::kLabPrefix)) {
    std::fputs("usage: lab_guardian sinewlab-PID-NUMBER < pipe\n", stderr);
    return 2;
  }
  std::array<char, 64> ignored;
  while (true) {
    const ssize_t size = ::read(STDIN_FILENO, ignored.data(), ignored.size());
    if (size == 0 || (size < 0 && errno != EINTR)) break;
  }
  sinew::lab::remove_lab(argv[1]);
  return 0;
}
