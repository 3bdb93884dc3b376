// The gate for inner packets: what it lets through lies inside of the bytes given, and all that can
// be asked of it reads nothing else.
#include "base/bytes.h"
#include "base/verify.h"
#include "packet/ecn.h"
#include "packet/inner.h"

using namespace sinew;
using namespace sinew::packet;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::optional<InnerPacket> inner = parse_inner({data, size});
  if (!inner) return 0;
  VERIFY(inner->start() == data);
  VERIFY(inner->is_v4 == (data[0] >> 4 == 4));
  VERIFY(inner->header_length >= (inner->is_v4 ? kIpv4HeaderSize : kIpv6HeaderSize));
  VERIFY(inner->header_length <= inner->total_length && inner->total_length <= size);
  VERIFY(inner->destination + inner->address_size() <= inner->transport());
  if (inner->has_ports()) VERIFY(inner->transport_size() >= 4 && !inner->is_fragment);

  // The gate looks at nothing behind the packet.
  const Bytes alone(data, data + inner->total_length);
  const std::optional<InnerPacket> again = parse_inner(alone);
  VERIFY(again && again->total_length == inner->total_length);
  VERIFY(again->flow_hash(5) == inner->flow_hash(5));
  VERIFY(again->address_hash(5) == inner->address_hash(5));

  Bytes marked = alone;
  for (unsigned ds = 0; ds < 256; ds += 85) {
    set_ds(marked, static_cast<std::uint8_t>(ds));
    const std::optional<InnerPacket> changed = parse_inner(marked);
    VERIFY(changed && changed->ds == ds && changed->total_length == inner->total_length);
  }
  return 0;
}
