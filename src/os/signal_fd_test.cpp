#include "os/signal_fd.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>

#include "os/fd.h"

namespace sinew::os {
namespace {

TEST_CASE("a signal is read as a value with its sender") {
  auto signals = SignalFd::open({SIGUSR1, SIGHUP});
  REQUIRE(signals);
  CHECK(!signals->read());
  ::kill(::getpid(), SIGHUP);
  const auto signal = signals->read();
  REQUIRE(signal);
  CHECK(signal->number == SIGHUP);
  CHECK(signal->sender == ::getpid());
  CHECK(signal->sender_uid == ::getuid());
  CHECK(!signals->read());
}

TEST_CASE("writing to a pipe without a reader is an error, not the end") {
  ignore_broken_pipes();
  Pipe pipe = *open_pipe();
  pipe.read_end.close();
  const auto written = write_all(pipe.write_end, as_bytes("x"));
  REQUIRE(!written);
  CHECK(written.error() == Error{ErrorKind::kUnavailable, "write: broken pipe"});
}

}  // namespace
}  // namespace sinew::os
