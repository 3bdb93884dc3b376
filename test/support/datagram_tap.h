// Listens to the UDP datagrams that cross a network, as somebody at its switch can, so that a test
// sees what goes over the wire and can send it again. IPv4. One thread.
//
// A datagram that the kernel has not cut yet, or has been fragmented, is not seen.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "support/lab.h"

namespace sinew::lab {

struct TappedDatagram {
  Endpoint from;
  Endpoint to;
  Bytes bytes;
};

class DatagramTap {
 public:
  static constexpr Duration kPatience = 20s;

  // What `sender` sends into the network.
  DatagramTap(Network& network, const Node& sender);

  // The next datagram, or nothing.
  std::optional<TappedDatagram> next(Duration patience = kPatience);
  // The next one that `matches`; a LabError when none comes.
  template <std::predicate<const TappedDatagram&> Match>
  TappedDatagram wait_for(Match matches) {
    while (auto datagram = next())
      if (matches(*datagram)) return *std::move(datagram);
    throw LabError("what is waited for does not cross the network");
  }

 private:
  std::optional<TappedDatagram> read();

  os::Fd socket_;
};

}  // namespace sinew::lab
