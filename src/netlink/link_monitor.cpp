#include "netlink/link_monitor.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include "netlink/socket.h"
#include "os/error.h"

namespace sinew::netlink {
namespace {

// Messages one news() looks at, so that a storm of changes elsewhere cannot hold the loop.
constexpr int kMaxReceives = 64;

}  // namespace

Result<LinkMonitor> LinkMonitor::open(std::uint32_t index) {
  // Listens before it looks, so that nothing happens in between.
  os::Fd socket = TRY(open_socket(RTMGRP_LINK));
  Rtnetlink rtnetlink = TRY(Rtnetlink::open());
  Link link = TRY(rtnetlink.link(index));
  return LinkMonitor(std::move(socket), std::move(rtnetlink), std::move(link));
}

Result<LinkNews> LinkMonitor::news() {
  LinkNews news;
  ReceiveBuffer buffer;
  for (int i = 0; i < kMaxReceives; ++i) {
    const ssize_t size = receive(socket_, buffer);
    if (size >= 0) {
      read_messages(ByteView(buffer).first(static_cast<std::size_t>(size)), news);
    } else if (errno == ENOBUFS) {
      TRY(ask_again(news));
    } else if (errno == EAGAIN) {
      break;
    } else {
      return os::system_error("hear of interfaces");
    }
  }
  news.now = link_;
  return news;
}

void LinkMonitor::read_messages(ByteView bytes, LinkNews& news) {
  while (const auto message = next_message(bytes)) {
    if (message->type != RTM_NEWLINK && message->type != RTM_DELLINK) continue;
    const auto link = parse_link(message->payload);
    if (!link || link->index != link_.index) continue;
    if (message->type == RTM_DELLINK) {
      lose(news);
    } else {
      take(*link, news);
    }
  }
}

void LinkMonitor::take(const Link& now, LinkNews& news) {
  if (is_gone_) return;
  news.went_up |= now.is_up && !link_.is_up;
  news.went_down |= !now.is_up && link_.is_up;
  news.mtu_changed |= now.mtu != link_.mtu;
  link_ = now;
}

void LinkMonitor::lose(LinkNews& news) {
  if (is_gone_) return;
  is_gone_ = news.is_gone = true;
  news.went_down |= link_.is_up;
  link_.is_up = false;
}

Result<> LinkMonitor::ask_again(LinkNews& news) {
  const auto link = rtnetlink_.link(link_.index);
  if (link) {
    take(*link, news);
  } else if (link.error().kind == ErrorKind::kNotFound) {
    lose(news);
  } else {
    return link.error();
  }
  return {};
}

}  // namespace sinew::netlink
