#include "base/ip.h"

#include <algorithm>
#include <charconv>

#include "base/verify.h"

namespace sinew {
namespace {

constexpr std::array<std::uint8_t, 12> kV4MappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kV6Groups = 8;

Error invalid(std::string_view what, std::string_view text, std::string_view expected) {
  constexpr std::size_t kShown = 64;
  std::string message = "'" + std::string(text.substr(0, kShown)) + "' is not " + std::string(what);
  return Error{ErrorKind::kInvalid, message + ": expected " + std::string(expected)};
}

Error invalid_address(std::string_view text) {
  return invalid("an IP address", text, "a form like 192.0.2.1 or 2001:db8::1");
}

std::optional<std::array<std::uint8_t, 4>> parse_v4(std::string_view text) {
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool is_last = i + 1 == bytes.size();
    const std::size_t end = is_last ? text.size() : text.find('.');
    if (end == std::string_view::npos) return std::nullopt;
    const auto number = parse_decimal(text.substr(0, end), 255);
    if (!number) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(*number);
    if (!is_last) text.remove_prefix(end + 1);
  }
  return bytes;
}

std::optional<std::uint16_t> parse_v6_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The groups of one side of "::", the last of which may be dotted IPv4 where `may_end_in_v4` says
// so.
struct Groups {
  std::array<std::uint16_t, kV6Groups> values{};
  unsigned count = 0;

  bool add(std::uint32_t value) {
    if (count == kV6Groups) return false;
    values[count++] = static_cast<std::uint16_t>(value);
    return true;
  }
};

std::optional<Groups> parse_groups(std::string_view text, bool may_end_in_v4) {
  Groups groups;
  if (text.empty()) return groups;
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      const auto v4 = may_end_in_v4 ? parse_v4(group) : std::nullopt;
      if (!v4) return std::nullopt;
      const bool fits = groups.add(std::uint32_t{load_be<std::uint16_t>(v4->data())}) &&
                        groups.add(std::uint32_t{load_be<std::uint16_t>(v4->data() + 2)});
      return fits ? std::optional(groups) : std::nullopt;
    }
    const auto value = parse_v6_group(group);
    if (!value || !groups.add(*value)) return std::nullopt;
    if (colon == std::string_view::npos) return groups;
    text.remove_prefix(colon + 1);
  }
}

std::optional<std::array<std::uint8_t, 16>> parse_v6(std::string_view text) {
  const std::size_t gap = text.find("::");
  const bool has_gap = gap != std::string_view::npos;
  const auto head = parse_groups(text.substr(0, gap), !has_gap);
  const auto tail = parse_groups(has_gap ? text.substr(gap + 2) : std::string_view{}, true);
  if (!head || !tail) return std::nullopt;
  const unsigned given = head->count + tail->count;
  // "::" stands for one group of zeros or more.
  if (has_gap ? given >= kV6Groups : given != kV6Groups) return std::nullopt;
  std::array<std::uint8_t, 16> bytes{};
  for (unsigned i = 0; i < head->count; ++i)
    store_be(bytes.data() + 2 * i, head->values[i]);
  std::uint8_t* tail_start = bytes.data() + 2 * (kV6Groups - tail->count);
  for (unsigned i = 0; i < tail->count; ++i)
    store_be(tail_start + 2 * i, tail->values[i]);
  return bytes;
}

// RFC 5952: lower case, no leading zeros, the first longest run of two zero groups or more becomes
// "::".
std::string v6_text(ByteView bytes) {
  std::array<std::uint16_t, kV6Groups> groups{};
  for (unsigned i = 0; i < kV6Groups; ++i)
    groups[i] = load_be<std::uint16_t>(bytes.data() + 2 * i);
  unsigned gap_start = kV6Groups;
  unsigned gap_size = 1;
  for (unsigned i = 0; i < kV6Groups; ++i) {
    unsigned size = 0;
    while (i + size < kV6Groups && groups[i + size] == 0)
      ++size;
    if (size > gap_size) {
      gap_start = i;
      gap_size = size;
    }
  }
  std::string text;
  for (unsigned i = 0; i < kV6Groups;) {
    if (i == gap_start) {
      text += "::";
      i += gap_size;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    std::array<char, 4> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), groups[i], 16).ptr;
    text.append(digits.begin(), end);
    ++i;
  }
  return text;
}

bool is_v6_link_local(const std::array<std::uint8_t, 16>& bytes) {
  const bool is_unicast = bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
  const bool is_multicast = bytes[0] == 0xff && (bytes[1] & 0x0f) == 0x02;
  return is_unicast || is_multicast;
}

Result<std::uint32_t> parse_zone(std::string_view text, std::string_view whole,
                                 const ZoneLookup& zones) {
  std::optional<std::uint32_t> number = parse_decimal(text, 0x7fff'ffff);
  if (!number && zones && !text.empty()) number = zones(text);
  if (number && *number > 0) return *number;
  return invalid("an IP address of this machine", whole, "a known interface behind '%'");
}

}  // namespace

std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t maximum) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  std::uint64_t value = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  if (value > maximum) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes, std::uint32_t zone) {
  if (std::equal(kV4MappedPrefix.begin(), kV4MappedPrefix.end(), bytes.begin())) {
    return v4(bytes[12], bytes[13], bytes[14], bytes[15]);
  }
  return IpAddress(Family::kV6, bytes, is_v6_link_local(bytes) ? zone : 0);
}

