// A laboratory leaves nothing behind, however its owner ends.
#include <doctest/doctest.h>

#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "os/child.h"
#include "os/clock.h"
#include "os/poll.h"
#include "support/cleanup.h"
#include "support/lab.h"

using namespace sinew;
using namespace sinew::lab;

namespace {

constexpr Duration kPatience = 30s;

bool has_namespace(const std::string& lab) {
  return std::ranges::any_of(std::filesystem::directory_iterator("/run/netns"), [&](auto& entry) {
    return entry.path().filename().string().starts_with(lab + "-");
  });
}

bool is_gone(const std::string& lab) {
  return !has_namespace(lab) && !std::filesystem::exists(folder_of(lab));
}

os::Fd open_process(pid_t pid) {
  os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  REQUIRE(process.is_open());
  return process;
}

bool ends_in_time(const os::Fd& process) {
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  return must(os::poll_until({&ended, 1}, os::SystemClock().now() + kPatience));
}

// The only child of the victim that is outside its laboratory.
pid_t guardian_of(pid_t victim, const std::vector<pid_t>& inside) {
  const std::string number = std::to_string(victim);
  std::ifstream children("/proc/" + number + "/task/" + number + "/children");
  pid_t pid = 0;
  while (children >> pid) {
    if (std::ranges::find(inside, pid) == inside.end()) return pid;
  }
  FAIL("the victim has no guardian");
  return 0;
}

// lab_victim_main.cpp, which builds a laboratory and waits to be killed.
struct Victim {
  Victim() {
    os::ChildOptions options;
    options.argv = {SINEW_LAB_VICTIM};
    options.out = os::Stdio::pipe();
    child.emplace(must(os::Child::spawn(options)));
    std::array<std::uint8_t, 4096> buffer;
    std::string text;
    while (!text.contains("ready\n")) {
      const auto size = must(os::read_some(child->out(), buffer));
      REQUIRE(size.value_or(0) > 0);
      text += as_text(ByteView(buffer.data(), *size));
    }
    lab = text.substr(0, text.find(' '));
    inside = processes_inside(lab);
    guardian = guardian_of(child->pid(), inside);
  }

  std::optional<os::Child> child;
  std::string lab;
  std::vector<pid_t> inside;
  pid_t guardian = 0;
};

}  // namespace

TEST_CASE("laboratory is gone with its processes when its test has ended") {
  if (!is_possible({"setsid"})) return;
  std::string name;
  os::Fd escaped;
  {
    Lab lab;
    name = lab.name();
    Node& node = lab.node("node");
    Process daemon = node.start({"setsid", "--fork", "sleep", "1000"});
    daemon.wait();
    const std::vector<pid_t> inside = processes_inside(name);
    REQUIRE(inside.size() == 1);
    escaped = open_process(inside[0]);
    CHECK(has_namespace(name));
  }
  CHECK(is_gone(name));
  CHECK(ends_in_time(escaped));
}

TEST_CASE("laboratory is gone when what is built fails") {
  if (!is_possible()) return;
  std::string name;
  const auto build = [&] {
    Lab lab;
    name = lab.name();
    lab.node("node").route("default", "192.0.2.1");
  };
  CHECK_THROWS_AS(build(), LabError);
  CHECK(is_gone(name));
}

TEST_CASE("laboratory is gone with its processes when its owner is killed") {
  if (!is_possible({"setsid"})) return;
  const Victim victim;
  CHECK(victim.inside.size() >= 2);
  CHECK(has_namespace(victim.lab));
  std::vector<os::Fd> processes;
  for (const pid_t pid : victim.inside)
    processes.push_back(open_process(pid));
  const os::Fd guardian = open_process(victim.guardian);

  ::kill(victim.child->pid(), SIGKILL);
  for (const os::Fd& process : processes)
    CHECK(ends_in_time(process));
  REQUIRE(ends_in_time(guardian));
  CHECK(is_gone(victim.lab));
}

TEST_CASE("next laboratory removes one whose guardian was killed too") {
  if (!is_possible({"setsid"})) return;
  Victim victim;
  std::vector<os::Fd> processes;
  for (const pid_t pid : victim.inside)
    processes.push_back(open_process(pid));
  const os::Fd guardian = open_process(victim.guardian);

  ::kill(victim.guardian, SIGKILL);
  REQUIRE(ends_in_time(guardian));
  CHECK(has_namespace(victim.lab));
  victim.child.reset();  // kills its group; the one that has escaped lives on
  const Lab next;
  CHECK(is_gone(victim.lab));
  for (const os::Fd& process : processes)
    CHECK(ends_in_time(process));
}
