// `sinew wg` as a command: what it says when it cannot start, how it goes to the background, and
// how it ends.
//
//   alice 192.0.2.1 --- net
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/poll.h"
#include "support/lab.h"
#include "support/wg_pair.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

struct Host {
  // The sockets of all tests lie in one folder.
  std::string name(const std::string& suffix) const {
    return "c" + std::to_string(::getpid()) + suffix;
  }
  os::RunOutcome run(std::vector<std::string> before, const std::string& interface,
                     const std::vector<std::string>& arguments = {}) {
    before.insert(before.end(), {SINEW_PROGRAM, "wg"});
    before.insert(before.end(), arguments.begin(), arguments.end());
    before.push_back(interface);
    return alice.run(before, {.time = 10s});
  }
  bool has(const std::string& interface) {
    return alice.run({"ip", "link", "show", interface}).status.succeeded();
  }
  // Of the first process in the namespace; the one that lists them is there as well.
  pid_t background_process() {
    const auto pids = alice.run({"ip", "netns", "pids", lab.name() + "-alice"});
    return pids.out.empty() ? 0 : static_cast<pid_t>(std::stol(pids.out));
  }

  Lab lab;
  Node& alice = lab.node("alice").join(lab.network("net"), {"192.0.2.1/24"});
};

void check_refusal(const os::RunOutcome& outcome, int code, const std::string& reason) {
  INFO(outcome.err);
  CHECK(outcome.status.code == code);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.contains(reason));
}

os::Fd watch(pid_t pid) {
  return os::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool has_ended(const os::Fd& process) {
  pollfd ready{.fd = process.get(), .events = POLLIN, .revents = 0};
  return must(os::poll_until({&ready, 1}, os::SystemClock().now() + 10s));
}

}  // namespace

TEST_CASE(
    "an interface that cannot be served is refused with the reason, in fore- and background") {
  if (!are_tunnels_possible()) return;
  Host host;
  const std::string name = host.name("a");
  host.alice.ip("link add " + host.name("taken") + " type bridge\n");
  for (const std::vector<std::string>& how : {std::vector<std::string>{}, {"-f"}}) {
    CAPTURE(how.size());
    check_refusal(host.run({}, "sixteen_letters_", how), 2, "more than 15 bytes");
    check_refusal(host.run({}, "a/b", how), 2, "interface name");
    check_refusal(host.run({}, host.name("taken"), how), 1, "there is an interface of this name");
    check_refusal(host.run({"setpriv", "--bounding-set=-net_admin"}, name, how), 4,
                  "CAP_NET_ADMIN");
    check_refusal(host.run({"unshare", "--mount", "sh", "-c",
                            "mount -t tmpfs none /dev/net && exec \"$@\"", "sh"},
                           name, how),
                  5, "modprobe tun");
    CHECK_FALSE(host.has(name));
  }
}

TEST_CASE("the command returns when the interface can be configured, and SIGTERM ends it") {
  if (!are_tunnels_possible()) return;
  Host host;
  const std::string name = host.name("b");
  // A shell that collects all output waits for as long as anybody holds it.
  const auto started =
      host.run({"sh", "-c", "said=$(\"$@\" 2>&1); r=$?; echo \"$said\" >&2; exit $r", "sh"}, name);
  INFO(started.err);
  REQUIRE(started.status.succeeded());
  CHECK(started.err == "\n");
  CHECK(host.alice.run({"wg", "show", name}).status.succeeded());
  check_refusal(host.run({}, name), 1, "there is an interface of this name");
  CHECK(host.alice.run({"wg", "show", name}).status.succeeded());

  const pid_t pid = host.background_process();
  REQUIRE(pid > 0);
  CHECK(::getsid(pid) == pid);
  const os::Fd process = watch(pid);
  CHECK(::kill(pid, SIGTERM) == 0);
  CHECK(has_ended(process));
  CHECK_FALSE(host.has(name));
  CHECK(::access(("/var/run/wireguard/" + name + ".sock").c_str(), F_OK) != 0);
}

TEST_CASE("the process in the background ends when its interface is deleted") {
  if (!are_tunnels_possible()) return;
  Host host;
  const std::string name = host.name("c");
  for (int i = 0; i < 2; ++i) {
    REQUIRE(host.run({}, name).status.succeeded());
    const os::Fd process = watch(host.background_process());
    host.alice.ip("link delete " + name + "\n");
    CHECK(has_ended(process));
  }
}

TEST_CASE("who serves an interface that another namespace serves under the same name is refused") {
  if (!are_tunnels_possible()) return;
  Host one;
  Host other;
  const std::string name = one.name("d");
  REQUIRE(one.run({}, name).status.succeeded());
  check_refusal(other.run({}, name), 1, name + ".sock");
  CHECK_FALSE(other.has(name));
  CHECK(one.alice.run({"wg", "show", name}).status.succeeded());
  one.alice.ip("link delete " + name + "\n");
}

TEST_CASE("SIGUSR1 writes all counters to the log, whatever its level") {
  if (!are_tunnels_possible()) return;
  Host host;
  const std::string name = host.name("e");
  Process program = host.alice.start({SINEW_PROGRAM, "wg", "-f", "--log-level", "error", name});
  while (!host.alice.run({"wg", "show", name}).status.succeeded())
    REQUIRE(program.is_running());
  program.signal(SIGUSR1);
  program.wait_for_output("dropped_replay=0");
  CHECK(program.stop().succeeded());
}
