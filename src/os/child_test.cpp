#include "os/child.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/verify.h"
#include "os/clock.h"
#include "os/poll.h"
#include "os/run.h"
#include "os/signal_fd.h"
#include "support/skip.h"

namespace sinew::os {
namespace {

ChildOptions program(std::vector<std::string> argv) {
  ChildOptions options;
  options.argv = std::move(argv);
  return options;
}

ChildOptions script(std::string text) {
  return program({"/bin/sh", "-c", std::move(text)});
}

std::string output_of(const ChildOptions& options) {
  auto outcome = run(options);
  REQUIRE_MESSAGE(outcome, outcome.error().message);
  CHECK(outcome->err == "");
  return outcome->out;
}

std::string read_line(const Fd& fd) {
  std::string line;
  std::uint8_t byte = 0;
  while (true) {
    const auto size = read_some(fd, {&byte, 1});
    REQUIRE(size);
    if (*size != 1U || byte == '\n') return line;
    line += static_cast<char>(byte);
  }
}

// A zombie counts as dead: orphans are reaped by init, at its leisure.
bool dies_soon(pid_t pid) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.is_open()) return errno == ESRCH;
  pollfd end{.fd = process.get(), .events = POLLIN, .revents = 0};
  return poll_until({&end, 1}, SystemClock().now() + 10s).value();
}

TEST_CASE("a child ends with its exit code or its signal") {
  auto exited = Child::spawn(script("exit 3"));
  REQUIRE(exited);
  CHECK(exited->wait(10s).value() == ExitStatus{.code = 3});
  CHECK(exited->wait(10s).value().to_string() == "exited with 3");

  auto killed = Child::spawn(program({"sleep", "100"}));
  REQUIRE(killed);
  CHECK(killed->wait(0s).error().kind == ErrorKind::kTimeout);
  CHECK(killed->signal(SIGTERM));
  CHECK(killed->wait(10s).value() == ExitStatus{.signal = SIGTERM});
  CHECK(killed->wait(10s).value().to_string() == "killed by SIGTERM");
  CHECK(killed->signal(SIGTERM));
}

TEST_CASE("a program that cannot be started is an error of spawn that says why") {
  auto missing = Child::spawn(program({"/nonexistent/program"}));
  REQUIRE(!missing);
  CHECK(missing.error().kind == ErrorKind::kNotFound);
  CHECK(missing.error().message == "start /nonexistent/program: no such file or directory");

  auto unknown = Child::spawn(program({"no-such-program-anywhere"}));
  REQUIRE(!unknown);
  CHECK(unknown.error().kind == ErrorKind::kNotFound);

  auto denied = Child::spawn(program({"/etc/passwd"}));
  REQUIRE(!denied);
  CHECK(denied.error().kind == ErrorKind::kDenied);

  ChildOptions lost = program({"/bin/true"});
  lost.working_directory = "/nonexistent";
  auto nowhere = Child::spawn(lost);
  REQUIRE(!nowhere);
  CHECK(nowhere.error().message ==
        "start /bin/true: enter the working directory: no such file or directory");
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // no zombie of any of them is left
}

TEST_CASE("arguments reach the program as they are") {
  CHECK(output_of(program({"printf", "%s|", "a b", "", "$HOME;`id`", "\"'"})) ==
        "a b||$HOME;`id`|\"'|");
}

TEST_CASE("environment and working directory are the given ones") {
  ChildOptions options = program({"/bin/sh", "-c", "echo \"$A-$HOME\"; pwd"});
  options.environment = {"A=1"};
  options.working_directory = "/usr";
  CHECK(output_of(options) == "1-\n/usr\n");
}

TEST_CASE("a child gets three descriptors and no other") {
  const int leaked = ::open("/dev/null", O_RDONLY);  // a library that forgot O_CLOEXEC
  REQUIRE(leaked > 2);
  CHECK(output_of(script("echo /proc/self/fd/*")) ==
        // The fourth is the directory the shell itself reads for the pattern.
        "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 /proc/self/fd/3\n");
  ::close(leaked);
}

