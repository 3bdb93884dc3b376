#include "relay/frames.h"

#include <algorithm>

namespace sinew::relay {
namespace {

constexpr std::array<std::uint8_t, 4> kOurDisco = {0xd1, 'S', 'N', 'W'};
constexpr std::array<std::uint8_t, 6> kTheirDisco = {'T', 'S', 0xf0, 0x9f, 0x92, 0xac};

bool starts_with(ByteView bytes, ByteView prefix) {
  return bytes.size() >= prefix.size() && std::ranges::equal(bytes.first(prefix.size()), prefix);
}

// Moves bytes from the front of `from` to `to` until that has `size`.
void gather(Bytes& to, ByteView& from, std::size_t size) {
  const std::size_t count = std::min(size - std::min(size, to.size()), from.size());
  to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
  from = from.subspan(count);
}

}  // namespace

std::optional<std::size_t> kept_bytes(FrameType type, std::size_t length) {
  const auto whole_up_to = [&](std::size_t most) -> std::optional<std::size_t> {
    return length <= most ? std::optional(length) : std::nullopt;
  };
  switch (type) {
    case FrameType::kSendPacket:
    case FrameType::kReceivedPacket: return whole_up_to(kKeySize + kMaxPacketBytes);
    case FrameType::kClientInfo:
    case FrameType::kServerInfo: return whole_up_to(kMaxLoginBytes);
    case FrameType::kServerKey:
    case FrameType::kKeepAlive:
    case FrameType::kNotePreferred:
    case FrameType::kPeerGone:
    case FrameType::kPing:
    case FrameType::kPong:
    case FrameType::kHealth:
    case FrameType::kRestarting:
    case FrameType::kUdpOpen:
    case FrameType::kUdpGrant:
    case FrameType::kUdpAsk:
    case FrameType::kUdpNumber: return std::min(length, kMaxSmallBytes);
    // Of no use to anybody here, but for their type.
    case FrameType::kPeerPresent:
    case FrameType::kForwardPacket:
    case FrameType::kWatchConnections:
    case FrameType::kClosePeer: break;
  }
  return 0;
}

void append_frame(Bytes& out, FrameType type, std::initializer_list<ByteView> parts) {
  std::size_t length = 0;
  for (const ByteView part : parts)
    length += part.size();
  const std::size_t start = out.size();
  out.resize(start + kFrameHeaderSize + length);
  ByteWriter writer(ByteSpan(out).subspan(start));
  writer.u8(static_cast<std::uint8_t>(type));
  writer.be(static_cast<std::uint32_t>(length));
  for (const ByteView part : parts)
    writer.bytes(part);
}

bool is_disco(ByteView packet) {
  return starts_with(packet, kOurDisco) || starts_with(packet, kTheirDisco);
}

std::optional<Frame> FrameReader::next(ByteView& bytes) {
  const std::size_t dropped = std::min(surplus_, bytes.size());
  surplus_ -= dropped;
  bytes = bytes.subspan(dropped);
  if (bytes.empty()) return std::nullopt;
  if (partial_.empty() && bytes.size() >= kFrameHeaderSize) {
    if (!take_header(bytes)) return std::nullopt;
    const ByteView rest = bytes.subspan(kFrameHeaderSize);
    if (rest.size() >= kept_) {
      bytes = rest.subspan(kept_);
      return Frame{type_, rest.first(kept_)};
    }
  }
  if (partial_.size() < kFrameHeaderSize) {
    gather(partial_, bytes, kFrameHeaderSize);
    if (partial_.size() < kFrameHeaderSize || !take_header(partial_)) return std::nullopt;
  }
  gather(partial_, bytes, kFrameHeaderSize + kept_);
  if (partial_.size() < kFrameHeaderSize + kept_) return std::nullopt;
  return Frame{type_, ByteView(partial_).subspan(kFrameHeaderSize)};
}

bool FrameReader::take_header(ByteView header) {
  type_ = static_cast<FrameType>(header[0]);
  const std::size_t length = load_be<std::uint32_t>(header.data() + 1);
  const std::optional<std::size_t> kept = kept_bytes(type_, length);
  is_broken_ = !kept;
  kept_ = kept.value_or(0);
  surplus_ = length - kept_;
  return !is_broken_;
}

void FrameReader::forget() {
  if (!partial_.empty()) partial_ = Bytes();
}

}  // namespace sinew::relay
