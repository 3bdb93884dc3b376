#include "igd/device_url.h"

namespace sinew::igd {

std::optional<IpAddress> address_of_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  constexpr std::uint32_t kMaxPort = 65535;
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const std::string_view authority = url.substr(0, url.find_first_of("/?#\\"));
  std::string_view host = authority;
  if (const auto bracket = authority.find(']'); authority.starts_with('[')) {
    if (bracket == std::string_view::npos) return std::nullopt;
    host = authority.substr(1, bracket - 1);
    const std::string_view behind = authority.substr(bracket + 1);
    if (!behind.empty() && (behind[0] != ':' || !parse_decimal(behind.substr(1), kMaxPort)))
      return std::nullopt;
  } else if (const auto colon = authority.find(':'); colon != std::string_view::npos) {
    host = authority.substr(0, colon);
    if (!parse_decimal(authority.substr(colon + 1), kMaxPort)) return std::nullopt;
  }
  const Result<IpAddress> address = IpAddress::parse(host);
  if (!address || address->is_v6() != authority.starts_with('[')) return std::nullopt;
  return *address;
}

}  // namespace sinew::igd
