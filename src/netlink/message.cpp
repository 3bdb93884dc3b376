#include "tun/rtnetlink_message.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "base/verify.h"

namespace sinew::tun {
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

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, std::uint16_t flags) {
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  copy_in(append(sizeof header), header);
}

NetlinkRequest NetlinkRequest::get_link(std::uint32_t index) {
  NetlinkRequest request(RTM_GETLINK, 0);
  ifinfomsg info{};
  info.ifi_index = static_cast<int>(index);
  copy_in(request.append(sizeof info), info);
  return request;
}

NetlinkRequest NetlinkRequest::change_link(std::uint32_t index, const LinkSettings& settings) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_ACK);
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

NetlinkRequest NetlinkRequest::add_address(std::uint32_t index, const IpAddress& address,
                                           unsigned prefix_length) {
  NetlinkRequest request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
  ifaddrmsg info{};
  info.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  info.ifa_prefixlen = static_cast<std::uint8_t>(prefix_length);
  info.ifa_index = index;
  // Nobody else can have an address of ours there; without this it is unusable for a second.
  if (address.is_v6()) info.ifa_flags = IFA_F_NODAD;
  copy_in(request.append(sizeof info), info);
  request.attribute(IFA_LOCAL, address.bytes());
  request.attribute(IFA_ADDRESS, address.bytes());
  return request;
}

ByteView NetlinkRequest::finish(std::uint32_t sequence) {
  auto header = copy_out<nlmsghdr>(bytes_);
  header.nlmsg_len = static_cast<std::uint32_t>(size_);
  header.nlmsg_seq = sequence;
  copy_in(bytes_, header);
  return ByteView(bytes_).first(size_);
}

void NetlinkRequest::attribute(std::uint16_t type, ByteView payload) {
  rtattr header{};
  header.rta_len = static_cast<std::uint16_t>(sizeof header + payload.size());
  header.rta_type = type;
  const ByteSpan to = append(header.rta_len);
  copy_in(to, header);
  std::ranges::copy(payload, to.subspan(sizeof header).begin());
}

void NetlinkRequest::attribute_u32(std::uint16_t type, const std::optional<std::uint32_t>& value) {
  if (!value) return;
  std::array<std::uint8_t, sizeof *value> bytes;
  copy_in(bytes, *value);
  attribute(type, bytes);
}

ByteSpan NetlinkRequest::append(std::size_t size) {
  VERIFY(padded(size) <= bytes_.size() - size_);
  const ByteSpan to = ByteSpan(bytes_).subspan(size_, size);
  size_ += padded(size);
  return to;
}

std::optional<NetlinkMessage> next_message(ByteView& rest) {
  if (rest.size() < sizeof(nlmsghdr)) return std::nullopt;
  const auto header = copy_out<nlmsghdr>(rest);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) return std::nullopt;
  const NetlinkMessage message{
      .type = header.nlmsg_type,
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
  ByteView rest = behind(payload, sizeof info);
  Attribute attribute;
  bool is_malformed = false;
  while (next_attribute(rest, attribute, is_malformed))
    read_attribute(attribute, out);
  if (is_malformed) return std::nullopt;
  return out;
}

std::optional<int> parse_error(ByteView payload) {
  if (payload.size() < sizeof(std::int32_t)) return std::nullopt;
  const auto negative = copy_out<std::int32_t>(payload);
  if (negative > 0 || negative == INT32_MIN) return std::nullopt;
  return -negative;
}

}  // namespace sinew::tun
