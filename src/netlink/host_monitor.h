// News of what the machine is connected to: an interface that comes or goes, an address, a default
// route. Whatever the kernel tells, the lists are read anew and compared, so that no order of
// events and no lost message can leave a wrong picture. Routes other than default ones are passed
// over, so that a router with a full table costs the reading of its messages. One thread.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "netlink/host_network.h"
#include "netlink/rtnetlink.h"
#include "os/fd.h"

namespace sinew::netlink {

class HostMonitor {
 public:
  // In the network namespace of the calling thread. `without`: interfaces that do not count, such
  // as our own tunnel.
  static Result<HostMonitor> open(std::vector<std::uint32_t> without = {});

  const os::Fd& fd() const { return socket_; }         // readable when there may be news
  const HostNetwork& network() const { return now_; }  // as of open() or the last news

  // True when network() is another than before. Never waits; one call reads the lists at most
  // once, and a bounded number of messages: while there are more, fd() stays readable.
  Result<bool> news();

 private:
  HostMonitor(os::Fd socket, Rtnetlink rtnetlink, std::vector<std::uint32_t> without)
      : socket_(std::move(socket)),
        rtnetlink_(std::move(rtnetlink)),
        without_(std::move(without)) {}
  Result<bool> has_something_happened();
  Result<HostNetwork> look();

  os::Fd socket_;
  Rtnetlink rtnetlink_;
  std::vector<std::uint32_t> without_;
  HostNetwork now_;
};

}  // namespace sinew::netlink
