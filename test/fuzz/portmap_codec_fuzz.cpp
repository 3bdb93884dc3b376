// Answers of a gateway: a mapper that is fed anything as the answer to each of its questions stays
// bounded, never reports an address that it must not, and never asks faster than it may.
#include <algorithm>

#include "base/rng.h"
#include "base/verify.h"
#include "portmap/mapper.h"

using namespace sinew;
using namespace sinew::portmap;

namespace {

const Target kTarget{IpAddress::v4(192, 168, 1, 1), IpAddress::v4(192, 168, 1, 2), 51820};
const Endpoint kGateway{kTarget.gateway, kGatewayPort};

void check_event(const Event& event) {
  if (event.kind != Event::Kind::kMapped) return;
  VERIFY(event.external.port != 0);
  VERIFY(!event.external.address.is_private() && !event.external.address.is_loopback());
}

// With the nonce that the mapper drew, where an answer of PCP has it.
Bytes with_nonce(ByteView answer, const Transmit& transmit) {
  Bytes out(answer.begin(), answer.end());
  if (transmit.bytes.size() == pcp::kMapSize && out.size() >= pcp::kMapSize)
    std::copy_n(transmit.bytes.begin() + pcp::kHeaderSize, 12, out.begin() + pcp::kHeaderSize);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView answer(data, size);
  static_cast<void>(natpmp::parse_address_answer(answer));
  static_cast<void>(natpmp::parse_map_answer(answer));
  SeededRng rng(1);
  Mapper mapper(rng);
  MonoTime now(1h);
  mapper.set_target(kTarget, now);
  unsigned count = 0;
  for (int turn = 0; turn < 40; ++turn) {
    while (const auto transmit = mapper.next_transmit()) {
      VERIFY(transmit->to == kGateway);
      VERIFY(++count <= 1000);
      mapper.feed(with_nonce(answer, *transmit), kGateway, now);
    }
    while (const auto event = mapper.next_event())
      check_event(*event);
    if (turn == 30) mapper.release(now);
    if (mapper.deadline() == MonoTime::never()) continue;
    VERIFY(mapper.deadline() >= now);
    mapper.expire(now = mapper.deadline());
  }
  return 0;
}
