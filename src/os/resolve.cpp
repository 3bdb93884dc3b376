#include "os/resolve.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "os/socket.h"

namespace sinew::os {
namespace {

ErrorKind kind_of(int fault) {
  return fault == EAI_NONAME || fault == EAI_NODATA ? ErrorKind::kNotFound
                                                    : ErrorKind::kUnavailable;
}

}  // namespace

Result<std::vector<IpAddress>> resolve(const std::string& host) {
  if (const auto address = IpAddress::parse(host)) return std::vector{*address};
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_ADDRCONFIG;
  addrinfo* list = nullptr;
  const int fault = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (fault != 0) return Error{kind_of(fault), "find " + host + ": " + ::gai_strerror(fault)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(list, &::freeaddrinfo);
  std::vector<IpAddress> found;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    SocketAddress socket_address;
    if (entry->ai_addrlen > sizeof socket_address.storage) continue;
    std::memcpy(&socket_address.storage, entry->ai_addr, entry->ai_addrlen);
    const IpAddress address = to_endpoint(socket_address).address;
    if (!address.is_unspecified() && std::ranges::find(found, address) == found.end())
      found.push_back(address);
  }
  if (found.empty()) return Error{ErrorKind::kNotFound, "find " + host + ": no address"};
  return found;
}

}  // namespace sinew::os
