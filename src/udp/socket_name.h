// Endpoints as the kernel spells them, without the 128 bytes of sockaddr_storage: this is done for
// every message. Internal to udp.
#pragma once

#include <netinet/in.h>

#include <cstring>

#include "base/ip.h"

namespace sinew::udp {

union SocketName {
  sockaddr_in6 v6;  // first, so that all of it begins as zeros
  sockaddr_in v4;
};

// Returns its size. The family is that of the address.
inline socklen_t write_name(SocketName& name, const Endpoint& endpoint) {
  if (endpoint.address.is_v4()) {
    name.v4 = {};
    name.v4.sin_family = AF_INET;
    name.v4.sin_port = htons(endpoint.port);
    std::memcpy(&name.v4.sin_addr, endpoint.address.bytes().data(), sizeof name.v4.sin_addr);
    return sizeof name.v4;
  }
  name.v6 = {};
  name.v6.sin6_family = AF_INET6;
  name.v6.sin6_port = htons(endpoint.port);
  name.v6.sin6_scope_id = endpoint.address.zone();
  std::memcpy(&name.v6.sin6_addr, endpoint.address.bytes().data(), sizeof name.v6.sin6_addr);
  return sizeof name.v6;
}

inline IpAddress to_address(const in_addr& from) {
  std::array<std::uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &from, bytes.size());
  return IpAddress::v4(bytes);
}

inline IpAddress to_address(const in6_addr& from, std::uint32_t zone) {
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &from, bytes.size());
  return IpAddress::v6(bytes, zone);
}

inline Endpoint read_name(const SocketName& name) {
  if (name.v6.sin6_family == AF_INET6) {
    return {to_address(name.v6.sin6_addr, name.v6.sin6_scope_id), ntohs(name.v6.sin6_port)};
  }
  return {to_address(name.v4.sin_addr), ntohs(name.v4.sin_port)};
}

}  // namespace sinew::udp
