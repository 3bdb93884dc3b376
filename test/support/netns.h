// Network namespaces: a name under /run/netns for each, as `ip netns` has it, and a way for the
// calling thread to step inside. Names stay until cleanup.h removes them. Any thread.
#pragma once

#include <string>

#include "base/result.h"
#include "os/fd.h"

namespace sinew::lab {

class NetNamespace {
 public:
  // An empty namespace with its loopback interface up. IPv6 addresses are usable at once: duplicate
  // detection and router advertisements are off, so that no test waits for them.
  static Result<NetNamespace> create(const std::string& name);

  const std::string& name() const { return name_; }
  const os::Fd& fd() const { return fd_; }

 private:
  NetNamespace(std::string name, os::Fd fd) : name_(std::move(name)), fd_(std::move(fd)) {}

  std::string name_;
  os::Fd fd_;
};

// The calling thread is back where it was when this began.
class NamespaceKept {
 public:
  NamespaceKept();
  NamespaceKept(const NamespaceKept&) = delete;
  NamespaceKept& operator=(const NamespaceKept&) = delete;
  ~NamespaceKept();

 private:
  os::Fd before_;
};

// The calling thread is inside the namespace while this lives. Sockets and TUN devices it opens
// meanwhile stay there; so does every child it starts.
class InsideNamespace {
 public:
  explicit InsideNamespace(const NetNamespace& netns);

 private:
  NamespaceKept kept_;
};

// sysctl of the namespace the thread is in: "net.ipv4.ip_forward", "1".
Result<> write_sysctl(std::string name, const std::string& value);

}  // namespace sinew::lab
