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

namespace sinew::netlink {

// An interface as the kernel describes it.
struct Link {
  std::uint32_t index = 0;
  std::string name;
  std::uint32_t mtu = 0;
  std::uint32_t transmit_queue = 0;
  bool is_up = false;         // switched on
  bool is_connected = false;  // to anything, as far as its driver can tell
  bool is_loopback = false;

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

// An address of an interface.
struct Address {
  std::uint32_t interface = 0;
  IpAddress address;
  unsigned prefix_length = 0;
  bool is_temporary = false;   // RFC 8981, for privacy
  bool is_deprecated = false;  // not for new connections
  bool is_tentative = false;   // not ours yet, or somebody else's after all

  friend bool operator==(const Address&, const Address&) = default;
};

// A unicast route.
struct Route {
  static constexpr std::uint32_t kMainTable = 254;

  IpPrefix destination;
  std::optional<IpAddress> gateway = {};
  std::uint32_t interface = 0;  // 0: where the gateway is
  std::uint32_t table = kMainTable;
  std::uint32_t metric = 0;              // the smaller one goes before; 0 means 1024 in IPv6
  std::optional<IpAddress> source = {};  // that packets of ours have which choose none

  friend bool operator==(const Route&, const Route&) = default;
};

// Which table is asked for which packets.
struct Rule {
  bool is_v6 = false;
  std::uint32_t priority = 0;  // asked in this order
  std::uint32_t table = Route::kMainTable;
  std::optional<std::uint32_t> fwmark = {};
  bool is_inverted = false;      // for packets that do not match
  bool ignores_default = false;  // default routes of the table do not count
  std::optional<IpPrefix> destination = {};

  friend bool operator==(const Rule&, const Rule&) = default;
};

// A request. All kinds fit kMaxBytes.
class Request {
 public:
  static constexpr std::size_t kMaxBytes = 256;

  static Request get_link(std::uint32_t index);
  static Request change_link(std::uint32_t index, const LinkSettings& settings);
  static Request get_links();
  static Request add_address(std::uint32_t index, const IpAddress& address, unsigned prefix_length);
  static Request remove_address(std::uint32_t index, const IpAddress& address,
                                unsigned prefix_length);
  static Request get_addresses();
  static Request add_route(const Route& route);
  static Request remove_route(const Route& route);
  static Request get_routes();
  static Request add_rule(const Rule& rule);
  static Request remove_rule(const Rule& rule);

  // The whole message, answered under `sequence`.
  ByteView finish(std::uint32_t sequence);

 private:
  Request(std::uint16_t type, std::uint16_t flags);
  void put_address(std::uint32_t index, const IpAddress& address, unsigned prefix_length);
  void put_route(const Route& route);
  void put_rule(const Rule& rule);
  void attribute(std::uint16_t type, ByteView payload);
  void attribute_u32(std::uint16_t type, const std::optional<std::uint32_t>& value);
  ByteSpan append(std::size_t size);

  std::array<std::uint8_t, kMaxBytes> bytes_{};
  std::size_t size_ = 0;
};

struct Message {
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  std::uint32_t sequence = 0;
  ByteView payload;  // behind the header
};

// Takes the first message off `rest`; nothing at the end, or when what is there is no message.
std::optional<Message> next_message(ByteView& rest);

// Of RTM_NEWLINK and RTM_DELLINK; nothing when it is malformed, or about a port of a bridge.
std::optional<Link> parse_link(ByteView payload);

// Of RTM_NEWADDR and RTM_DELADDR.
std::optional<Address> parse_address(ByteView payload);

// Of RTM_NEWROUTE and RTM_DELROUTE; nothing for routes of other kinds than unicast. Of a route with
// several ways out, the first.
std::optional<Route> parse_route(ByteView payload);

// Of NLMSG_ERROR: the errno number; 0 is an acknowledgement.
std::optional<int> parse_error(ByteView payload);

}  // namespace sinew::netlink
