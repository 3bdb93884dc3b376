// The text by which `wg` configures a userspace WireGuard: the cross-platform interface
// (https://www.wireguard.com/xplatform/), as values. A request is "set=1" or "get=1" and lines of
// key=value up to an empty line; an answer ends in errno=NUMBER and an empty line. Where a line has
// effects beyond its own, the first implementations decide (wireguard-go, and the kernel for what
// `wg` sends it), so that tools which know them find the same device here.
//
// A set request is read and checked as a whole before anything is applied, so that a mistake in its
// last line leaves the device as it was. Keys are parsed straight into memory that wipes itself;
// the text of a request is its owner's to wipe, and errors quote nothing of it but line numbers and
// names of keys we know.
//
// Who writes here owns the device: there is nothing to attack but the parser. Its memory is a small
// multiple of the text, which is at most kMaxRequestSize, and its time linear. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "wg/messages.h"

namespace sinew::wg {

class Device;

namespace uapi {

// Bytes; some 500,000 prefixes in their longest form.
inline constexpr std::size_t kMaxRequestSize = std::size_t{32} << 20;

// The numbers of Linux, on every system.
enum class Errno : std::uint8_t {
  kNone = 0,
  kIo = 5,
  kNoMemory = 12,
  kAccess = 13,
  kNoDevice = 19,
  kInvalid = 22,
  kProtocol = 71,
  kAddressInUse = 98,
  kTimedOut = 110,
};
Errno errno_of(ErrorKind kind);

// The size of the first request in `received`, with its empty line; none while that has not come.
std::optional<std::size_t> request_size(std::string_view received);

enum class Operation : std::uint8_t { kGet, kSet };
Result<Operation> operation_of(std::string_view request);

// One line allowed_ip=.
struct AllowedIpEdit {
  IpPrefix prefix;
  bool is_removal = false;  // "-" before the prefix

  friend bool operator==(const AllowedIpEdit&, const AllowedIpEdit&) = default;
};

// The lines from one public_key= to the next. What is not set stays as it is.
struct PeerEdit {
  PublicKey public_key;
  bool is_removal = false;
  bool is_update_only = false;  // no new peer is made: if it is unknown, the section does nothing
  std::optional<PresharedKey> preshared_key;  // all zero: none from now on
  std::optional<Endpoint> endpoint;
  std::optional<Duration> persistent_keepalive;
  bool replaces_allowed_ips = false;
  std::vector<AllowedIpEdit> allowed_ips;  // after the replacement, in this order
};

struct DeviceEdit {
  std::optional<std::optional<PrivateKey>> private_key;  // set to none: without a key from now on
  std::optional<std::uint16_t> listen_port;              // 0: any
  std::optional<std::uint32_t> fwmark;                   // 0: none
  bool replaces_peers = false;
  std::vector<PeerEdit> peers;  // a peer may come more than once
};

// `request` as request_size() cut it. A zone of an endpoint is a number, or a name that `zones`
// knows. An error of kind kUnsupported says that this is not the protocol, kInvalid that a value is
// wrong; the message starts with the line.
Result<DeviceEdit> parse_set(std::string_view request, const ZoneLookup& zones = nullptr);

// Does what the edit says to the device. Port and mark belong to the socket: the caller sees to
// them first, since they can fail. A peer with our own key is passed over. Fails only when the
// device may have no more peers; then the peers before that one have been changed.
Result<> apply(const DeviceEdit& edit, Device& device, MonoTime now);

// The answer to get=1 with all that is known of the device, in pieces, each handed to `write` and
// then wiped: it holds the private key. The pieces do not grow with the number of prefixes.
void format_get(const Device& device, std::uint16_t listen_port, std::uint32_t fwmark,
                const std::function<void(std::string_view)>& write);

// The answer to set=1, and to what could not be read: "errno=22", a line feed and an empty line.
std::string format_errno(Errno number);

}  // namespace uapi
}  // namespace sinew::wg
