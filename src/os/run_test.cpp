#include "os/run.h"

#include <doctest/doctest.h>

#include "os/clock.h"
#include "os/signal_fd.h"

namespace sinew::os {
namespace {

ChildOptions script(std::string text) {
  ChildOptions options;
  options.argv = {"/bin/sh", "-c", std::move(text)};
  return options;
}

TEST_CASE("run returns both outputs and the status") {
  auto outcome = run(script("echo out; echo err >&2; exit 4"));
  REQUIRE(outcome);
  CHECK(outcome->out == "out\n");
  CHECK(outcome->err == "err\n");
  CHECK(outcome->status == ExitStatus{.code = 4});
  CHECK(!outcome->is_cut);
}

TEST_CASE("input larger than a pipe flows through while output flows back") {
  ignore_broken_pipes();
  const std::string input(3'000'000, 'x');
  auto outcome = run(script("cat; echo done >&2"), input, {.time = 30s, .out_size = 4'000'000});
  REQUIRE(outcome);
  CHECK(outcome->out == input);
  CHECK(outcome->err == "done\n");
}

TEST_CASE("a program that does not read its input is no error") {
  ignore_broken_pipes();
  auto outcome = run(script("exec <&-; echo ok"), std::string(1'000'000, 'x'));
  REQUIRE(outcome);
  CHECK(outcome->out == "ok\n");
}

TEST_CASE("output beyond the limit is dropped and said to be") {
  auto outcome = run(script("head -c 1000000 /dev/zero; echo no >&2"), {},
                     {.time = 30s, .out_size = 10, .err_size = 3});
  REQUIRE(outcome);
  CHECK(outcome->out == std::string(10, '\0'));
  CHECK(outcome->err == "no\n");
  CHECK(outcome->is_cut);
  CHECK(outcome->status.succeeded());
}

TEST_CASE("a program that takes too long is a timeout") {
  auto outcome = run(script("sleep 1000"), {}, {.time = 50ms});
  REQUIRE(!outcome);
  CHECK(outcome.error().kind == ErrorKind::kTimeout);
  CHECK(outcome.error().message == "run /bin/sh: still running at its time limit");
}

TEST_CASE("a program that never stops writing has no more time than a silent one") {
  const MonoTime before = SystemClock().now();
  auto outcome =
      run(script("cat /dev/zero & cat /dev/zero >&2 & exec cat /dev/zero"), {}, {.time = 50ms});
  REQUIRE(!outcome);
  CHECK(outcome.error().kind == ErrorKind::kTimeout);
  CHECK(SystemClock().now() - before < 10s);
}

TEST_CASE("somebody left in the background does not hold up the end") {
  const MonoTime before = SystemClock().now();
  auto outcome = run(script("sleep 1000 & yes & echo started"), {}, {.time = 60s});
  REQUIRE(outcome);
  CHECK(outcome->status.succeeded());
  CHECK(SystemClock().now() - before < 30s);
}

TEST_CASE("run_checked turns a failing program into an error with its own words") {
  CHECK(run_checked(script("echo fine")).value() == "fine\n");
  auto failed = run_checked(script("echo bad luck >&2; echo more >&2; exit 1"));
  REQUIRE(!failed);
  CHECK(failed.error().message == "run /bin/sh: exited with 1: bad luck");
}

}  // namespace
}  // namespace sinew::os
