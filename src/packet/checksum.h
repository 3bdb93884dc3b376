// The internet checksum (RFC 1071), as sums that are put together piece by piece. A partial sum is
// a plain number in the byte order of this machine: it is the same sum whichever way the bytes are
// ordered, as long as fields are loaded and stored in that order too, which put_checksum() does.
// Every piece starts at an even offset of what is summed; only the last one may have an odd size.
//
// A piece of up to 64 KiB adds less than 2^47, so that ten thousand pieces cannot overflow.
// Pure; safe to use from several threads at once.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace sinew::packet {

using PartialSum = std::uint64_t;

// Long pieces: through the widest vector unit of this machine.
PartialSum sum_of(ByteView bytes);
// Copies `from` to `to` and sums it on the way; they do not overlap.
PartialSum copy_and_sum(std::uint8_t* to, ByteView from);

// A number as it stands in a header.
constexpr PartialSum sum_of_u16(std::uint16_t value) {
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}
constexpr PartialSum sum_of_u32(std::uint32_t value) {
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

// Headers: `size` is a multiple of four.
inline PartialSum sum_of_words(const std::uint8_t* bytes, std::size_t size) {
  PartialSum sum = 0;
  for (std::size_t i = 0; i < size; i += 4) {
    std::uint32_t word;
    std::memcpy(&word, bytes + i, sizeof word);
    sum += word;
  }
  return sum;
}

// What TCP and UDP sum besides their own bytes, without the length. `address_size` is 4 or 16, and
// the destination stands behind the source, as in both IP headers.
inline PartialSum pseudo_header_sum(const std::uint8_t* source, std::size_t address_size,
                                    std::uint8_t protocol) {
  return sum_of_words(source, 2 * address_size) + sum_of_u16(protocol);
}

// Sixteen bits, still in the byte order of this machine. Zero only for a sum of nothing but zeros.
constexpr std::uint16_t fold(PartialSum sum) {
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 32) + (sum & 0xffff'ffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>(sum);
}

// True when what was summed includes a checksum that fits it.
constexpr bool is_valid_sum(PartialSum sum) {
  return fold(sum) == 0xffff;
}

// Writes a field as it is, and the checksum that makes a sum valid.
inline void put_folded(std::uint8_t* field, std::uint16_t folded) {
  std::memcpy(field, &folded, sizeof folded);
}
inline void put_checksum(std::uint8_t* field, PartialSum sum) {
  put_folded(field, static_cast<std::uint16_t>(~fold(sum)));
}
// UDP has no checksum of zero: that means there is none.
inline void put_udp_checksum(std::uint8_t* field, PartialSum sum) {
  const auto checksum = static_cast<std::uint16_t>(~fold(sum));
  put_folded(field, checksum == 0 ? 0xffff : checksum);
}

}  // namespace sinew::packet