TEST_CASE("a child has default signals, also those we ignore") {
  ignore_broken_pipes();
  const std::string status =
      output_of(program({"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}));
  CHECK(status == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("given descriptors may lie over each other") {
  auto pipe = open_pipe();
  REQUIRE(pipe);
  ChildOptions options = script("echo out; echo err >&2");
  options.out = Stdio::borrow(pipe->write_end);
  options.err = Stdio::borrow(pipe->write_end);
  auto child = Child::spawn(options);
  REQUIRE(child);
  CHECK(read_line(pipe->read_end) == "out");
  CHECK(read_line(pipe->read_end) == "err");
}

TEST_CASE("the death of a Child kills and reaps its whole group") {
  ChildOptions options = script("sleep 1000 & echo $!; wait");
  options.out = Stdio::pipe();
  pid_t leader = 0;
  pid_t grandchild = 0;
  {
    auto child = Child::spawn(options);
    REQUIRE(child);
    leader = child->pid();
    grandchild = std::atoi(read_line(child->out()).c_str());
    REQUIRE(::kill(grandchild, 0) == 0);
    Child moved = *std::move(child);
    CHECK(moved.pid() == leader);
    CHECK(::kill(leader, 0) == 0);
  }
  CHECK((::kill(leader, 0) == -1 && errno == ESRCH));
  CHECK(dies_soon(grandchild));
}

TEST_CASE("a group is signalled even when its leader has ended") {
  ChildOptions options = script("sleep 1000 & echo $!");
  options.out = Stdio::pipe();
  auto child = Child::spawn(options);
  REQUIRE(child);
  const pid_t grandchild = std::atoi(read_line(child->out()).c_str());
  CHECK(child->wait(10s).value().succeeded());
  CHECK(::kill(grandchild, 0) == 0);
  CHECK(child->signal_group(SIGKILL));
  CHECK(dies_soon(grandchild));
}

TEST_CASE("resource limits are set") {
  ChildOptions options = script("ulimit -n; ulimit -c");
  options.limits = {{RLIMIT_NOFILE, 17}, {RLIMIT_CORE, 0}};
  CHECK(output_of(options) == "17\n0\n");
}

TEST_CASE("a child with a death signal does not outlive its parent") {
  // The middle process starts a sleeper with the signal, says its number and dies of SIGKILL, so
  // that no destructor helps.
  auto pipe = open_pipe();
  REQUIRE(pipe);
  const pid_t middle = ::fork();
  if (middle == 0) {
    ChildOptions options = program({"sleep", "1000"});
    options.death_signal = SIGKILL;
    auto child = Child::spawn(options);
    const std::string line = std::to_string(child ? child->pid() : 0) + "\n";
    static_cast<void>(write_all(pipe->write_end, as_bytes(line)));
    ::raise(SIGKILL);
  }
  pipe->write_end.close();
  const pid_t sleeper = std::atoi(read_line(pipe->read_end).c_str());
  REQUIRE(sleeper > 0);
  REQUIRE(::waitpid(middle, nullptr, 0) == middle);
  CHECK(dies_soon(sleeper));
}

TEST_CASE("a child enters the network namespace it is given") {
  if (!test::is_root("network namespaces")) return;
  // The namespace of a helper process; nothing of it stays.
  ChildOptions holder = program({"unshare", "--net", "sh", "-c", "echo up; exec sleep 1000"});
  holder.out = Stdio::pipe();
  auto owner = Child::spawn(holder);
  REQUIRE(owner);
  REQUIRE(read_line(owner->out()) == "up");
  const std::string path = "/proc/" + std::to_string(owner->pid()) + "/ns/net";
  auto net = open_file(path.c_str(), O_RDONLY);
  REQUIRE(net);

  ChildOptions options = script("readlink /proc/self/ns/net");
  const std::string ours = output_of(options);
  options.network_namespace = net->get();
  CHECK(output_of(options) != ours);
  CHECK(output_of(program({"readlink", path})) == output_of(options));

  auto wrong = open_file("/dev/null", O_RDONLY);
  REQUIRE(wrong);
  options.network_namespace = wrong->get();
  auto refused = Child::spawn(options);
  REQUIRE(!refused);
  CHECK(refused.error().message == "start /bin/sh: enter the network namespace: invalid argument");
}

TEST_CASE("a child runs as the user it is given and cannot come back") {
  if (!test::is_root("changing user")) return;
  ChildOptions options = script("id -u; id -g; id -G; grep NoNewPrivs /proc/self/status");
  options.credentials = Credentials{.uid = 65534, .gid = 65533, .groups = {100, 65533}};
  CHECK(output_of(options) == "65534\n65533\n65533 100\nNoNewPrivs:\t1\n");
  options.may_gain_privileges = true;
  CHECK(output_of(options) == "65534\n65533\n65533 100\nNoNewPrivs:\t0\n");
}

// What a service that systemd starts without root, but with capabilities, hands on to its children.
// Raw calls, because they change this thread alone.
void keep_capabilities_without_root() {
  VERIFY(::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
  VERIFY(::syscall(SYS_setresuid, 65534, 65534, 65534) == 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> sets{};
  VERIFY(::syscall(SYS_capget, &header, sets.data()) == 0);
  for (auto& set : sets)
    set.effective = set.inheritable = set.permitted;
  VERIFY(::syscall(SYS_capset, &header, sets.data()) == 0);
  for (const int capability : {CAP_SETUID, CAP_SETGID, CAP_NET_ADMIN}) {
    VERIFY(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0);
  }
}

TEST_CASE("another user gets none of our capabilities") {
  if (!test::is_root("changing user")) return;
  const ChildOptions ours = program({"grep", "-E", "^Cap(Inh|Prm|Eff|Amb)", "/proc/self/status"});
  ChildOptions theirs = ours;
  theirs.credentials = Credentials{.uid = 65533, .gid = 65533, .groups = {}};
  theirs.may_gain_privileges = true;
  std::optional<Result<RunOutcome>> kept;
  std::optional<Result<RunOutcome>> changed;
  std::jthread([&] {
    keep_capabilities_without_root();
    kept = run(ours);
    changed = run(theirs);
  }).join();
  REQUIRE(kept.value());
  CHECK(kept.value()->out.contains("CapAmb:\t00000000000010c0"));
  REQUIRE(changed.value());
  const std::string none = "\t0000000000000000\n";
  CHECK(changed.value()->out ==
        "CapInh:" + none + "CapPrm:" + none + "CapEff:" + none + "CapAmb:" + none);
}

}  // namespace
}  // namespace sinew::os
