#include "os/machine.h"

#include <sched.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/verify.h"
#include "os/file.h"

namespace sinew::os {
namespace {

constexpr std::size_t kFactSize = 64 << 10;

std::string first_line_of(const char* path) {
  const auto text = read_file(path, kFactSize);
  return text ? text->substr(0, text->find('\n')) : "";
}

std::string read_os_name() {
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    const auto text = read_file(path, kFactSize);
    if (text) return os_release_value(*text, "PRETTY_NAME");
  }
  return "";
}

// No interface says it for certain; these are the marks the usual engines leave.
std::string read_container() {
  if (const char* name = ::getenv("container"); name != nullptr && *name != '\0') return name;
  if (std::string name = first_line_of("/run/systemd/container"); !name.empty()) return name;
  if (::access("/.dockerenv", F_OK) == 0) return "docker";
  if (::access("/run/.containerenv", F_OK) == 0) return "podman";
  return "";
}

unsigned count_cpus() {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
  return static_cast<unsigned>(::get_nprocs());  // more processors than the set has room for
}

std::uint64_t count_memory() {
  struct sysinfo info;
  VERIFY(::sysinfo(&info) == 0);
  return std::uint64_t{info.totalram} * info.mem_unit;
}

}  // namespace

std::string os_release_value(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with('=')) continue;
    line.remove_prefix(name.size() + 1);
    const bool is_quoted =
        line.size() >= 2 && line.front() == line.back() && (line[0] == '"' || line[0] == '\'');
    return std::string(is_quoted ? line.substr(1, line.size() - 2) : line);
  }
  return "";
}

Machine describe_machine() {
  utsname names;
  VERIFY(::uname(&names) == 0);
  return {.host_name = names.nodename,
          .kernel = names.release,
          .architecture = names.machine,
          .os_name = read_os_name(),
          .machine_id = first_line_of("/etc/machine-id"),
          .boot_id = first_line_of("/proc/sys/kernel/random/boot_id"),
          .container = read_container(),
          .cpus = count_cpus(),
          .memory_bytes = count_memory()};
}

}  // namespace sinew::os
