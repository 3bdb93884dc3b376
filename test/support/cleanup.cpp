#include "support/cleanup.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "os/clock.h"
#include "os/error.h"
#include "os/fd.h"
#include "os/poll.h"

namespace sinew::lab {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNamespaceFolder = "/run/netns";
constexpr std::string_view kTemporaryFolder = "/tmp";
constexpr unsigned kMaxLabsOfOneProcess = 10'000;
// A process may start another one while it is being killed; each look finds the next generation.
constexpr int kMaxLooks = 20;
constexpr Duration kMaxTimeToDie = 5s;

using NamespaceId = std::pair<dev_t, ino_t>;

std::optional<NamespaceId> namespace_at(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return NamespaceId(status.st_dev, status.st_ino);
}

std::optional<NamespaceId> namespace_of(pid_t pid) {
  return namespace_at("/proc/" + std::to_string(pid) + "/ns/net");
}

// The names in a folder that begin with `prefix`; none when it cannot be read.
std::vector<std::string> names_in(std::string_view folder, std::string_view prefix = {}) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (std::string name = entry->path().filename(); name.starts_with(prefix)) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::vector<std::string> namespaces_of(std::string_view lab) {
  std::vector<std::string> paths;
  for (const std::string& name : names_in(kNamespaceFolder, std::string(lab) + "-")) {
    paths.push_back(std::string(kNamespaceFolder) + "/" + name);
  }
  return paths;
}

std::set<NamespaceId> identities_of(const std::vector<std::string>& paths) {
  std::set<NamespaceId> identities;
  for (const std::string& path : paths) {
    if (const auto identity = namespace_at(path)) identities.insert(*identity);
  }
  return identities;
}

bool is_inside(pid_t pid, const std::set<NamespaceId>& namespaces) {
  const auto identity = namespace_of(pid);
  return identity && namespaces.contains(*identity);
}

std::vector<pid_t> processes_inside(const std::set<NamespaceId>& namespaces) {
  std::vector<pid_t> inside;
  for (const std::string& name : names_in("/proc")) {
    const auto number = parse_decimal(name, std::numeric_limits<pid_t>::max());
    if (!number) continue;
    const auto pid = static_cast<pid_t>(*number);
    if (pid != ::getpid() && is_inside(pid, namespaces)) inside.push_back(pid);
  }
  return inside;
}

void kill_if_inside(pid_t pid, const std::set<NamespaceId>& namespaces) {
  const os::Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  // Looked at again: only now is it certain that the number still means the same process.
  if (!process.is_open() || !is_inside(pid, namespaces)) return;
  ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  pollfd ended{.fd = process.get(), .events = POLLIN, .revents = 0};
  (void)os::poll_until({&ended, 1}, os::SystemClock().now() + kMaxTimeToDie);
}

// The owner's number in "sinewlab-<pid>-...".
std::optional<pid_t> owner_of(std::string_view name) {
  name.remove_prefix(kLabPrefix.size());
  const auto pid = parse_decimal(name.substr(0, name.find('-')), std::numeric_limits<pid_t>::max());
  if (!pid) return std::nullopt;
  return static_cast<pid_t>(*pid);
}

// "sinewlab-<pid>-<number>" of the name of a folder or a namespace.
std::string lab_of(const std::string& name) {
  const std::size_t number = name.find('-', kLabPrefix.size());
  return number == std::string::npos ? name : name.substr(0, name.find('-', number + 1));
}

}  // namespace

Result<std::string> claim_lab_name() {
  for (unsigned number = 0; number < kMaxLabsOfOneProcess; ++number) {
    std::string lab =
        std::string(kLabPrefix) + std::to_string(::getpid()) + "-" + std::to_string(number);
    if (::mkdir(folder_of(lab).c_str(), 0700) == 0) return lab;
    if (errno != EEXIST) return os::system_error("create " + folder_of(lab));
  }
  return Error{ErrorKind::kOverloaded, "too many laboratories"};
}

std::string folder_of(std::string_view lab) {
  return std::string(kTemporaryFolder) + "/" + std::string(lab);
}

std::vector<pid_t> processes_inside(std::string_view lab) {
  return processes_inside(identities_of(namespaces_of(lab)));
}

void remove_lab(std::string_view lab) {
  const std::vector<std::string> paths = namespaces_of(lab);
  const std::set<NamespaceId> namespaces = identities_of(paths);
  for (int look = 0; look < kMaxLooks; ++look) {
    const std::vector<pid_t> inside = processes_inside(namespaces);
    if (inside.empty()) break;
    for (const pid_t pid : inside)
      kill_if_inside(pid, namespaces);
  }
  for (const std::string& path : paths) {
    ::umount2(path.c_str(), MNT_DETACH);
    ::unlink(path.c_str());
  }
  std::error_code ignored;  // what remains is found by the next remove_abandoned_labs()
  fs::remove_all(folder_of(lab), ignored);
}

void remove_abandoned_labs() {
  std::set<std::string> labs;
  for (const std::string_view folder : {kNamespaceFolder, kTemporaryFolder}) {
    for (const std::string& name : names_in(folder, kLabPrefix)) {
      const auto owner = owner_of(name);
      if (owner && ::kill(*owner, 0) != 0 && errno == ESRCH) labs.insert(lab_of(name));
    }
  }
  for (const std::string& lab : labs)
    remove_lab(lab);
}

}  // namespace sinew::lab
