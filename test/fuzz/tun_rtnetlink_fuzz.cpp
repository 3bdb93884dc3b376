// Messages of the kernel about interfaces: whatever the bytes, reading stays inside and ends.
#include <algorithm>

#include "base/verify.h"
#include "tun/rtnetlink_message.h"

using namespace sinew;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView rest(data, size);
  std::size_t before = rest.size();
  while (const auto message = tun::next_message(rest)) {
    VERIFY(rest.size() < before);
    before = rest.size();
    VERIFY(message->payload.empty() ||
           (message->payload.data() >= data &&
            message->payload.data() + message->payload.size() <= data + size));
    if (const auto link = tun::parse_link(message->payload)) VERIFY(link->name.size() <= 16);
    if (const auto error = tun::parse_error(message->payload)) VERIFY(*error >= 0);
  }
  return 0;
}