Result<IpAddress> IpAddress::parse(std::string_view text, const ZoneLookup& zones) {
  if (text.find(':') == std::string_view::npos) {
    if (const auto bytes = parse_v4(text)) return v4(*bytes);
    return invalid_address(text);
  }
  const std::size_t percent = text.find('%');
  const auto bytes = parse_v6(text.substr(0, percent));
  if (!bytes) return invalid_address(text);
  if (percent == std::string_view::npos) return v6(*bytes);
  if (!is_v6_link_local(*bytes)) {
    return invalid("an IP address", text, "no zone behind an address that is not link-local");
  }
  return v6(*bytes, TRY(parse_zone(text.substr(percent + 1), text, zones)));
}

std::array<std::uint8_t, 16> IpAddress::as_v6_bytes() const {
  if (is_v6()) return bytes_;
  std::array<std::uint8_t, 16> mapped{};
  std::copy(kV4MappedPrefix.begin(), kV4MappedPrefix.end(), mapped.begin());
  std::copy_n(bytes_.begin(), 4, mapped.begin() + 12);
  return mapped;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1,
                     [](std::uint8_t byte) { return byte == 0; }) &&
         bytes_[15] == 1;
}

bool IpAddress::is_link_local() const {
  if (is_v4()) return bytes_[0] == 169 && bytes_[1] == 254;
  return is_v6_link_local(bytes_);
}

bool IpAddress::is_multicast() const {
  return is_v4() ? (bytes_[0] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

bool IpAddress::is_private() const {
  if (is_v6()) return (bytes_[0] & 0xfe) == 0xfc;
  return bytes_[0] == 10 || (bytes_[0] == 172 && (bytes_[1] & 0xf0) == 16) ||
         (bytes_[0] == 192 && bytes_[1] == 168) || (bytes_[0] == 100 && (bytes_[1] & 0xc0) == 64);
}

std::string IpAddress::to_string() const {
  if (is_v4()) {
    return std::to_string(bytes_[0]) + '.' + std::to_string(bytes_[1]) + '.' +
           std::to_string(bytes_[2]) + '.' + std::to_string(bytes_[3]);
  }
  std::string text = v6_text(bytes_);
  if (zone_ != 0) text += '%' + std::to_string(zone_);
  return text;
}

IpPrefix IpPrefix::around(const IpAddress& address, unsigned length) {
  VERIFY(length <= address.bit_count());
  std::array<std::uint8_t, 16> bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), bytes.begin());
  for (unsigned bit = length; bit < address.bit_count(); ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> bit % 8));
  }
  if (address.is_v4()) return {IpAddress::v4(bytes[0], bytes[1], bytes[2], bytes[3]), length};
  return {IpAddress::v6(bytes), length};
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  constexpr std::string_view kExpected = "a form like 10.0.0.0/8 or fd00::/8";
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address || address->zone() != 0) return invalid("an address prefix", text, kExpected);
  if (slash == std::string_view::npos) return of_host(*address);
  // A length counts the bits of the form it stands behind, and this form is not the address's own.
  const bool is_mapped = address->is_v4() && text.find(':') != std::string_view::npos;
  if (is_mapped) return invalid("an address prefix", text, "the IPv4 form, like 127.0.0.1/32");
  const auto length = parse_decimal(text.substr(slash + 1), address->bit_count());
  if (!length) return invalid("an address prefix", text, kExpected);
  const IpPrefix prefix = around(*address, *length);
  if (prefix.address() != *address) return invalid("an address prefix", text, prefix.to_string());
  return prefix;
}

bool IpPrefix::contains(const IpAddress& address) const {
  if (address.is_v4() != address_.is_v4()) return false;
  const unsigned whole = length_ / 8U;
  const ByteView ours = address_.bytes();
  const ByteView theirs = address.bytes();
  if (!std::equal(ours.begin(), ours.begin() + whole, theirs.begin())) return false;
  if (length_ % 8U == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00U >> length_ % 8U);
  return (ours[whole] & mask) == (theirs[whole] & mask);
}

bool IpPrefix::contains(const IpPrefix& other) const {
  return length_ <= other.length_ && contains(other.address_);
}

std::string IpPrefix::to_string() const {
  return address_.to_string() + '/' + std::to_string(length_);
}

Result<Endpoint> Endpoint::parse(std::string_view text, const ZoneLookup& zones) {
  const Error error =
      invalid("an endpoint", text, "a form like 192.0.2.1:51820 or [2001:db8::1]:51820");
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return error;
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!port || *port == 0) return error;
  std::string_view host = text.substr(0, colon);
  const bool is_bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  const bool has_colon = host.find(':') != std::string_view::npos;
  if (has_colon != is_bracketed) return error;
  return Endpoint{TRY(IpAddress::parse(host, zones)), static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::size_t hash_of(const IpAddress& address) {
  const auto bytes = address.as_v6_bytes();
  std::uint64_t hash = load_le<std::uint64_t>(bytes.data()) * 0x9e3779b97f4a7c15;
  hash = (hash ^ hash >> 32 ^ load_le<std::uint64_t>(bytes.data() + 8)) * 0xbf58476d1ce4e5b9;
  return static_cast<std::size_t>(hash ^ hash >> 29 ^ address.zone());
}

}  // namespace sinew
