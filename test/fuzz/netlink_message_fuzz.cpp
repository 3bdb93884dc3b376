// Messages of the kernel about its network: whatever the bytes, reading stays inside and ends.
#include <algorithm>

#include "base/verify.h"
#include "netlink/message.h"

using namespace sinew;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView rest(data, size);
  std::size_t before = rest.size();
  while (const auto message = netlink::next_message(rest)) {
    VERIFY(rest.size() < before);
    before = rest.size();
    VERIFY(message->payload.empty() ||
           (message->payload.data() >= data &&
            message->payload.data() + message->payload.size() <= data + size));
    if (const auto link = netlink::parse_link(message->payload)) VERIFY(link->name.size() <= 16);
    if (const auto address = netlink::parse_address(message->payload))
      VERIFY(address->prefix_length <= address->address.bit_count());
    if (const auto route = netlink::parse_route(message->payload))
      VERIFY(route->destination.length() <= route->destination.address().bit_count());
    if (const auto error = netlink::parse_error(message->payload)) VERIFY(*error >= 0);
  }
  return 0;
}
