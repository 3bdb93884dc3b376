// How a datagram reaches a peer, and how one came from it: the remote endpoint, and the address and
// interface of ours that it arrived at. Replies leave from there, so that a machine with several
// addresses answers from the one it was asked at. A value.
#pragma once

#include <cstdint>

#include "base/ip.h"

namespace sinew::wg {

struct Path {
  Endpoint remote;
  IpAddress local;              // 0.0.0.0 or ::, the kernel chooses
  std::uint32_t interface = 0;  // 0: the kernel chooses

  friend bool operator==(const Path&, const Path&) = default;
};

}  // namespace sinew::wg
