// What this machine is, for inventories and for support. Read once at start; facts that cannot be
// found out are empty or zero. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace sinew::os {

struct Machine {
  std::string host_name;
  std::string kernel;        // "6.1.0-18-amd64"
  std::string architecture;  // "x86_64"
  std::string os_name;       // "Debian GNU/Linux 12 (bookworm)"
  std::string machine_id;    // /etc/machine-id: the same across boots, and a secret of the machine
  std::string boot_id;       // another one after each boot
  std::string container;     // "docker", "lxc", …: a hint, empty when nothing says so
  unsigned cpus = 0;         // this process may use
  std::uint64_t memory_bytes = 0;
};

Machine describe_machine();

// The value of a NAME=value line of an os-release(5) file, without its quotes; empty when absent.
std::string os_release_value(std::string_view text, std::string_view name);

}  // namespace sinew::os
