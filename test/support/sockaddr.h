// The kernel's form of an Endpoint and back.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "base/ip.h"

namespace sinew::lab {

class SocketAddress {
 public:
  // Room for the kernel to fill in.
  SocketAddress() = default;
  explicit SocketAddress(const Endpoint& endpoint) {
    const ByteView bytes = endpoint.address.bytes();
    if (endpoint.address.is_v4()) {
      storage_.v4.sin_family = AF_INET;
      storage_.v4.sin_port = htons(endpoint.port);
      std::memcpy(&storage_.v4.sin_addr, bytes.data(), bytes.size());
      size_ = sizeof storage_.v4;
    } else {
      storage_.v6.sin6_family = AF_INET6;
      storage_.v6.sin6_port = htons(endpoint.port);
      storage_.v6.sin6_scope_id = endpoint.address.zone();
      std::memcpy(&storage_.v6.sin6_addr, bytes.data(), bytes.size());
      size_ = sizeof storage_.v6;
    }
  }

  sockaddr* get() { return &storage_.any; }
  const sockaddr* get() const { return &storage_.any; }
  socklen_t& size() { return size_; }
  socklen_t size() const { return size_; }

  Endpoint endpoint() const {
    if (storage_.any.sa_family == AF_INET) {
      std::array<std::uint8_t, 4> bytes;
      std::memcpy(bytes.data(), &storage_.v4.sin_addr, bytes.size());
      return {IpAddress::v4(bytes), ntohs(storage_.v4.sin_port)};
    }
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &storage_.v6.sin6_addr, bytes.size());
    return {IpAddress::v6(bytes, storage_.v6.sin6_scope_id), ntohs(storage_.v6.sin6_port)};
  }

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6{};
  } storage_;
  socklen_t size_ = sizeof storage_;
};

}  // namespace sinew::lab
