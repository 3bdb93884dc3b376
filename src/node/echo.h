// Echo requests (ICMP and ICMPv6) to an address, as ping(8) sends them: what proves that packets
// pass, and how long they take. One thread.
#pragma once

#include <memory>
#include <optional>

#include "aio/readiness.h"
#include "aio/runtime.h"
#include "base/ip.h"
#include "os/fd.h"

namespace sinew::node {

class Echo {
 public:
  // kDenied where the program may not open such a socket (it takes CAP_NET_RAW, or a group named
  // by net.ipv4.ping_group_range).
  static Result<std::unique_ptr<Echo>> open(aio::Runtime& runtime, const IpAddress& to);

  // Sends one and waits for its answer: how long it took, or kTimeout.
  aio::Task<Result<Duration>> ask(Duration patience);

 private:
  Echo(aio::Runtime& runtime, const IpAddress& to, os::Fd socket, bool has_ip_header)
      : runtime_(runtime), to_(to), socket_(std::move(socket)), has_ip_header_(has_ip_header) {}
  Result<> send();
  bool is_answer(ByteView packet) const;
  aio::Task<Result<Duration>> wait(MonoTime sent);

  aio::Runtime& runtime_;
  IpAddress to_;
  os::Fd socket_;
  bool has_ip_header_;  // in front of what is received
  std::optional<aio::Readiness> readiness_;
  std::uint16_t identifier_ = 0;
  std::uint16_t sequence_ = 0;
};

}  // namespace sinew::node
