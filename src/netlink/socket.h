// Sockets of rtnetlink(7). Internal to netlink.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "os/fd.h"

namespace sinew::netlink {

// More than the kernel puts into one message; an interface takes some 1,500 bytes.
using ReceiveBuffer = std::array<std::uint8_t, 32'768>;

// Non-blocking, in the network namespace of the thread. `groups` are RTMGRP_ bits: what to hear of.
Result<os::Fd> open_socket(std::uint32_t groups);

// What the kernel sent; 0 for anything that is from somebody else, or was cut off. -1: errno.
ssize_t receive(const os::Fd& socket, ByteSpan buffer);

}  // namespace sinew::netlink
