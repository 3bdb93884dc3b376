// Where datagrams come from and go to. Values.
#pragma once

#include <compare>
#include <cstdint>

#include "base/bytes.h"
#include "base/ip.h"

namespace sinew::signal {

// The way a datagram came, or goes.
struct Route {
  Endpoint endpoint;         // UDP; of a stream, its other end
  std::uint64_t stream = 0;  // 0: UDP; else the number its owner gave a stream

  bool is_udp() const { return stream == 0; }
  friend constexpr auto operator<=>(const Route&, const Route&) = default;
};

struct Transmit {
  Route to;
  Bytes bytes;
};

}  // namespace sinew::signal
