#include "wg/uapi.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

namespace sinew::wg::uapi {
namespace {

constexpr std::string_view kSetLine = "set=1\n";
constexpr std::string_view kGetLine = "get=1\n";

std::optional<std::uint8_t> digit_value(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<std::uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::uint8_t>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<std::uint8_t>(digit - 'A' + 10);
  return std::nullopt;
}

// 64 digits in either case.
std::optional<SecretArray<32>> parse_key(std::string_view text) {
  SecretArray<32> key;
  if (text.size() != 2 * key.kSize) return std::nullopt;
  for (std::size_t i = 0; i < key.kSize; ++i) {
    const auto high = digit_value(text[2 * i]);
    const auto low = digit_value(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    key.expose_mutable()[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return key;
}

bool is_zero(const SecretArray<32>& key) {
  std::uint8_t any = 0;
  for (const std::uint8_t byte : key.expose())
    any |= byte;
  return any == 0;
}

// Decimal, or hexadecimal behind 0x.
std::optional<std::uint32_t> parse_fwmark(std::string_view text) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return parse_decimal(text, UINT32_MAX);
  text.remove_prefix(2);
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

// Bits behind the length are cleared, as `wg` lets people write their own address there. A length
// is demanded, and counts the bits of the form it stands behind: a v4-mapped address, which an
// IpPrefix cannot hold, is refused.
std::optional<IpPrefix> parse_prefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address || address->zone() != 0) return std::nullopt;
  if (address->is_v4() && text.find(':') != std::string_view::npos) return std::nullopt;
  const auto length = parse_decimal(text.substr(slash + 1), address->bit_count());
  if (!length) return std::nullopt;
  return IpPrefix::around(*address, *length);
}

// One method for each key. A method returns what it expected when it did not find it.
class SetParser {
 public:
  explicit SetParser(const ZoneLookup& zones) : zones_(zones) {}

  Result<DeviceEdit> parse(std::string_view request);

 private:
  using Expected = std::optional<std::string_view>;
  using Method = Expected (SetParser::*)(std::string_view value);
  struct Key {
    std::string_view name;
    Method method;
  };
  static constexpr Expected kFine = std::nullopt;
  static constexpr std::string_view kExpectedKey = "64 hexadecimal digits";
  static constexpr std::string_view kExpectedTrue = "true";

  Result<> parse_line(std::string_view line);
  Error error(ErrorKind kind, std::string_view what) const;
  PeerEdit& peer() { return edit_.peers.back(); }

  Expected private_key(std::string_view value);
  Expected listen_port(std::string_view value);
  Expected fwmark(std::string_view value);
  Expected replace_peers(std::string_view value);
  Expected public_key(std::string_view value);
  Expected remove(std::string_view value);
  Expected update_only(std::string_view value);
  Expected preshared_key(std::string_view value);
  Expected endpoint(std::string_view value);
  Expected persistent_keepalive_interval(std::string_view value);
  Expected replace_allowed_ips(std::string_view value);
  Expected allowed_ip(std::string_view value);
  Expected protocol_version(std::string_view value);

  // The lines before the first public_key, and those behind it.
  static constexpr Key kDeviceKeys[] = {
      {"private_key", &SetParser::private_key}, {"listen_port", &SetParser::listen_port},
      {"fwmark", &SetParser::fwmark},           {"replace_peers", &SetParser::replace_peers},
      {"public_key", &SetParser::public_key},
  };
  static constexpr Key kPeerKeys[] = {
      {"allowed_ip", &SetParser::allowed_ip},
      {"public_key", &SetParser::public_key},
      {"remove", &SetParser::remove},
      {"update_only", &SetParser::update_only},
      {"preshared_key", &SetParser::preshared_key},
      {"endpoint", &SetParser::endpoint},
      {"persistent_keepalive_interval", &SetParser::persistent_keepalive_interval},
      {"replace_allowed_ips", &SetParser::replace_allowed_ips},
      {"protocol_version", &SetParser::protocol_version},
  };

  const ZoneLookup& zones_;
  DeviceEdit edit_;
  std::size_t line_number_ = 1;
};

Result<DeviceEdit> SetParser::parse(std::string_view request) {
  if (!request.starts_with(kSetLine)) return error(ErrorKind::kUnsupported, "expected set=1");
  std::string_view rest = request.substr(kSetLine.size());
  while (!rest.empty() && rest.front() != '\n') {
    ++line_number_;
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) return error(ErrorKind::kUnsupported, "the line has no end");
    TRY(parse_line(rest.substr(0, end)));
    rest.remove_prefix(end + 1);
  }
  ++line_number_;
  if (rest != "\n") return error(ErrorKind::kUnsupported, "expected one empty line at the end");
  return std::move(edit_);
}

Result<> SetParser::parse_line(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return error(ErrorKind::kUnsupported, "expected key=value");
  const std::span<const Key> keys =
      edit_.peers.empty() ? std::span<const Key>(kDeviceKeys) : std::span<const Key>(kPeerKeys);
  const auto key = std::ranges::find(keys, line.substr(0, equals), &Key::name);
  if (key == keys.end()) {
    return error(ErrorKind::kInvalid,
                 edit_.peers.empty() ? "unknown key of a device" : "unknown key of a peer");
  }
  const Expected expected = (this->*key->method)(line.substr(equals + 1));
  if (!expected) return {};
  return error(ErrorKind::kInvalid, std::string(key->name) + " expects " + std::string(*expected));
}

Error SetParser::error(ErrorKind kind, std::string_view what) const {
  return Error{kind, "line " + std::to_string(line_number_) + ": " + std::string(what)};
}

SetParser::Expected SetParser::private_key(std::string_view value) {
  const auto key = parse_key(value);
  if (!key) return kExpectedKey;
  edit_.private_key.emplace();
  if (!is_zero(*key)) edit_.private_key->emplace(key->expose());
  return kFine;
}

SetParser::Expected SetParser::listen_port(std::string_view value) {
  const auto port = parse_decimal(value, UINT16_MAX);
  if (!port) return "a port from 0 to 65535";
  edit_.listen_port = static_cast<std::uint16_t>(*port);
  return kFine;
}

SetParser::Expected SetParser::fwmark(std::string_view value) {
  edit_.fwmark = parse_fwmark(value);
  if (!edit_.fwmark) return "a number of 32 bits";
  return kFine;
}

SetParser::Expected SetParser::replace_peers(std::string_view value) {
  if (value != "true") return kExpectedTrue;
  edit_.replaces_peers = true;
  return kFine;
}

SetParser::Expected SetParser::public_key(std::string_view value) {
  const auto key = parse_key(value);
  if (!key) return kExpectedKey;
  std::array<std::uint8_t, PublicKey::kSize> bytes;
  std::ranges::copy(key->expose(), bytes.begin());
  edit_.peers.emplace_back().public_key = PublicKey(bytes);
  return kFine;
}

SetParser::Expected SetParser::remove(std::string_view value) {
  if (value != "true") return kExpectedTrue;
  peer().is_removal = true;
  return kFine;
}

SetParser::Expected SetParser::update_only(std::string_view value) {
  if (value != "true") return kExpectedTrue;
  peer().is_update_only = true;
  return kFine;
}

SetParser::Expected SetParser::preshared_key(std::string_view value) {
  peer().preshared_key = parse_key(value);
  if (!peer().preshared_key) return kExpectedKey;
  return kFine;
}

SetParser::Expected SetParser::endpoint(std::string_view value) {
  const auto endpoint = Endpoint::parse(value, zones_);
  if (!endpoint) return "a form like 192.0.2.1:51820 or [2001:db8::1]:51820";
  peer().endpoint = *endpoint;
  return kFine;
}

SetParser::Expected SetParser::persistent_keepalive_interval(std::string_view value) {
  const auto seconds = parse_decimal(value, UINT16_MAX);
  if (!seconds) return "seconds from 0 to 65535";
  peer().persistent_keepalive = std::chrono::seconds(*seconds);
  return kFine;
}

// Lines take effect one after the other: prefixes named before this one are replaced as well.
SetParser::Expected SetParser::replace_allowed_ips(std::string_view value) {
  if (value != "true") return kExpectedTrue;
  peer().replaces_allowed_ips = true;
  peer().allowed_ips.clear();
  return kFine;
}

SetParser::Expected SetParser::allowed_ip(std::string_view value) {
  const bool is_removal = value.starts_with('-');
  if (is_removal) value.remove_prefix(1);
  const auto prefix = parse_prefix(value);
  if (!prefix) return "a form like 10.0.0.0/8 or fd00::/8";
  peer().allowed_ips.push_back({.prefix = *prefix, .is_removal = is_removal});
  return kFine;
}

SetParser::Expected SetParser::protocol_version(std::string_view value) {
  if (value != "1") return "1";
  return kFine;
}

}  // namespace

Errno errno_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalid: return Errno::kInvalid;
    case ErrorKind::kDenied: return Errno::kAccess;
    case ErrorKind::kNotFound: return Errno::kNoDevice;
    case ErrorKind::kConflict: return Errno::kAddressInUse;
    case ErrorKind::kOverloaded: return Errno::kNoMemory;
    case ErrorKind::kTimeout: return Errno::kTimedOut;
    case ErrorKind::kUnsupported: return Errno::kProtocol;
    case ErrorKind::kUnavailable:
    case ErrorKind::kInternal: break;
  }
  return Errno::kIo;
}

std::optional<std::size_t> request_size(std::string_view received) {
  if (received.starts_with('\n')) return 1;
  const std::size_t end = received.find("\n\n");
  if (end == std::string_view::npos) return std::nullopt;
  return end + 2;
}

Result<Operation> operation_of(std::string_view request) {
  if (request.starts_with(kSetLine)) return Operation::kSet;
  if (request == "get=1\n\n") return Operation::kGet;
  const bool is_long_get = request.starts_with(kGetLine);
  return Error{
      is_long_get ? ErrorKind::kInvalid : ErrorKind::kUnsupported,
      is_long_get ? "line 2: expected nothing behind get=1" : "line 1: expected get=1 or set=1"};
}

Result<DeviceEdit> parse_set(std::string_view request, const ZoneLookup& zones) {
  if (request.size() > kMaxRequestSize) {
    return Error{ErrorKind::kOverloaded, "the request is larger than 32 MiB"};
  }
  return SetParser(zones).parse(request);
}

std::string format_errno(Errno number) {
  return "errno=" + std::to_string(static_cast<unsigned>(number)) + "\n\n";
}

}  // namespace sinew::wg::uapi
