#include "udp/sender.h"

#include <algorithm>
#include <cerrno>

#include "base/verify.h"

namespace sinew::udp {
namespace {

// Errors of datagrams long gone that one send() passes over.
constexpr int kMaxAsynchronousErrors = 64;

constexpr std::uint64_t bit(std::size_t index) {
  return std::uint64_t{1} << index;
}

bool is_asynchronous(int error) {
  return error == ECONNREFUSED || error == EINTR;
}

// What a kernel, a device or a path says that cannot take this train.
bool refuses_train(int error) {
  return error == EIO || error == EMSGSIZE || error == EINVAL || error == EOPNOTSUPP ||
         error == ENOPROTOOPT;
}

// What a route says that begins at an address or an interface which is gone.
bool refuses_source(int error) {
  return error == EINVAL || error == ENETUNREACH || error == EHOSTUNREACH || error == ENETDOWN ||
         error == ENODEV || error == ENXIO || error == EADDRNOTAVAIL;
}

}  // namespace

Sender::Sender(bool is_v6, bool has_segmentation)
    : is_v6_(is_v6), has_segmentation_(has_segmentation), slots_(), headers_() {
  for (std::size_t i = 0; i < kSlots; ++i) {
    headers_[i].msg_hdr.msg_name = &slots_[i].name;
    headers_[i].msg_hdr.msg_iov = &slots_[i].memory;
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_control = slots_[i].control.data();
  }
}

SendReport Sender::send(int socket, std::span<const Outgoing> messages, Counters& counters) {
  messages = messages.first(std::min(messages.size(), UdpPort::kMaxSendBatch));
  SendReport report;
  Cursor cursor;
  int asynchronous_errors = 0;
  while (cursor.index < messages.size()) {
    const std::size_t count = fill(messages, cursor);
    const int sent = ::sendmmsg(socket, headers_.data(), static_cast<unsigned>(count), 0);
    if (sent > 0) {
      advance(cursor, static_cast<std::size_t>(sent), report, counters);
      continue;
    }
    const int error = errno;
    if (error == EAGAIN) {
      report.would_block = true;
      ++counters.send_would_block;
      break;
    }
    if (is_asynchronous(error) && asynchronous_errors++ < kMaxAsynchronousErrors) {
      counters.asynchronous_errors += error == EINTR ? 0 : 1;
    } else if (!degrade(cursor, error, counters)) {
      drop(cursor, error, report, counters);
    }
  }
  report.taken = cursor.index;
  report.bytes_of_next = cursor.offset;
  return report;
}

// As many pieces as there are slots, from the cursor on. The way of trying that the cursor names
// holds for its own message; those behind begin with hope.
std::size_t Sender::fill(std::span<const Outgoing> messages, const Cursor& from) {
  std::size_t count = 0;
  Cursor at = from;
  while (at.index < messages.size() && count < kSlots) {
    const Outgoing& message = messages[at.index];
    const std::size_t size = piece_size(message, at.offset, at.is_cut);
    fill_slot(count, message, message.bytes.subspan(at.offset, size), at.is_sourceless);
    at.offset += size;
    Slot& slot = slots_[count++];
    slot.index = at.index;
    slot.end_offset = at.offset;
    slot.is_last = at.offset == message.bytes.size();
    if (slot.is_last) at = {.index = at.index + 1};
  }
  return count;
}

std::size_t Sender::piece_size(const Outgoing& message, std::size_t offset, bool is_cut) const {
  const std::size_t rest = message.bytes.size() - offset;
  const std::size_t segment = message.segment_size;
  if (segment == 0 || segment >= rest) return rest;
  if (is_cut || !has_segmentation_) return segment;
  const std::size_t segments =
      std::clamp<std::size_t>(UdpPort::kMaxDatagramBytes / segment, 1, UdpPort::kMaxSegments);
  return std::min(rest, segments * segment);
}

void Sender::fill_slot(std::size_t index, const Outgoing& message, ByteView piece,
                       bool is_sourceless) {
  VERIFY(message.to->address.is_v6() == is_v6_);
  Slot& slot = slots_[index];
  msghdr& header = headers_[index].msg_hdr;
  header.msg_namelen = write_name(slot.name, *message.to);
  // tidy: allow banned-calls (an iovec is not const, and sendmmsg(2) does not write to it)
  slot.memory = {const_cast<std::uint8_t*>(piece.data()), piece.size()};
  slot.is_train = message.segment_size != 0 && piece.size() > message.segment_size;
  slot.is_sourceless = is_sourceless;

  ControlWriter control(slot.control);
  if (slot.is_train) control.put(SOL_UDP, kUdpSegment, message.segment_size);
  if (!is_sourceless) put_source(control, message);
  slot.has_source = control.size() > (slot.is_train ? CMSG_SPACE(sizeof(std::uint16_t)) : 0);
  if (message.ds != 0) {
    const int ds = message.ds;
    control.put(is_v6_ ? IPPROTO_IPV6 : IPPROTO_IP, is_v6_ ? IPV6_TCLASS : IP_TOS, ds);
  }
  header.msg_controllen = control.size();
}

void Sender::put_source(ControlWriter& control, const Outgoing& message) const {
  const bool has_local = message.local.is_v6() == is_v6_ && !message.local.is_unspecified();
  if (!has_local && message.interface == 0) return;
  if (is_v6_) {
    in6_pktinfo info{};
    if (has_local) std::memcpy(&info.ipi6_addr, message.local.bytes().data(), sizeof(in6_addr));
    info.ipi6_ifindex = message.interface;
    control.put(IPPROTO_IPV6, IPV6_PKTINFO, info);
  } else {
    in_pktinfo info{};
    if (has_local) std::memcpy(&info.ipi_spec_dst, message.local.bytes().data(), sizeof(in_addr));
    info.ipi_ifindex = static_cast<int>(message.interface);
    control.put(IPPROTO_IP, IP_PKTINFO, info);
  }
}

void Sender::advance(Cursor& cursor, std::size_t sent, SendReport& report,
                     Counters& counters) const {
  for (const Slot& slot : std::span(slots_).first(sent)) {
    if (slot.is_sourceless && (report.stale_sources & bit(slot.index)) == 0) {
      report.stale_sources |= bit(slot.index);
      ++counters.stale_sources;
    }
  }
  const Slot& last = slots_[sent - 1];
  if (last.is_last) {
    cursor = {.index = last.index + 1};
  } else if (last.index == cursor.index) {
    cursor.offset = last.end_offset;
  } else {
    cursor = {.index = last.index, .offset = last.end_offset};
  }
}

// The next way to try the message whose first piece failed; false when there is none left. EINVAL
// may be about the train or about the source, so the train is given up first and has a second
// chance once the source is gone.
bool Sender::degrade(Cursor& cursor, int error, Counters& counters) {
  const Slot& failed = slots_.front();
  if (failed.is_train && refuses_train(error)) {
    // No checksums in the device, on a kernel that does not compute them instead: for good.
    if (error == EIO || error == EOPNOTSUPP || error == ENOPROTOOPT) has_segmentation_ = false;
    ++counters.segmentation_refused;
    cursor.is_cut = true;
    return true;
  }
  if (failed.has_source && refuses_source(error)) {
    cursor.is_sourceless = true;
    cursor.is_cut = false;
    return true;
  }
  return false;
}

void Sender::drop(Cursor& cursor, int error, SendReport& report, Counters& counters) {
  report.dropped |= bit(cursor.index);
  ++counters.send_dropped;
  counters.last_send_error = error;
  cursor = {.index = cursor.index + 1};
}

}  // namespace sinew::udp
