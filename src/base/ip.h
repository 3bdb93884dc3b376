// Addresses as values: IpAddress, IpPrefix, Endpoint. One type for both families. An IPv4-mapped
// IPv6 address becomes the IPv4 address it means as soon as it is made, so that no rule is passed
// by spelling an address another way. Each value has exactly one text (RFC 5952); parsers are
// strict: no octal, no short forms, no spaces. Pure values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace sinew {

// The number of the interface named in "fe80::1%eth0"; os::interface_number is the real one.
using ZoneLookup = std::function<std::optional<std::uint32_t>(std::string_view name)>;

class IpAddress {
 public:
  // 0.0.0.0
  constexpr IpAddress() = default;
  static constexpr IpAddress v4(std::array<std::uint8_t, 4> bytes) {
    return IpAddress(Family::kV4, {bytes[0], bytes[1], bytes[2], bytes[3]}, 0);
  }
  static constexpr IpAddress v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    return v4({a, b, c, d});
  }
  // A v4-mapped address comes out as IPv4. `zone` is kept for link-local addresses and dropped for
  // all others.
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes, std::uint32_t zone = 0);
  static constexpr IpAddress any_v4() { return IpAddress(); }
  static constexpr IpAddress any_v6() { return IpAddress(Family::kV6, {}, 0); }

  // "192.0.2.1", "2001:db8::1", "fe80::1%2". A zone may be a name when `zones` knows it, and stands
  // only behind a link-local address.
  static Result<IpAddress> parse(std::string_view text, const ZoneLookup& zones = nullptr);

  constexpr bool is_v4() const { return family_ == Family::kV4; }
  constexpr bool is_v6() const { return family_ == Family::kV6; }
  constexpr unsigned bit_count() const { return is_v4() ? 32 : 128; }
  constexpr std::uint32_t zone() const { return zone_; }
  // Four bytes or sixteen, in network order.
  ByteView bytes() const { return {bytes_.data(), is_v4() ? 4U : 16U}; }
  std::array<std::uint8_t, 16> as_v6_bytes() const;  // IPv4 as ::ffff:a.b.c.d
  constexpr bool bit(unsigned index) const {
    return (bytes_[index / 8] >> (7 - index % 8) & 1) != 0;
  }

  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_multicast() const;
  // RFC 1918, RFC 6598 (CGNAT) or RFC 4193 (ULA): not routed on the public internet.
  bool is_private() const;

  std::string to_string() const;

  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  enum class Family : std::uint8_t { kV4, kV6 };

  constexpr IpAddress(Family family, std::array<std::uint8_t, 16> bytes, std::uint32_t zone)
      : family_(family), bytes_(bytes), zone_(zone) {}

  Family family_ = Family::kV4;
  std::array<std::uint8_t, 16> bytes_{};  // IPv4 uses the first four; the others stay zero
  std::uint32_t zone_ = 0;
};

// A block of addresses, such as 10.147.0.0/16. The bits behind the length are zero.
class IpPrefix {
 public:
  // 0.0.0.0/0
  constexpr IpPrefix() = default;
  // Clears the bits behind `length`. `length` is at most the address's bit count.
  static IpPrefix around(const IpAddress& address, unsigned length);
  static IpPrefix of_host(const IpAddress& address) { return around(address, address.bit_count()); }

  // "10.0.0.0/8", "fd00::/8"; without "/N" a single host. Bits set behind the length are an error
  // that names the prefix probably meant. Zones are refused, and lengths behind a v4-mapped
  // address.
  static Result<IpPrefix> parse(std::string_view text);

  constexpr const IpAddress& address() const { return address_; }
  constexpr unsigned length() const { return length_; }
  constexpr bool is_host() const { return length_ == address_.bit_count(); }
  bool contains(const IpAddress& address) const;
  bool contains(const IpPrefix& other) const;
  bool overlaps(const IpPrefix& other) const { return contains(other) || other.contains(*this); }

  std::string to_string() const;

  friend constexpr auto operator<=>(const IpPrefix&, const IpPrefix&) = default;

 private:
  constexpr IpPrefix(const IpAddress& address, unsigned length)
      : address_(address), length_(static_cast<std::uint8_t>(length)) {}

  IpAddress address_;
  std::uint8_t length_ = 0;
};

// An address and a port: where a datagram goes.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  // "192.0.2.1:51820", "[2001:db8::1]:51820". The port is 1 to 65535 in plain decimal.
  static Result<Endpoint> parse(std::string_view text, const ZoneLookup& zones = nullptr);
  std::string to_string() const;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Plain decimal without sign, space or leading zero, at most `maximum`.
std::optional<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t maximum);

// Spreads well in a table; not keyed, so tables that strangers fill need a bound of their own.
std::size_t hash_of(const IpAddress& address);

}  // namespace sinew

template <>
struct std::hash<sinew::IpAddress> {
  std::size_t operator()(const sinew::IpAddress& address) const noexcept {
    return sinew::hash_of(address);
  }
};
template <>
struct std::hash<sinew::Endpoint> {
  std::size_t operator()(const sinew::Endpoint& endpoint) const noexcept {
    return sinew::hash_of(endpoint.address) * 31 + endpoint.port;
  }
};
