// Addresses, prefixes and endpoints: what is accepted has one text and means what the C library
// reads in it.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/ip.h"
#include "base/verify.h"

using namespace sinew;

namespace {

std::optional<std::array<std::uint8_t, 16>> pton(const std::string& text) {
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  if (inet_pton(AF_INET, text.c_str(), bytes.data() + 12) != 1) return std::nullopt;
  bytes[10] = bytes[11] = 0xff;
  return bytes;
}

template <typename T>
void check_round_trip(const T& value) {
  const auto again = T::parse(value.to_string());
  VERIFY(again.has_value());
  VERIFY(*again == value);
  VERIFY(again->to_string() == value.to_string());
}

// The C library knows no zones, and its strings end at the first zero byte.
void check_against_library(std::string_view text) {
  const std::size_t percent = text.find('%');
  if (percent != std::string_view::npos || text.find('\0') != std::string_view::npos) return;
  const auto ours = IpAddress::parse(text);
  const auto theirs = pton(std::string(text));
  VERIFY(ours.has_value() == theirs.has_value());
  if (ours) VERIFY(ours->as_v6_bytes() == *theirs);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check_against_library(text);
  if (const auto address = IpAddress::parse(text)) check_round_trip(*address);
  if (const auto prefix = IpPrefix::parse(text)) {
    check_round_trip(*prefix);
    VERIFY(prefix->contains(prefix->address()));
  }
  if (const auto endpoint = Endpoint::parse(text)) check_round_trip(*endpoint);
  return 0;
}
