#include "packet/ecn.h"

#include "packet/checksum.h"

namespace sinew::packet {
namespace {

constexpr std::size_t kIpv4ChecksumAt = 10;

// Where DSCP and ECN are in the first two bytes, version and all; the rest of them stays.
void put_ds(std::uint8_t* ip, bool is_v4, std::uint8_t ds) {
  if (is_v4) {
    ip[1] = ds;
    return;
  }
  const auto word = static_cast<unsigned>(load_be<std::uint16_t>(ip));
  store_be(ip, static_cast<std::uint16_t>((word & 0xf00fU) | static_cast<unsigned>(ds) << 4));
}

}  // namespace

std::optional<std::uint8_t> combined_ds(std::uint8_t inner_ds, std::uint8_t outer_ds) {
  const unsigned inner = inner_ds & kEcnMask;
  const unsigned outer = outer_ds & kEcnMask;
  if (inner == kEcnNotCapable)
    return outer == kEcnCongested ? std::nullopt : std::optional(inner_ds);
  const bool is_marked_outside =
      outer == kEcnCongested || (outer == kEcnCapable1 && inner == kEcnCapable0);
  if (!is_marked_outside) return inner_ds;
  return static_cast<std::uint8_t>((inner_ds & ~unsigned{kEcnMask}) | outer);
}

void set_ds(ByteSpan packet, std::uint8_t ds) {
  std::uint8_t* ip = packet.data();
  const bool is_v4 = ip[0] >> 4 == 4;
  if (!is_v4) return put_ds(ip, is_v4, ds);
  // RFC 1624: take the old number out of the sum, put the new one in.
  std::uint16_t checksum;
  std::memcpy(&checksum, ip + kIpv4ChecksumAt, sizeof checksum);
  PartialSum sum = static_cast<std::uint16_t>(~checksum);
  sum += static_cast<std::uint16_t>(~sum_of_u16(load_be<std::uint16_t>(ip)));
  put_ds(ip, is_v4, ds);
  sum += sum_of_u16(load_be<std::uint16_t>(ip));
  put_checksum(ip + kIpv4ChecksumAt, sum);
}

bool apply_outer_ds(ByteSpan packet, std::uint8_t inner_ds, std::uint8_t outer_ds) {
  const std::optional<std::uint8_t> ds = combined_ds(inner_ds, outer_ds);
  if (!ds) return false;
  if (*ds != inner_ds) set_ds(packet, *ds);
  return true;
}

}  // namespace sinew::packet
