#include "os/pty.h"

#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "os/child.h"
#include "os/clock.h"
#include "os/log_sink.h"
#include "os/poll.h"

namespace sinew::os {
namespace {

// Everything printed until the text ends with `end`, or the terminal is gone.
std::string read_until(const Pty& pty, std::string_view end) {
  std::string text;
  std::array<std::uint8_t, 1000> room;
  while (!text.ends_with(end)) {
    pollfd ready{.fd = pty.controller().get(), .events = POLLIN, .revents = 0};
    REQUIRE(poll_until({&ready, 1}, SystemClock().now() + 10s).value());
    const auto size = read_some(pty.controller(), room);
    if (!size) return text + "<gone>";
    text += as_text(ByteView(room).first(**size));
  }
  return text;
}

TEST_CASE("a program on a pseudo-terminal has it as controlling terminal, size and all") {
  auto pty = Pty::open({.rows = 33, .columns = 99});
  REQUIRE(pty);
  ChildOptions options;
  options.argv = {"/bin/sh", "-c",
                  "trap 'stty size; exit 5' WINCH; tty; stty size; echo tty >/dev/tty; "
                  "sleep 1000 </dev/null >/dev/null 2>&1 & echo ready; while :; do wait; done"};
  options.in = options.out = options.err = Stdio::borrow(pty->terminal());
  options.controlling_terminal = true;
  auto child = Child::spawn(options);
  REQUIRE(child);
  pty->close_terminal();
  CHECK(read_until(*pty, "ready\r\n") == pty->name() + "\r\n33 99\r\ntty\r\nready\r\n");

  REQUIRE(pty->resize({.rows = 10, .columns = 20}));
  CHECK(read_until(*pty, "10 20\r\n") == "10 20\r\n");
  CHECK(child->wait(10s).value() == ExitStatus{.code = 5});
  CHECK(read_until(*pty, "never") == "<gone>");
}

TEST_CASE("closing our side hangs the program up") {
  ChildOptions options;
  options.argv = {"/bin/cat"};
  options.controlling_terminal = true;
  Result<Child> child = Error{};
  {
    auto pty = Pty::open({});
    REQUIRE(pty);
    options.in = options.out = options.err = Stdio::borrow(pty->terminal());
    child = Child::spawn(options);
    REQUIRE(child);
  }
  CHECK(child->wait(10s).value() == ExitStatus{.signal = SIGHUP});
}

TEST_CASE("a terminal gets coloured text unless NO_COLOR is set") {
  auto pty = Pty::open({});
  REQUIRE(pty);
  ::unsetenv("NO_COLOR");
  CHECK(log_format_for(pty->terminal()) == LogFormat::kColouredText);
  ::setenv("NO_COLOR", "1", 1);
  CHECK(log_format_for(pty->terminal()) == LogFormat::kText);
  ::unsetenv("NO_COLOR");
}

}  // namespace
}  // namespace sinew::os
