// The header that a TUN queue puts before each packet when it is opened with IFF_VNET_HDR: which
// checksum is still to be completed and how a super-packet is to be cut. The layout is the legacy
// virtio one, ten bytes in the byte order of this machine. The kernel's own header for it does not
// compile as C++.
//
// What the kernel writes in here is checked by plan_split() before it is used; `header_length` is
// not used at all, because kernels disagree about what it counts. Pure values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace sinew::packet {

inline constexpr std::size_t kVnetHeaderSize = 10;

// flags
inline constexpr std::uint8_t kNeedsChecksum = 1;  // complete it from checksum_start to the end
inline constexpr std::uint8_t kDataValid = 2;      // checksums were verified already

// gso_type; kGsoEcn may be added to the TCP types: the first segment carries CWR
inline constexpr std::uint8_t kGsoNone = 0;
inline constexpr std::uint8_t kGsoTcp4 = 1;
inline constexpr std::uint8_t kGsoTcp6 = 4;
inline constexpr std::uint8_t kGsoUdpL4 = 5;
inline constexpr std::uint8_t kGsoEcn = 0x80;

// wire: in host byte order
struct VnetHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = kGsoNone;
  std::uint16_t header_length = 0;    // of IP and transport header; a hint
  std::uint16_t gso_size = 0;         // payload bytes of a segment
  std::uint16_t checksum_start = 0;   // from the first byte of the IP header
  std::uint16_t checksum_offset = 0;  // of the checksum field, from checksum_start

  // kVnetHeaderSize bytes are there.
  static VnetHeader load(const std::uint8_t* from);
  void store(std::uint8_t* to) const;

  friend bool operator==(const VnetHeader&, const VnetHeader&) = default;
};
static_assert(sizeof(VnetHeader) == kVnetHeaderSize);

inline VnetHeader VnetHeader::load(const std::uint8_t* from) {
  VnetHeader header;
  std::memcpy(&header, from, sizeof header);
  return header;
}

inline void VnetHeader::store(std::uint8_t* to) const {
  std::memcpy(to, this, sizeof *this);
}

}  // namespace sinew::packet
