// What travels beside a datagram in recvmmsg(2) and sendmmsg(2): small typed values, one behind the
// other (cmsg(3)). Internal to udp; bounds-safe in both directions. One thread.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/verify.h"

// Values that the headers of Debian 12 do not have everywhere.
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

namespace sinew::udp {

inline constexpr int kUdpSegment = 103;  // UDP_SEGMENT
inline constexpr int kUdpGro = 104;      // UDP_GRO

// Enough for each value we ask for and send: segment size, address with interface, DS field.
inline constexpr std::size_t kControlBytes = 128;

class ControlWriter {
 public:
  explicit ControlWriter(ByteSpan room) : room_(room) {}

  std::size_t size() const { return used_; }

  template <typename T>
  void put(int level, int type, const T& value) {
    const ByteSpan to = room_.subspan(used_);
    VERIFY(to.size() >= CMSG_SPACE(sizeof value));
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof value);
    header.cmsg_level = level;
    header.cmsg_type = type;
    std::memcpy(to.data(), &header, sizeof header);
    std::memcpy(to.data() + CMSG_LEN(0), &value, sizeof value);
    used_ += CMSG_SPACE(sizeof value);
  }

 private:
  ByteSpan room_;
  std::size_t used_ = 0;
};

class ControlReader {
 public:
  explicit ControlReader(ByteView control) : rest_(control) {}

  int level() const { return level_; }
  int type() const { return type_; }

  // False at the end, and when what follows is not whole.
  bool next() {
    if (rest_.size() < CMSG_LEN(0)) return false;
    cmsghdr header;
    std::memcpy(&header, rest_.data(), sizeof header);
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > rest_.size()) return false;
    level_ = header.cmsg_level;
    type_ = header.cmsg_type;
    value_ = rest_.subspan(CMSG_LEN(0), header.cmsg_len - CMSG_LEN(0));
    const std::size_t step = CMSG_ALIGN(header.cmsg_len);
    rest_ = rest_.subspan(step < rest_.size() ? step : rest_.size());
    return true;
  }

  // The value as far as it goes; what is missing is zero.
  template <typename T>
  T value() const {
    T out{};
    std::memcpy(&out, value_.data(), value_.size() < sizeof out ? value_.size() : sizeof out);
    return out;
  }

 private:
  ByteView rest_;
  ByteView value_;
  int level_ = 0;
  int type_ = 0;
};

}  // namespace sinew::udp
