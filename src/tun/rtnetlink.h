// The kernel's network configuration over rtnetlink(7): questions and changes one at a time, and
// news of one interface. A socket stays in the network namespace in which it was opened. One
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/ip.h"
#include "base/result.h"
#include "os/fd.h"
#include "tun/rtnetlink_message.h"

namespace sinew::tun {

// Every call waits for the kernel's answer, which the kernel gives before send(2) returns.
class Rtnetlink {
 public:
  static Result<Rtnetlink> open();

  // kNotFound when there is no such interface.
  Result<Link> link(std::uint32_t index);
  // All of it or, as far as the kernel manages, nothing.
  Result<> change_link(std::uint32_t index, const LinkSettings& settings);
  // No error when the interface has it already.
  Result<> add_address(std::uint32_t index, const IpAddress& address, unsigned prefix_length);

 private:
  explicit Rtnetlink(os::Fd socket) : socket_(std::move(socket)) {}
  // The interface told, or nothing for a plain acknowledgement.
  Result<std::optional<Link>> ask(NetlinkRequest request);

  os::Fd socket_;
  std::uint32_t sequence_ = 0;
};

// What happened to an interface since the last look. Going down and up again in between are both
// told.
struct LinkNews {
  bool went_up = false;
  bool went_down = false;
  bool mtu_changed = false;
  bool is_gone = false;  // for good: a new one of the same name is another interface
  Link now;              // as last seen

  bool any() const { return went_up || went_down || mtu_changed || is_gone; }
};

// Hears of one interface, whoever changes it. What the kernel could not deliver because the reader
// was slow is asked for anew, so the state at the end is always right.
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

}  // namespace sinew::tun
