#include "dataplane/detour.h"

#include <algorithm>
#include <array>

namespace sinew::dataplane {
namespace {

constexpr std::array<std::uint8_t, 12> kDetourPrefix = {0x01};  // 100::/64, and zeros behind
constexpr std::size_t kStunHeaderSize = 20;
constexpr std::uint32_t kStunCookie = 0x2112'a442;

// A message of WireGuard that begins with 1 has three zeros behind it, one of STUN a type whose
// second byte is not zero.
bool is_stun(ByteView datagram) {
  if (datagram.size() < kStunHeaderSize || datagram[0] > 1) return false;
  const bool is_wireguard = datagram[0] == 1 && datagram[1] == 0;
  return !is_wireguard && load_be<std::uint32_t>(datagram.data() + 4) == kStunCookie;
}

}  // namespace

Endpoint detour_endpoint(std::uint32_t number) {
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::copy(kDetourPrefix, bytes.begin());
  store_be(bytes.data() + kDetourPrefix.size(), number);
  return {.address = IpAddress::v6(bytes), .port = kDetourPort};
}

std::optional<std::uint32_t> detour_number(const Endpoint& endpoint) {
  if (endpoint.address.is_v4() || endpoint.port != kDetourPort) return std::nullopt;
  const ByteView bytes = endpoint.address.bytes();
  if (!std::ranges::equal(bytes.first(kDetourPrefix.size()), kDetourPrefix)) return std::nullopt;
  return load_be<std::uint32_t>(bytes.data() + kDetourPrefix.size());
}

Stray stray_kind(ByteView datagram) {
  if (datagram.empty()) return Stray::kNone;
  switch (datagram[0]) {
    case 0x00:
    case 0x01: return is_stun(datagram) ? Stray::kStun : Stray::kNone;
    case 0xd1: return Stray::kDisco;
    case 0xc1: return Stray::kSignal;
    case 0xe1: return Stray::kRelayed;
    default: return Stray::kNone;
  }
}

}  // namespace sinew::dataplane
