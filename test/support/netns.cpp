#include "support/netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/verify.h"
#include "os/error.h"

namespace sinew::lab {
namespace {

constexpr const char* kOwnNamespace = "/proc/thread-self/ns/net";

Result<> bring_loopback_up() {
  const os::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return os::system_error("open a socket");
  ifreq request{.ifr_ifrn = {.ifrn_name = "lo"}, .ifr_ifru = {}};
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return os::system_error("bring lo up");
  return {};
}

Result<> make_ipv6_quick() {
  for (const char* scope : {"all", "default"}) {
    const std::string folder = std::string("net.ipv6.conf.") + scope;
    TRY(write_sysctl(folder + ".accept_dad", "0"));
    TRY(write_sysctl(folder + ".accept_ra", "0"));
    TRY(write_sysctl(folder + ".router_solicitations", "0"));
  }
  return {};
}

// Moves the calling thread into a new namespace that `path` keeps alive.
Result<> enter_new(const std::string& path) {
  if (::unshare(CLONE_NEWNET) != 0) return os::system_error("unshare");
  if (::mount(kOwnNamespace, path.c_str(), "none", MS_BIND, nullptr) != 0) {
    return os::system_error("mount");
  }
  TRY(bring_loopback_up());
  return make_ipv6_quick();
}

}  // namespace

Result<NetNamespace> NetNamespace::create(const std::string& name) {
  const std::string path = "/run/netns/" + name;
  const auto fail = [&](Error error) {
    return std::move(error).while_doing("create network namespace " + name);
  };
  std::error_code ignored;  // open() below has the better message
  std::filesystem::create_directories("/run/netns", ignored);
  const auto file = os::open_file(path.c_str(), O_RDONLY | O_CREAT | O_EXCL, 0444);
  if (!file) return fail(file.error());
  {
    const NamespaceKept kept;
    if (const auto entered = enter_new(path); !entered) return fail(entered.error());
  }
  return NetNamespace(name, TRY(os::open_file(path.c_str(), O_RDONLY)));
}

NamespaceKept::NamespaceKept() : before_(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC)) {
  VERIFY(before_.is_open());
}

NamespaceKept::~NamespaceKept() {
  VERIFY(::setns(before_.get(), CLONE_NEWNET) == 0);
}

InsideNamespace::InsideNamespace(const NetNamespace& netns) {
  VERIFY(::setns(netns.fd().get(), CLONE_NEWNET) == 0);
}

Result<> write_sysctl(std::string name, const std::string& value) {
  std::ranges::replace(name, '.', '/');
  const std::string path = "/proc/sys/" + name;
  const os::Fd file = TRY(os::open_file(path.c_str(), O_WRONLY));
  auto written = os::write_all(file, as_bytes(value));
  if (!written) return std::move(written).error().while_doing("write " + value + " to " + path);
  return {};
}

}  // namespace sinew::lab
