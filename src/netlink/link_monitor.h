// News of one interface, whoever changes it. What the kernel could not deliver because the reader
// was slow is asked for anew, so the state at the end is always right. One thread.
#pragma once

#include <cstdint>
#include <utility>

#include "base/result.h"
#include "netlink/rtnetlink.h"
#include "os/fd.h"

namespace sinew::netlink {

// What happened to an interface since the last look. Going down and up again in between are both
// told.
struct LinkNews {
  bool went_up = false;
  bool went_down = false;
  bool mtu_changed = false;
  // For good: a new one of the same name is another interface. One that was moved to another
  // network namespace is gone from this one.
  bool is_gone = false;
  Link now;  // as last seen

  bool any() const { return went_up || went_down || mtu_changed || is_gone; }
};

class LinkMonitor {
 public:
  // In the network namespace of the calling thread. kNotFound when there is no such interface.
  static Result<LinkMonitor> open(std::uint32_t index);

  const os::Fd& fd() const { return socket_; }  // readable when there may be news
  const Link& link() const { return link_; }    // as of open() or the last news

  // Never waits.
  Result<LinkNews> news();

 private:
  LinkMonitor(os::Fd socket, Rtnetlink rtnetlink, Link link)
      : socket_(std::move(socket)), rtnetlink_(std::move(rtnetlink)), link_(std::move(link)) {}
  void take(const Link& now, LinkNews& news);
  void lose(LinkNews& news);
  void read_messages(ByteView bytes, LinkNews& news);
  Result<> ask_again(LinkNews& news);

  os::Fd socket_;
  Rtnetlink rtnetlink_;
  Link link_;
  bool is_gone_ = false;
};

}  // namespace sinew::netlink
