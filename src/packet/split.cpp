#include "packet/split.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>

#include "base/verify.h"

namespace sinew::packet {
namespace {

// Where the fields stand that change from segment to segment.
constexpr std::size_t kIpv4LengthAt = 2;
constexpr std::size_t kIpv4IdAt = 4;
constexpr std::size_t kIpv4ChecksumAt = 10;
constexpr std::size_t kIpv6LengthAt = 4;
constexpr std::size_t kTcpSequenceAt = 4;
constexpr std::size_t kTcpDataOffsetAt = 12;
constexpr std::size_t kTcpFlagsAt = 13;
constexpr std::size_t kTcpChecksumAt = 16;
constexpr std::size_t kUdpLengthAt = 4;
constexpr std::size_t kUdpChecksumAt = 6;

constexpr std::uint8_t kTcpFin = 0x01;
constexpr std::uint8_t kTcpPush = 0x08;
constexpr std::uint8_t kTcpCwr = 0x80;

constexpr std::size_t kMaxHeader = 60;  // of IPv4 or TCP, with options

struct Field {
  std::size_t at;
  std::size_t size;
};

// The sum of a header without the fields that are filled in later.
PartialSum sum_without(const std::uint8_t* header, std::size_t size,
                       std::initializer_list<Field> fields) {
  std::array<std::uint8_t, kMaxHeader> copy;
  std::memcpy(copy.data(), header, size);
  for (const Field& field : fields)
    std::fill_n(copy.begin() + static_cast<std::ptrdiff_t>(field.at), field.size, std::uint8_t{0});
  return sum_of_words(copy.data(), size);
}

SplitPlan plan_single(const InnerPacket& inner) {
  SplitPlan plan{};
  plan.kind = SplitPlan::Kind::kPlain;
  plan.segment_count = 1;
  plan.largest_segment = plan.last_segment = inner.total_length;
  plan.is_v4 = inner.is_v4;
  return plan;
}

std::optional<SplitPlan> plan_checksum(const VnetHeader& header, const InnerPacket& inner) {
  const std::size_t field = std::size_t{header.checksum_start} + header.checksum_offset;
  const bool is_inside = header.checksum_start >= inner.header_length &&
                         field + sizeof(std::uint16_t) <= inner.total_length;
  if (!is_inside) return std::nullopt;
  SplitPlan plan = plan_single(inner);
  plan.kind = SplitPlan::Kind::kChecksum;
  plan.transport = header.checksum_start;
  plan.checksum_offset = static_cast<std::uint16_t>(field);
  return plan;
}

// What super-packets have in common. `transport_header` is there.
std::optional<SplitPlan> plan_segments(const VnetHeader& header, const InnerPacket& inner,
                                       std::size_t transport_header) {
  if (header.gso_size == 0) return std::nullopt;
  const std::size_t headers = inner.header_length + transport_header;
  const std::size_t payload = inner.total_length - headers;
  const std::size_t segment = std::min<std::size_t>(header.gso_size, payload);
  SplitPlan plan = plan_single(inner);
  if (payload > segment) {
    plan.segment_count = static_cast<std::uint32_t>((payload + segment - 1) / segment);
    plan.last_segment =
        static_cast<std::uint32_t>(headers + payload - (plan.segment_count - 1) * segment);
    plan.largest_segment = static_cast<std::uint32_t>(headers + segment);
  }
  plan.transport = inner.header_length;
  plan.payload = static_cast<std::uint16_t>(headers);
  if (inner.is_v4) {
    plan.first_id = load_be<std::uint16_t>(inner.start() + kIpv4IdAt);
    plan.ip_sum = sum_without(inner.start(), inner.header_length,
                              {{kIpv4LengthAt, 2}, {kIpv4IdAt, 2}, {kIpv4ChecksumAt, 2}});
  }
  plan.transport_sum = pseudo_header_sum(inner.source, inner.address_size(), inner.protocol);
  return plan;
}

// The kernel asks for the checksum where the protocol has it, or not at all.
bool asks_for_checksum_at(const VnetHeader& header, const InnerPacket& inner, std::size_t offset) {
  return (header.flags & kNeedsChecksum) == 0 ||
         (header.checksum_start == inner.header_length && header.checksum_offset == offset);
}

std::optional<SplitPlan> plan_tcp(const VnetHeader& header, const InnerPacket& inner) {
  const bool is_tcp = inner.protocol == kProtocolTcp && !inner.is_fragment &&
                      inner.transport_size() >= kTcpHeaderSize &&
                      asks_for_checksum_at(header, inner, kTcpChecksumAt);
  if (!is_tcp) return std::nullopt;
  const std::uint8_t* tcp = inner.transport();
  const std::size_t tcp_size = std::size_t{tcp[kTcpDataOffsetAt]} / 16 * 4;
  if (tcp_size < kTcpHeaderSize || tcp_size > inner.transport_size()) return std::nullopt;
  std::optional<SplitPlan> plan = plan_segments(header, inner, tcp_size);
  if (!plan) return std::nullopt;
  plan->kind = SplitPlan::Kind::kTcp;
  plan->tcp_flags = tcp[kTcpFlagsAt];
  plan->first_sequence = load_be<std::uint32_t>(tcp + kTcpSequenceAt);
  plan->transport_sum +=
      sum_without(tcp, tcp_size, {{kTcpSequenceAt, 4}, {kTcpFlagsAt, 1}, {kTcpChecksumAt, 2}});
  return plan;
}

std::optional<SplitPlan> plan_udp(const VnetHeader& header, const InnerPacket& inner) {
  const bool is_udp = inner.protocol == kProtocolUdp && !inner.is_fragment &&
                      inner.transport_size() >= kUdpHeaderSize &&
                      asks_for_checksum_at(header, inner, kUdpChecksumAt);
  if (!is_udp) return std::nullopt;
  std::optional<SplitPlan> plan = plan_segments(header, inner, kUdpHeaderSize);
  if (!plan) return std::nullopt;
  plan->kind = SplitPlan::Kind::kUdp;
  plan->transport_sum += sum_of_words(inner.transport(), 4);  // the ports
  return plan;
}

std::size_t write_checksummed(const SplitPlan& plan, const std::uint8_t* packet,
                              std::uint8_t* out) {
  const std::size_t size = plan.last_segment;
  std::memcpy(out, packet, plan.transport);
  const PartialSum sum =
      copy_and_sum(out + plan.transport, {packet + plan.transport, size - plan.transport});
  // The field holds the sum of the pseudo header, or zero, and is summed with the rest. Zero would
  // mean "none" to UDP, which is known by where its field is, also behind extension headers.
  std::uint8_t* field = out + plan.checksum_offset;
  const bool is_udp = plan.checksum_offset == plan.transport + kUdpChecksumAt;
  is_udp ? put_udp_checksum(field, sum) : put_checksum(field, sum);
  return size;
}

void finish_ip(const SplitPlan& plan, std::size_t index, std::size_t size, std::uint8_t* ip) {
  if (!plan.is_v4) {
    store_be(ip + kIpv6LengthAt, static_cast<std::uint16_t>(size - kIpv6HeaderSize));
    return;
  }
  const auto length = static_cast<std::uint16_t>(size);
  const auto id = static_cast<std::uint16_t>(plan.first_id + index);
  store_be(ip + kIpv4LengthAt, length);
  store_be(ip + kIpv4IdAt, id);
  put_checksum(ip + kIpv4ChecksumAt, plan.ip_sum + sum_of_u16(length) + sum_of_u16(id));
}

// `sum` is that of the payload, `payload_offset` where it stood in the stream.
void finish_tcp(const SplitPlan& plan, std::size_t index, std::size_t payload_offset,
                std::size_t size, PartialSum sum, std::uint8_t* tcp) {
  std::uint8_t flags = plan.tcp_flags;
  if (index != 0) flags &= static_cast<std::uint8_t>(~kTcpCwr);
  if (index + 1 != plan.segment_count) flags &= static_cast<std::uint8_t>(~(kTcpFin | kTcpPush));
  const auto sequence = static_cast<std::uint32_t>(plan.first_sequence + payload_offset);
  const auto length = static_cast<std::uint16_t>(size - plan.transport);
  store_be(tcp + kTcpSequenceAt, sequence);
  tcp[kTcpFlagsAt] = flags;
  put_checksum(tcp + kTcpChecksumAt, sum + plan.transport_sum + sum_of_u32(sequence) +
                                         sum_of_u16(flags) + sum_of_u16(length));
}

void finish_udp(const SplitPlan& plan, std::size_t size, PartialSum sum, std::uint8_t* udp) {
  const auto length = static_cast<std::uint16_t>(size - plan.transport);
  store_be(udp + kUdpLengthAt, length);
  // The length counts twice: in the pseudo header and in the header.
  put_udp_checksum(udp + kUdpChecksumAt, sum + plan.transport_sum + 2 * sum_of_u16(length));
}

}  // namespace

std::optional<SplitPlan> plan_split(const VnetHeader& header, ByteView packet) {
  const std::optional<InnerPacket> inner = parse_inner(packet);
  return inner ? plan_split(header, *inner) : std::nullopt;
}

std::optional<SplitPlan> plan_split(const VnetHeader& header, const InnerPacket& inner) {
  switch (header.gso_type) {
    case kGsoNone:
      if ((header.flags & kNeedsChecksum) == 0) return plan_single(inner);
      return plan_checksum(header, inner);
    case kGsoTcp4:
    case kGsoTcp4 | kGsoEcn: return inner.is_v4 ? plan_tcp(header, inner) : std::nullopt;
    case kGsoTcp6:
    case kGsoTcp6 | kGsoEcn: return inner.is_v4 ? std::nullopt : plan_tcp(header, inner);
    case kGsoUdpL4: return plan_udp(header, inner);
    default: return std::nullopt;
  }
}

std::size_t write_segment(const SplitPlan& plan, ByteView packet, std::size_t index,
                          std::uint8_t* out) {
  VERIFY(index < plan.segment_count && packet.size() >= plan.last_segment);
  const std::size_t size = plan.segment_size(index);
  if (plan.kind == SplitPlan::Kind::kPlain) {
    std::memcpy(out, packet.data(), size);
    return size;
  }
  if (plan.kind == SplitPlan::Kind::kChecksum) return write_checksummed(plan, packet.data(), out);

  const std::size_t payload_offset = index * (plan.largest_segment - plan.payload);
  std::memcpy(out, packet.data(), plan.payload);
  const PartialSum sum = copy_and_sum(
      out + plan.payload, packet.subspan(plan.payload + payload_offset, size - plan.payload));
  finish_ip(plan, index, size, out);
  if (plan.kind == SplitPlan::Kind::kTcp)
    finish_tcp(plan, index, payload_offset, size, sum, out + plan.transport);
  else
    finish_udp(plan, size, sum, out + plan.transport);
  return size;
}

}  // namespace sinew::packet
