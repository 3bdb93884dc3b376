#include "app/redact.h"

#include <algorithm>

namespace sinew::app {
namespace {

constexpr std::size_t kBase64Key = 43;  // and a '='
constexpr std::size_t kHexKey = 64;

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool is_base64(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
         c == '/';
}

bool is_of_address(char c) {
  return is_hex(c) || c == '.' || c == ':';
}

bool says_nothing(const IpAddress& address) {
  return address == IpAddress::any_v4() || address == IpAddress::any_v6() || address.is_loopback();
}

// f(run, what follows it) for each longest run of characters that belong, with all others in
// between copied.
template <typename Belongs, typename F>
std::string replace_runs(std::string_view text, Belongs belongs, F&& f) {
  std::string out;
  while (!text.empty()) {
    const auto end = std::ranges::find_if_not(text, belongs);
    const auto size = static_cast<std::size_t>(end - text.begin());
    if (size > 0) out += f(text.substr(0, size), text.substr(size));
    text.remove_prefix(size);
    if (text.empty()) break;
    out += text.front();
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace

std::string without_keys(std::string_view text) {
  const auto shown = [](std::string_view run, std::string_view behind) {
    const bool is_base64_key =
        run.size() == kBase64Key || (run.size() > kBase64Key && behind.starts_with('='));
    const bool is_hex_key = run.size() >= kHexKey && std::ranges::all_of(run, is_hex);
    return is_base64_key || is_hex_key ? std::string("(key)") : std::string(run);
  };
  std::string out = replace_runs(text, is_base64, shown);
  for (std::size_t at = out.find("(key)="); at != std::string::npos; at = out.find("(key)=", at))
    out.erase(at + 5, 1);
  return out;
}

std::string without_secret(std::string_view text, std::string_view secret) {
  std::string out(text);
  if (secret.empty()) return out;
  constexpr std::string_view kShown = "(secret)";
  for (std::size_t at = out.find(secret); at != std::string::npos;
       at = out.find(secret, at + kShown.size())) {
    out.replace(at, secret.size(), kShown);
  }
  return out;
}

std::string AddressRedactor::redact(std::string_view text) {
  return replace_runs(text, is_of_address, [this](std::string_view word, std::string_view) {
    return redact_word(word);
  });
}

// An address, with a port behind it where it is one of IPv4; of IPv6 that stands behind a bracket.
std::string AddressRedactor::redact_word(std::string_view word) {
  // The end of a sentence, or of what a colon introduces.
  std::string behind;
  while (word.ends_with('.') || (word.ends_with(':') && !word.ends_with("::"))) {
    behind.insert(behind.begin(), word.back());
    word.remove_suffix(1);
  }
  if (const auto address = IpAddress::parse(word))
    return (says_nothing(*address) ? std::string(word) : name_of(*address)) + behind;
  const std::size_t colon = word.rfind(':');
  if (colon != std::string_view::npos) {
    const auto address = IpAddress::parse(word.substr(0, colon));
    if (address && address->is_v4() && !says_nothing(*address))
      return name_of(*address) + std::string(word.substr(colon)) + behind;
  }
  return std::string(word) + behind;
}

std::string AddressRedactor::name_of(const IpAddress& address) {
  const auto known = names_.find(address);
  if (known != names_.end()) return known->second;
  return names_.emplace(address, "address-" + std::to_string(names_.size() + 1)).first->second;
}

}  // namespace sinew::app
