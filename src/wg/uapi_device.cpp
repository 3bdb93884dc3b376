// The two functions of uapi.h that meet a device.
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <concepts>

#include "base/secret.h"
#include "base/verify.h"
#include "wg/device.h"
#include "wg/uapi.h"

namespace sinew::wg::uapi {
namespace {

void change_allowed_ips(const PeerEdit& edit, PeerId peer, AllowedIps& ips) {
  if (edit.replaces_allowed_ips) ips.remove_peer(peer);
  for (const AllowedIpEdit& each : edit.allowed_ips) {
    if (each.is_removal) {
      static_cast<void>(ips.remove(each.prefix, peer));
    } else {
      ips.insert(each.prefix, peer);
    }
  }
}

void change_peer(const PeerEdit& edit, PeerId peer, Device& device, MonoTime now) {
  if (edit.preshared_key) device.set_preshared_key(peer, *edit.preshared_key);
  if (edit.endpoint) device.set_endpoint(peer, *edit.endpoint, now);
  change_allowed_ips(edit, peer, device.allowed_ips());
  // Last, since it may send something right away.
  if (edit.persistent_keepalive) {
    device.set_persistent_keepalive(peer, *edit.persistent_keepalive, now);
  }
}

Result<> apply_to_peer(const PeerEdit& edit, Device& device, MonoTime now) {
  if (edit.public_key == device.public_key()) return {};
  std::optional<PeerId> peer = device.find_peer(edit.public_key);
  if (edit.is_removal) {
    if (peer) device.remove_peer(*peer);
    return {};
  }
  if (!peer && edit.is_update_only) return {};
  if (!peer) peer = device.add_peer(edit.public_key, now);
  if (!peer) return Error{ErrorKind::kOverloaded, "the device may have no more peers"};
  change_peer(edit, *peer, device, now);
  return {};
}

// All peers, in the order of their keys: the same device has the same text.
std::vector<std::pair<PublicKey, PeerId>> sorted_peers(const Device& device) {
  std::vector<std::pair<PublicKey, PeerId>> peers;
  peers.reserve(device.peer_count());
  device.for_each_peer(
      [&](PeerId peer) { peers.emplace_back(device.info(peer).public_key, peer); });
  std::ranges::sort(peers);
  return peers;
}

// Lines gathered up to a piece. The memory is never moved, and wiped whenever a piece is out.
class LineWriter {
 public:
  explicit LineWriter(const std::function<void(std::string_view)>& write) : write_(write) {}
  LineWriter(const LineWriter&) = delete;
  LineWriter& operator=(const LineWriter&) = delete;
  ~LineWriter() { flush(); }

  void text(std::string_view key, std::string_view value) {
    if (used_ + key.size() + value.size() + 2 > piece_.size()) flush();
    VERIFY(used_ + key.size() + value.size() + 2 <= piece_.size());
    append(key);
    append("=");
    append(value);
    append("\n");
  }
  void number(std::string_view key, std::unsigned_integral auto value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    text(key, {digits.begin(), end});
  }
  void key(std::string_view name, std::span<const std::uint8_t, 32> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    SecretArray<64> digits;
    const auto out = digits.expose_mutable();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      out[2 * i] = static_cast<std::uint8_t>(kDigits[bytes[i] >> 4]);
      out[2 * i + 1] = static_cast<std::uint8_t>(kDigits[bytes[i] & 15]);
    }
    text(name, as_text(out));
  }

 private:
  static constexpr std::size_t kPieceSize = 4096;  // bytes, many of the longest line

  void append(std::string_view part) {
    std::ranges::copy(as_bytes(part), piece_.begin() + static_cast<std::ptrdiff_t>(used_));
    used_ += part.size();
  }
  void flush() {
    if (used_ > 0) write_(as_text(ByteView(piece_).first(used_)));
    wipe(ByteSpan(piece_).first(used_));
    used_ = 0;
  }

  const std::function<void(std::string_view)>& write_;
  std::array<std::uint8_t, kPieceSize> piece_;
  std::size_t used_ = 0;
};

void format_peer(const Device& device, PeerId peer, LineWriter& out) {
  using std::chrono::seconds;
  const PeerInfo info = device.info(peer);
  out.key("public_key", info.public_key.bytes());
  out.key("preshared_key", info.preshared_key.expose());
  out.number("protocol_version", 1U);
  if (info.endpoint) out.text("endpoint", info.endpoint->to_string());
  // A calendar from before 1970 has no text here.
  const Duration handshake =
      std::max(info.last_handshake.value_or(WallTime()).since_epoch(), Duration::zero());
  const auto whole = std::chrono::floor<seconds>(handshake);
  out.number("last_handshake_time_sec", static_cast<std::uint64_t>(whole.count()));
  out.number("last_handshake_time_nsec", static_cast<std::uint64_t>((handshake - whole).count()));
  out.number("tx_bytes", info.tx_bytes);
  out.number("rx_bytes", info.rx_bytes);
  const auto keepalive = duration_cast<seconds>(info.persistent_keepalive);
  out.number("persistent_keepalive_interval", static_cast<std::uint64_t>(keepalive.count()));
  device.allowed_ips().for_each_of(
      peer, [&out](const IpPrefix& prefix) { out.text("allowed_ip", prefix.to_string()); });
}

}  // namespace

Result<> apply(const DeviceEdit& edit, Device& device, MonoTime now) {
  if (edit.replaces_peers) {
    for (const auto& [key, peer] : sorted_peers(device))
      device.remove_peer(peer);
  }
  if (edit.private_key) {
    const auto& key = *edit.private_key;
    device.set_private_key(key ? std::optional(key->clone()) : std::nullopt, now);
  }
  for (const PeerEdit& peer : edit.peers)
    TRY(apply_to_peer(peer, device, now));
  return {};
}

void format_get(const Device& device, std::uint16_t listen_port, std::uint32_t fwmark,
                const std::function<void(std::string_view)>& write) {
  {
    LineWriter out(write);
    if (const PrivateKey* key = device.private_key()) out.key("private_key", key->expose());
    if (listen_port != 0) out.number("listen_port", listen_port);
    if (fwmark != 0) out.number("fwmark", fwmark);
    for (const auto& [key, peer] : sorted_peers(device))
      format_peer(device, peer, out);
  }
  write(format_errno(Errno::kNone));
}

}  // namespace sinew::wg::uapi
