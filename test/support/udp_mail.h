// What arrives at a UdpPort, datagram by datagram, for tests that compare it with what was sent.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>

#include <string>
#include <vector>

#include "os/clock.h"
#include "os/poll.h"
#include "udp/udp_port.h"

namespace sinew::test {

struct Mail {
  std::string text;
  Endpoint from;
  IpAddress local;
  std::uint32_t interface = 0;
  std::uint8_t ds = 0;
  std::size_t train = 0;  // datagrams that came in the same message
};

inline void append_mail(const udp::Datagrams& datagrams, std::vector<Mail>& out) {
  const std::size_t count = datagrams.count();
  for (std::size_t i = 0; i < std::max<std::size_t>(count, 1); ++i) {
    const std::string_view text = count == 0 ? "" : as_text(datagrams.segment(i));
    out.push_back({std::string(text), datagrams.from, datagrams.local, datagrams.interface,
                   datagrams.ds, count});
  }
}

inline bool wait_for_mail(const udp::UdpPort& port, Duration patience = 5s) {
  pollfd ready{.fd = port.fd().get(), .events = POLLIN, .revents = 0};
  return os::poll_until({&ready, 1}, os::SystemClock().now() + patience).value();
}

// At least `count` datagrams, or what came before patience ended.
inline std::vector<Mail> receive_mail(udp::UdpPort& port, udp::ReceiveRing& ring,
                                      std::size_t count) {
  std::vector<Mail> out;
  while (out.size() < count && wait_for_mail(port)) {
    const auto received = port.receive(ring);
    REQUIRE(received.has_value());
    for (const udp::Datagrams& datagrams : *received)
      append_mail(datagrams, out);
  }
  return out;
}

inline std::vector<std::string> texts(const std::vector<Mail>& mail) {
  std::vector<std::string> out;
  for (const Mail& one : mail)
    out.push_back(one.text);
  return out;
}

}  // namespace sinew::test
