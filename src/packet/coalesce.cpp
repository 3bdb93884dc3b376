#include "packet/coalesce.h"

#include <cstring>

#include "base/verify.h"
#include "packet/checksum.h"

namespace sinew::packet {
namespace {

constexpr std::size_t kTcpChecksumAt = 16;
constexpr std::size_t kUdpChecksumAt = 6;
constexpr std::size_t kTcpFlagsAt = 13;
constexpr std::uint8_t kTcpPush = 0x08;
constexpr std::uint8_t kTcpAck = 0x10;
constexpr std::uint16_t kDontFragment = 0x4000;

bool is_equal_at(const std::uint8_t* a, const std::uint8_t* b, std::size_t at, std::size_t size) {
  return std::memcmp(a + at, b + at, size) == 0;
}

bool has_equal_words(const std::uint8_t* a, const std::uint8_t* b, std::size_t at,
                     std::size_t end) {
  for (; at < end; at += 4) {
    if (!is_equal_at(a, b, at, 4)) return false;
  }
  return true;
}

// Of the IP header, without what the flow and the segment decide: addresses, length, id, checksum.
bool has_equal_ip(const std::uint8_t* a, const std::uint8_t* b, bool is_v4) {
  if (!is_v4) return is_equal_at(a, b, 0, 4) && is_equal_at(a, b, 6, 2);
  return is_equal_at(a, b, 0, 2) && is_equal_at(a, b, 6, 4);
}

// Acknowledgement, data offset, window, urgent pointer, options: all but ports, sequence number,
// checksum, and flags, of which only PSH may differ in a candidate.
bool has_equal_tcp(const std::uint8_t* a, const std::uint8_t* b, std::size_t size) {
  return is_equal_at(a, b, 8, 5) && is_equal_at(a, b, 14, 2) && is_equal_at(a, b, 18, 2) &&
         has_equal_words(a, b, kTcpHeaderSize, size);
}

PartialSum pseudo_sum(const std::uint8_t* ip, bool is_v4, bool is_tcp, std::size_t length) {
  const std::uint8_t protocol = is_tcp ? kProtocolTcp : kProtocolUdp;
  return (is_v4 ? pseudo_header_sum(ip + 12, 4, protocol)
                : pseudo_header_sum(ip + 8, 16, protocol)) +
         sum_of_u16(static_cast<std::uint16_t>(length));
}

bool has_valid_checksums(const std::uint8_t* ip, std::size_t size, bool is_v4, bool is_tcp) {
  const std::size_t header = is_v4 ? kIpv4HeaderSize : kIpv6HeaderSize;
  if (is_v4 && !is_valid_sum(sum_of_words(ip, kIpv4HeaderSize))) return false;
  const std::size_t length = size - header;
  return is_valid_sum(sum_of({ip + header, length}) + pseudo_sum(ip, is_v4, is_tcp, length));
}

// The transport checksum is left to the kernel, which wants the pseudo header's sum in its place.
void edit_headers(std::uint8_t* ip, std::size_t size, bool is_v4, bool is_tcp, bool has_push) {
  std::uint8_t* transport = ip + (is_v4 ? kIpv4HeaderSize : kIpv6HeaderSize);
  const auto length =
      static_cast<std::uint16_t>(size - (is_v4 ? kIpv4HeaderSize : kIpv6HeaderSize));
  if (is_v4) {
    store_be(ip + 2, static_cast<std::uint16_t>(size));
    put_folded(ip + 10, 0);
    put_checksum(ip + 10, sum_of_words(ip, kIpv4HeaderSize));
  } else {
    store_be(ip + 4, length);
  }
  if (is_tcp) {
    if (has_push) transport[kTcpFlagsAt] |= kTcpPush;
  } else {
    store_be(transport + 4, length);
  }
  put_folded(transport + (is_tcp ? kTcpChecksumAt : kUdpChecksumAt),
             fold(pseudo_sum(ip, is_v4, is_tcp, length)));
}

}  // namespace

void Coalescer::add(ByteSpan packet, const InnerPacket& inner) {
  VERIFY(!is_full() && packet.data() == inner.start());
  packets_[packet_count_] = {packet.data(), inner.total_length, 0};
  if (!inner.has_ports()) {
    close_between(static_cast<std::uint32_t>(inner.address_hash(seed_)));
    begin_write(inner);
    return;
  }
  const Place place = find_place(inner);
  Candidate candidate;
  const bool may_join = read_candidate(inner, candidate);
  if (place.slot != kNoSlot && slots_[place.slot] != 0) {
    const std::size_t open = slots_[place.slot] - 1U;
    if (is_open_[open] && may_join && join(writes_[open], candidate)) {
      ++packet_count_;
      return;
    }
    is_open_[open] = false;
  }
  Write& write = begin_write(inner);
  if (place.slot == kNoSlot || !may_join || candidate.has_push) return;
  write.flow_hash = place.flow_hash;
  open_write(write, inner, candidate);
  address_hashes_[write_count_ - 1U] = place.address_hash;
  slots_[place.slot] = write_count_;
  last_slot_ = place.slot;
}

void Coalescer::clear() {
  if (write_count_ != 0) slots_.fill(0);
  packet_count_ = 0;
  write_count_ = 0;
  last_slot_ = kNoSlot;
}

// False: it goes alone.
bool Coalescer::read_candidate(const InnerPacket& inner, Candidate& candidate) const {
  const bool is_tcp = inner.protocol == kProtocolTcp;
  const std::size_t plain_header = inner.is_v4 ? kIpv4HeaderSize : kIpv6HeaderSize;
  const std::size_t least = is_tcp ? kTcpHeaderSize : kUdpHeaderSize;
  const bool has_header = (is_tcp ? offloads_.tcp : offloads_.udp) &&
                          inner.header_length == plain_header && inner.transport_size() > least &&
                          inner.total_length <= kMaxPacketSize;
  if (!has_header) return false;
  // The bit below DF has no meaning yet, and the other flags are those of fragments.
  const std::uint8_t* ip = inner.start();
  if (inner.is_v4 && (ip[6] & 0x80) != 0) return false;
  const std::uint8_t* transport = inner.transport();
  std::size_t header = kUdpHeaderSize;
  candidate.has_push = false;
  if (is_tcp) {
    header = std::size_t{transport[12]} / 16 * 4;
    const std::uint8_t flags = transport[kTcpFlagsAt];
    const bool is_plain = header >= kTcpHeaderSize && header < inner.transport_size() &&
                          transport[12] % 16 == 0 && (flags & ~kTcpPush) == kTcpAck;
    if (!is_plain) return false;
    candidate.sequence = load_be<std::uint32_t>(transport + 4);
    candidate.has_push = (flags & kTcpPush) != 0;
  } else {
    const bool is_plain = load_be<std::uint16_t>(transport + 4) == inner.transport_size() &&
                          load_be<std::uint16_t>(transport + kUdpChecksumAt) != 0;
    if (!is_plain) return false;
    candidate.sequence = 0;
  }
  candidate.start = packets_[packet_count_].start;
  candidate.size = inner.total_length;
  candidate.headers = static_cast<std::uint16_t>(plain_header + header);
  candidate.payload = static_cast<std::uint16_t>(inner.total_length - candidate.headers);
  candidate.id = inner.is_v4 ? load_be<std::uint16_t>(ip + 4) : std::uint16_t{0};
  return true;
}

// Of the packet that is being added, alone so far and closed.
Coalescer::Write& Coalescer::begin_write(const InnerPacket& inner) {
  Write& write = writes_[write_count_];
  is_open_[write_count_] = false;
  write.size = inner.total_length;
  write.first = write.last = packet_count_;
  write.count = 1;
  ++packet_count_;
  ++write_count_;
  return write;
}

void Coalescer::open_write(Write& write, const InnerPacket& inner, const Candidate& candidate) {
  const std::uint8_t* ip = candidate.start;
  write.next_sequence = candidate.sequence + candidate.payload;
  write.headers = candidate.headers;
  write.payload = candidate.payload;
  write.header_length = static_cast<std::uint8_t>(inner.header_length);
  write.is_v4 = inner.is_v4;
  write.is_tcp = inner.protocol == kProtocolTcp;
  write.counts_ids =
      !inner.is_v4 || candidate.id != 0 || (load_be<std::uint16_t>(ip + 6) & kDontFragment) == 0;
  write.next_id = static_cast<std::uint16_t>(candidate.id + write.counts_ids);
  write.is_verified = false;
  write.ends_with_push = false;
  is_open_[write_count_ - 1U] = true;
}

// Takes the packet that is being added into an open write of its flow, unless that would change
// what arrives in the end.
bool Coalescer::join(Write& write, const Candidate& candidate) {
  const std::uint8_t* ip = packets_[write.first].start;
  const std::size_t transport = write.header_length;
  const bool fits = candidate.headers == write.headers && candidate.payload <= write.payload &&
                    write.size + candidate.payload <= kMaxPacketSize &&
                    has_equal_ip(ip, candidate.start, write.is_v4) &&
                    (!write.is_v4 || candidate.id == write.next_id);
  if (!fits) return false;
  const bool is_next = !write.is_tcp || (candidate.sequence == write.next_sequence &&
                                         has_equal_tcp(ip + transport, candidate.start + transport,
                                                       write.headers - transport));
  if (!is_next) return false;
  if (!write.is_verified && !has_valid_checksums(ip, write.size, write.is_v4, write.is_tcp))
    return false;
  write.is_verified = true;
  if (!has_valid_checksums(candidate.start, candidate.size, write.is_v4, write.is_tcp))
    return false;

  packets_[write.last].next = packet_count_;
  write.last = packet_count_;
  write.count += 1;
  write.size += candidate.payload;
  write.next_sequence += candidate.payload;
  write.next_id += write.counts_ids;
  write.ends_with_push = candidate.has_push;
  const bool is_last =
      candidate.has_push || candidate.payload < write.payload || write.count == kMaxParts;
  if (is_last) is_open_[static_cast<std::size_t>(&write - writes_.data())] = false;
  return true;
}

// Equal hashes of other addresses close more than needed, which costs a write and no order.
void Coalescer::close_between(std::uint32_t address_hash) {
  for (std::size_t i = 0; i < write_count_; ++i)
    is_open_[i] = is_open_[i] && address_hashes_[i] != address_hash;
}

// Bursts are what there is to coalesce, so the flow of the packet before is tried first.
Coalescer::Place Coalescer::find_place(const InnerPacket& inner) {
  if (last_slot_ != kNoSlot) {
    const std::size_t last = slots_[last_slot_] - 1U;
    if (is_same_flow(writes_[last], inner))
      return {last_slot_, address_hashes_[last], writes_[last].flow_hash};
  }
  const std::uint64_t address_hash = inner.address_hash(seed_);
  const std::uint64_t flow_hash = inner.flow_hash_behind(address_hash);
  Place place = {kNoSlot, static_cast<std::uint32_t>(address_hash), flow_hash};
  for (std::size_t probe = 0; probe < kMostProbes; ++probe) {
    const std::size_t slot = (flow_hash + probe) % kSlots;
    if (slots_[slot] != 0) {
      const Write& write = writes_[slots_[slot] - 1U];
      if (write.flow_hash != flow_hash || !is_same_flow(write, inner)) continue;
      last_slot_ = static_cast<std::uint16_t>(slot);
    }
    place.slot = static_cast<std::uint16_t>(slot);
    return place;
  }
  return place;
}

// Addresses and ports stand at the same places in both: a write with a slot has no IPv4 options.
bool Coalescer::is_same_flow(const Write& write, const InnerPacket& inner) const {
  const std::uint8_t* ip = packets_[write.first].start;
  const bool is_tcp = inner.protocol == kProtocolTcp;
  if (write.is_v4 != inner.is_v4 || write.is_tcp != is_tcp) return false;
  const bool has_same_addresses = inner.is_v4 ? std::memcmp(ip + 12, inner.source, 8) == 0
                                              : std::memcmp(ip + 8, inner.source, 32) == 0;
  return has_same_addresses && std::memcmp(ip + write.header_length, inner.transport(), 4) == 0;
}

TunWrite Coalescer::finish(const Write& write) {
  const Packet* packet = &packets_[write.first];
  parts_[0] = {packet->start, packet->size};
  if (write.count == 1) return {VnetHeader{}, {parts_.data(), 1}, write.size};
  for (std::size_t i = 1; i < write.count; ++i) {
    packet = &packets_[packet->next];
    parts_[i] = {packet->start + write.headers, packet->size - write.headers};
  }
  edit_headers(packets_[write.first].start, write.size, write.is_v4, write.is_tcp,
               write.ends_with_push);
  const std::uint8_t tcp_type = write.is_v4 ? kGsoTcp4 : kGsoTcp6;
  const VnetHeader header = {
      .flags = kNeedsChecksum,
      .gso_type = write.is_tcp ? tcp_type : kGsoUdpL4,
      .header_length = write.headers,
      .gso_size = write.payload,
      .checksum_start = write.header_length,
      .checksum_offset = static_cast<std::uint16_t>(write.is_tcp ? kTcpChecksumAt : kUdpChecksumAt),
  };
  return {header, {parts_.data(), write.count}, write.size};
}

}  // namespace sinew::packet
