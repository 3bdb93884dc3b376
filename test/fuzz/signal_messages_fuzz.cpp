// Whatever the nucleus or a node is told: what is read is written the same again, and a saved state
// is read whole or not at all.
#include "base/verify.h"
#include "signal/bodies.h"
#include "signal/framing.h"
#include "signal/messages.h"
#include "signal/snapshot.h"

using namespace sinew;
using namespace sinew::signal;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  if (const auto message = decode(input)) {
    const auto again = decode(encode(*message));
    VERIFY(again && *again == *message);
  }
  switch (kind_of(input)) {
    case Kind::kHello: VERIFY(Hello::decode(input).flags <= kClear); break;
    case Kind::kWelcome: static_cast<void>(Welcome::decode(input)); break;
    case Kind::kOpen: static_cast<void>(OpenHead::decode(input)); break;
    case Kind::kData: static_cast<void>(DataHead::decode(input)); break;
    case Kind::kReset: static_cast<void>(Reset::decode(input)); break;
    case Kind::kInvalid: break;
  }
  if (const auto snapshot = Snapshot::decode(input)) VERIFY(snapshot->encode().size() == size);
  Deframer deframer;
  deframer.feed(input);
  while (const auto datagram = deframer.next())
    VERIFY(!datagram->empty() && datagram->size() <= kMaxDatagramSize);
  return 0;
}
