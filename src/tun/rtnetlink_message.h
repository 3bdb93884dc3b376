// Messages of rtnetlink(7): what we ask of the kernel's network configuration, and its answers.
// Only bytes; rtnetlink.h has the socket. The format is the kernel's own, in host byte order:
//
//     nlmsghdr: u32 length with header, u16 type, u16 flags, u32 sequence, u32 port
//     then the family's header (ifinfomsg, ifaddrmsg), then attributes: u16 length with header,
//     u16 type, payload; everything is padded to four bytes
//
// The parsers are bounds-safe and give up on the first length that does not fit: nothing behind it
// is believed. Pure; one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/ip.h"

namespace sinew::tun {

// An interface as the kernel describes it.
struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::uint32_t mtu = 0;
  std::uint32_t transmit_queue = 0;
  bool is_up = false;  // switched on; whether anything is connected is another question

  friend bool operator==(const Link&, const Link&) = default;
};

// What is to be changed; the rest stays.
struct LinkSettings {
  std::optional<std::uint32_t> mtu = {};
  std::optional<bool> up = {};
  std::optional<std::uint32_t> transmit_queue = {};
  // The largest super-packet the kernel makes for the interface.
  std::optional<std::uint32_t> gso_max_bytes = {};
  std::optional<std::uint32_t> gso_max_segments = {};
};

// A request. All kinds fit kMaxBytes.
class NetlinkRequest {
 public:
  static constexpr std::size_t kMaxBytes = 256;

  static NetlinkRequest get_link(std::uint32_t index);
  static NetlinkRequest change_link(std::uint32_t index, const LinkSettings& settings);
  static NetlinkRequest add_address(std::uint32_t index, const IpAddress& address,
                                    unsigned prefix_length);

  // The whole message, answered under `sequence`.
  ByteView finish(std::uint32_t sequence);

 private:
  NetlinkRequest(std::uint16_t type, std::uint16_t flags);
  void attribute(std::uint16_t type, ByteView payload);
  void attribute_u32(std::uint16_t type, const std::optional<std::uint32_t>& value);
  ByteSpan append(std::size_t size);

  std::array<std::uint8_t, kMaxBytes> bytes_{};
  std::size_t size_ = 0;
};

struct NetlinkMessage {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  ByteView payload;  // behind the header
};

// Takes the first message off `rest`; nothing at the end, or when what is there is no message.
std::optional<NetlinkMessage> next_message(ByteView& rest);

// Of RTM_NEWLINK and RTM_DELLINK; nothing when it is malformed, or about a port of a bridge.
std::optional<Link> parse_link(ByteView payload);

// Of NLMSG_ERROR: the errno number; 0 is an acknowledgement.
std::optional<int> parse_error(ByteView payload);

}  // namespace sinew::tun
