#include "netlink/message.h"

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "base/verify.h"

namespace sinew::netlink {
namespace {

constexpr std::size_t padded(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

// Structures of the kernel are copied, never laid over bytes. `size` has been compared before.
template <typename T>
T copy_out(ByteView bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <typename T>
void copy_in(ByteSpan to, const T& value) {
  std::memcpy(to.data(), &value, sizeof value);
}

ByteView behind(ByteView bytes, std::size_t size) {
  return bytes.subspan(std::min(padded(size), bytes.size()));
}

std::uint8_t family_of(const IpAddress& address) {
  return address.is_v4() ? AF_INET : AF_INET6;
}

struct Attribute {
  std::uint16_t type = 0;
  ByteView payload;
};

// Fewer bytes than a header at the end are padding; a header that claims more than there is makes
// the whole message worthless.
bool next_attribute(ByteView& rest, Attribute& out, bool& is_malformed) {
  if (rest.size() < sizeof(rtattr)) return false;
  const auto header = copy_out<rtattr>(rest);
  if (header.rta_len < sizeof header || header.rta_len > rest.size()) {
    is_malformed = true;
    return false;
  }
  out.type = header.rta_type & NLA_TYPE_MASK;
  out.payload = rest.subspan(sizeof header, header.rta_len - sizeof header);
  rest = behind(rest, header.rta_len);
  return true;
}

void read_attribute(const Attribute& attribute, Link& out) {
  const ByteView payload = attribute.payload;
  const auto number = [&] {
    return payload.size() == sizeof(std::uint32_t) ? copy_out<std::uint32_t>(payload) : 0;
  };
  if (attribute.type == IFLA_MTU) out.mtu = number();
  if (attribute.type == IFLA_TXQLEN) out.transmit_queue = number();
  if (attribute.type == IFLA_IFNAME) {
    const std::string_view text =
        as_text(payload.first(std::min<std::size_t>(payload.size(), IF_NAMESIZE)));
    out.name = text.substr(0, text.find('\0'));
  }
}

std::optional<std::uint32_t> number_in(ByteView payload) {
  if (payload.size() != sizeof(std::uint32_t)) return std::nullopt;
  return copy_out<std::uint32_t>(payload);
}

std::optional<IpAddress> address_in(ByteView payload, std::uint8_t family, std::uint32_t zone = 0) {
  if (family == AF_INET && payload.size() == 4) {
    return IpAddress::v4(copy_out<std::array<std::uint8_t, 4>>(payload));
  }
  if (family == AF_INET6 && payload.size() == 16) {
    return IpAddress::v6(copy_out<std::array<std::uint8_t, 16>>(payload), zone);
  }
  return std::nullopt;
}

// f(attribute) for each; false when one of them is cut.
template <typename F>
bool for_each_attribute(ByteView rest, F&& f) {
  Attribute attribute;
  bool is_malformed = false;
  while (next_attribute(rest, attribute, is_malformed))
    f(attribute);
  return !is_malformed;
}

// The first way out of several.
bool read_first_hop(ByteView payload, std::uint8_t family, Route& out) {
  if (payload.size() < sizeof(rtnexthop)) return false;
  const auto hop = copy_out<rtnexthop>(payload);
  if (hop.rtnh_len < sizeof hop || hop.rtnh_len > payload.size()) return false;
  out.interface = static_cast<std::uint32_t>(hop.rtnh_ifindex);
  return for_each_attribute(payload.subspan(sizeof hop, hop.rtnh_len - sizeof hop),
                            [&](const Attribute& attribute) {
                              if (attribute.type == RTA_GATEWAY)
                                out.gateway = address_in(attribute.payload, family);
                            });
}

}  // namespace

Request::Request(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  copy_in(append(sizeof header), header);
}

Request Request::get_link(std::uint32_t index) {
  Request request(RTM_GETLINK, 0);
  ifinfomsg info{};
  info.ifi_index = static_cast<int>(index);
  copy_in(request.append(sizeof info), info);
  return request;
}

Request Request::change_link(std::uint32_t index, const LinkSettings& settings) {
  Request request(RTM_NEWLINK, NLM_F_ACK);
  ifinfomsg info{};
  info.ifi_index = static_cast<int>(index);
  if (settings.up) info.ifi_change = IFF_UP;
  if (settings.up == true) info.ifi_flags = IFF_UP;
  copy_in(request.append(sizeof info), info);
  request.attribute_u32(IFLA_MTU, settings.mtu);
  request.attribute_u32(IFLA_TXQLEN, settings.transmit_queue);
  request.attribute_u32(IFLA_GSO_MAX_SIZE, settings.gso_max_bytes);
  request.attribute_u32(IFLA_GSO_MAX_SEGS, settings.gso_max_segments);
  return request;
}

Request Request::get_links() {
  Request request(RTM_GETLINK, NLM_F_DUMP);
  copy_in(request.append(sizeof(ifinfomsg)), ifinfomsg{});
  return request;
}

Request Request::add_address(std::uint32_t index, const IpAddress& address,
                             unsigned prefix_length) {
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  request.put_address(index, address, prefix_length);
  return request;
}

Request Request::remove_address(std::uint32_t index, const IpAddress& address,
                                unsigned prefix_length) {
  Request request(RTM_DELADDR, NLM_F_ACK);
  request.put_address(index, address, prefix_length);
  return request;
}

Request Request::get_addresses() {
  Request request(RTM_GETADDR, NLM_F_DUMP);
  copy_in(request.append(sizeof(ifaddrmsg)), ifaddrmsg{});
  return request;
}

void Request::put_address(std::uint32_t index, const IpAddress& address, unsigned prefix_length) {
  ifaddrmsg info{};
  info.ifa_family = family_of(address);
  info.ifa_prefixlen = static_cast<std::uint8_t>(prefix_length);
  info.ifa_index = index;
  // Nobody else can have an address of ours there; without this it is unusable for a second.
  if (address.is_v6()) info.ifa_flags = IFA_F_NODAD;
  copy_in(append(sizeof info), info);
  attribute(IFA_LOCAL, address.bytes());
  attribute(IFA_ADDRESS, address.bytes());
}

Request Request::add_route(const Route& route) {
  Request request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  request.put_route(route);
  return request;
}

Request Request::remove_route(const Route& route) {
  Request request(RTM_DELROUTE, NLM_F_ACK);
  request.put_route(route);
  return request;
}

Request Request::get_routes() {
  Request request(RTM_GETROUTE, NLM_F_DUMP);
  copy_in(request.append(sizeof(rtmsg)), rtmsg{});
  return request;
}

// The table stands in an attribute, because the header has only a byte for it.
void Request::put_route(const Route& route) {
  rtmsg info{};
  info.rtm_family = family_of(route.destination.address());
  info.rtm_dst_len = static_cast<std::uint8_t>(route.destination.length());
  info.rtm_protocol = RTPROT_STATIC;
  info.rtm_type = RTN_UNICAST;
  const bool is_on_link = !route.gateway && route.destination.address().is_v4();
  info.rtm_scope = is_on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  copy_in(append(sizeof info), info);
  attribute(RTA_DST, route.destination.address().bytes());
  attribute_u32(RTA_TABLE, route.table);
  if (route.gateway) attribute(RTA_GATEWAY, route.gateway->bytes());
  if (route.source) attribute(RTA_PREFSRC, route.source->bytes());
  if (route.interface != 0) attribute_u32(RTA_OIF, route.interface);
  if (route.metric != 0) attribute_u32(RTA_PRIORITY, route.metric);
}

Request Request::add_rule(const Rule& rule) {
  Request request(RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
  request.put_rule(rule);
  return request;
}

Request Request::remove_rule(const Rule& rule) {
  Request request(RTM_DELRULE, NLM_F_ACK);
  request.put_rule(rule);
  return request;
}

void Request::put_rule(const Rule& rule) {
  fib_rule_hdr info{};
  info.family = rule.is_v6 ? AF_INET6 : AF_INET;
  info.action = FR_ACT_TO_TBL;
  if (rule.is_inverted) info.flags = FIB_RULE_INVERT;
  if (rule.destination) info.dst_len = static_cast<std::uint8_t>(rule.destination->length());
  copy_in(append(sizeof info), info);
  attribute_u32(FRA_TABLE, rule.table);
  attribute_u32(FRA_PRIORITY, rule.priority);
  attribute_u32(FRA_FWMARK, rule.fwmark);
  if (rule.ignores_default) attribute_u32(FRA_SUPPRESS_PREFIXLEN, 0);
  if (rule.destination) attribute(FRA_DST, rule.destination->address().bytes());
}

ByteView Request::finish(std::uint32_t sequence) {
  auto header = copy_out<nlmsghdr>(bytes_);
  header.nlmsg_len = static_cast<std::uint32_t>(size_);
  header.nlmsg_seq = sequence;
  copy_in(bytes_, header);
  return ByteView(bytes_).first(size_);
}

void Request::attribute(std::uint16_t type, ByteView payload) {
  rtattr header{};
  header.rta_len = static_cast<std::uint16_t>(sizeof header + payload.size());
  header.rta_type = type;
  const ByteSpan to = append(header.rta_len);
  copy_in(to, header);
  std::ranges::copy(payload, to.subspan(sizeof header).begin());
}

void Request::attribute_u32(std::uint16_t type, const std::optional<std::uint32_t>& value) {
  if (!value) return;
  std::array<std::uint8_t, sizeof *value> bytes;
  copy_in(bytes, *value);
  attribute(type, bytes);
}

ByteSpan Request::append(std::size_t size) {
  VERIFY(padded(size) <= bytes_.size() - size_);
  const ByteSpan to = ByteSpan(bytes_).subspan(size_, size);
  size_ += padded(size);
  return to;
}

std::optional<Message> next_message(ByteView& rest) {
  if (rest.size() < sizeof(nlmsghdr)) return std::nullopt;
  const auto header = copy_out<nlmsghdr>(rest);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return std::nullopt;
  const Message message{.type = header.nlmsg_type,
                        .flags = header.nlmsg_flags,
                        .sequence = header.nlmsg_seq,
                        .payload = rest.subspan(sizeof header, header.nlmsg_len - sizeof header)};
  rest = behind(rest, header.nlmsg_len);
  return message;
}

std::optional<Link> parse_link(ByteView payload) {
  if (payload.size() < sizeof(ifinfomsg)) return std::nullopt;
  const auto info = copy_out<ifinfomsg>(payload);
  // A bridge tells of its ports in the same messages; that a port leaves it is no end.
  if (info.ifi_family != AF_UNSPEC) return std::nullopt;
  Link out;
  out.index = static_cast<std::uint32_t>(info.ifi_index);
  out.is_up = (info.ifi_flags & IFF_UP) != 0;
  out.is_connected = (info.ifi_flags & IFF_RUNNING) != 0;
  out.is_loopback = (info.ifi_flags & IFF_LOOPBACK) != 0;
  const bool is_whole =
      for_each_attribute(behind(payload, sizeof info),
                         [&](const Attribute& attribute) { read_attribute(attribute, out); });
  if (!is_whole) return std::nullopt;
  return out;
}

// On a point-to-point link IFA_LOCAL is ours and IFA_ADDRESS the other side's; IPv6 often has
// IFA_ADDRESS alone. The flags of the header are the lower eight of all.
std::optional<Address> parse_address(ByteView payload) {
  if (payload.size() < sizeof(ifaddrmsg)) return std::nullopt;
  const auto info = copy_out<ifaddrmsg>(payload);
  std::uint32_t flags = info.ifa_flags;
  std::optional<IpAddress> ours;
  std::optional<IpAddress> theirs;
  const bool is_whole =
      for_each_attribute(behind(payload, sizeof info), [&](const Attribute& attribute) {
        const auto address = [&] {
          return address_in(attribute.payload, info.ifa_family, info.ifa_index);
        };
        if (attribute.type == IFA_LOCAL) ours = address();
        if (attribute.type == IFA_ADDRESS) theirs = address();
        if (attribute.type == IFA_FLAGS) flags = number_in(attribute.payload).value_or(flags);
      });
  const auto& address = ours ? ours : theirs;
  if (!is_whole || !address || info.ifa_prefixlen > address->bit_count()) return std::nullopt;
  const bool is_v6 = info.ifa_family == AF_INET6;  // in IPv4 the same bit means a second address
  return Address{.interface = info.ifa_index,
                 .address = *address,
                 .prefix_length = info.ifa_prefixlen,
                 .is_temporary = is_v6 && (flags & IFA_F_TEMPORARY) != 0,
                 .is_deprecated = (flags & IFA_F_DEPRECATED) != 0,
                 .is_tentative = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0};
}

std::optional<Route> parse_route(ByteView payload) {
  if (payload.size() < sizeof(rtmsg)) return std::nullopt;
  const auto info = copy_out<rtmsg>(payload);
  const bool is_cached = (info.rtm_flags & RTM_F_CLONED) != 0;
  if (info.rtm_type != RTN_UNICAST || is_cached) return std::nullopt;
  Route out;
  out.table = info.rtm_table;
  IpAddress destination = info.rtm_family == AF_INET6 ? IpAddress::any_v6() : IpAddress::any_v4();
  bool is_sound = info.rtm_family == AF_INET || info.rtm_family == AF_INET6;
  const bool is_whole =
      for_each_attribute(behind(payload, sizeof info), [&](const Attribute& attribute) {
        const ByteView value = attribute.payload;
        const auto address = [&] { return address_in(value, info.rtm_family); };
        if (attribute.type == RTA_DST) destination = address().value_or(destination);
        if (attribute.type == RTA_GATEWAY) out.gateway = address();
        if (attribute.type == RTA_PREFSRC) out.source = address();
        if (attribute.type == RTA_OIF) out.interface = number_in(value).value_or(0);
        if (attribute.type == RTA_TABLE) out.table = number_in(value).value_or(out.table);
        if (attribute.type == RTA_PRIORITY) out.metric = number_in(value).value_or(0);
        if (attribute.type == RTA_MULTIPATH)
          is_sound = is_sound && read_first_hop(value, info.rtm_family, out);
      });
  if (!is_whole || !is_sound || info.rtm_dst_len > destination.bit_count()) return std::nullopt;
  out.destination = IpPrefix::around(destination, info.rtm_dst_len);
  return out;
}

std::optional<int> parse_error(ByteView payload) {
  if (payload.size() < sizeof(std::int32_t)) return std::nullopt;
  const auto negative = copy_out<std::int32_t>(payload);
  if (negative > 0 || negative == INT32_MIN) return std::nullopt;
  return -negative;
}

}  // namespace sinew::netlink
