#include "node/settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/encoding.h"
#include "crypto/hash.h"
#include "json/cursor.h"
#include "json/parse.h"

namespace sinew::node {
namespace {

constexpr std::array<std::pair<Mode, std::string_view>, 3> kModes = {{
    {Mode::kEdge, "edge"},
    {Mode::kNucleus, "nucleus"},
    {Mode::kDual, "dual"},
}};

constexpr std::uint16_t kRelayPort = 443;
constexpr std::uint32_t kMostThresholdMs = 1000;
constexpr std::uint32_t kMostDelayMs = 2000;
constexpr std::uint32_t kLeastDelayMs = 50;

std::int64_t in_ms(Duration duration) {
  return duration_cast<std::chrono::milliseconds>(duration).count();
}

std::optional<bool> parse_switch(std::string_view word) {
  for (const std::string_view on : {"on", "enable", "true", "1"}) {
    if (word == on) return true;
  }
  for (const std::string_view off : {"off", "disable", "false", "0"}) {
    if (word == off) return false;
  }
  return std::nullopt;
}

Error not_a_value(std::string_view what, std::string_view value, std::string_view choices) {
  return {ErrorKind::kInvalid,
          std::string(what) + ": '" + std::string(value) + "' is none of " + std::string(choices)};
}

Result<> take(bool& target, std::string_view what, std::string_view value) {
  const auto chosen = parse_switch(value);
  if (!chosen) return not_a_value(what, value, "on, off");
  target = *chosen;
  return {};
}

Result<> change_ipv6(Settings& settings, std::string_view value) {
  if (value == "prefer" || value == "no-prefer") {
    settings.prefers_ipv6 = value == "prefer";
    if (settings.prefers_ipv6) settings.uses_ipv6 = true;
    return {};
  }
  const auto chosen = parse_switch(value);
  if (!chosen) return not_a_value("ipv6", value, "on, off, prefer, no-prefer");
  settings.uses_ipv6 = *chosen;
  if (!*chosen) settings.prefers_ipv6 = false;
  return {};
}

Result<> change_relay(Settings& settings, std::string_view value) {
  if (const auto chosen = parse_switch(value)) {
    settings.uses_relay = *chosen;
    settings.relay.reset();
    return {};
  }
  // A word alone is a slip of the fingers rather than a host.
  if (value.find_first_of(".:") == std::string_view::npos)
    return not_a_value("relay", value, "on, off, HOST:PORT");
  settings.relay = TRY(RelayServer::parse(value));
  settings.uses_relay = true;
  return {};
}

template <typename T>
Result<> read_bool(const json::Cursor& root, std::string_view name, T& target) {
  if (const auto found = TRY(root.find(name))) target = TRY(found->boolean());
  return {};
}

Result<> read_ms(const json::Cursor& root, std::string_view name, std::uint32_t least,
                 std::uint32_t most, Duration& target) {
  const auto found = TRY(root.find(name));
  if (!found) return {};
  const auto value = TRY(found->integer<std::uint32_t>());
  if (value < least || value > most) {
    return found->error("expected " + std::to_string(least) + " to " + std::to_string(most) +
                        " milliseconds");
  }
  target = std::chrono::milliseconds(value);
  return {};
}

Result<Settings> read_settings(const json::Cursor& root) {
  Settings settings;
  TRY(read_bool(root, "relay", settings.uses_relay));
  if (const auto relay = TRY(root.find("relay_server")))
    settings.relay = TRY(RelayServer::parse(TRY(relay->string())));
  TRY(read_bool(root, "portmap", settings.uses_port_mapping));
  TRY(read_bool(root, "ipv6", settings.uses_ipv6));
  TRY(read_bool(root, "prefer_ipv6", settings.prefers_ipv6));
  TRY(read_ms(root, "ipv6_preference_threshold_ms", 0, kMostThresholdMs, settings.ipv6_threshold));
  TRY(read_ms(root, "happy_eyeballs_delay_ms", kLeastDelayMs, kMostDelayMs,
              settings.happy_eyeballs_delay));
  TRY(read_bool(root, "encrypt", settings.is_metadata_sealed));
  TRY(read_bool(root, "probes", settings.is_probing));
  return settings;
}

}  // namespace

std::string_view name_of(Mode mode) {
  for (const auto& [known, name] : kModes) {
    if (known == mode) return name;
  }
  return "edge";
}

Result<Mode> parse_mode(std::string_view text) {
  for (const auto& [mode, name] : kModes) {
    if (name == text) return mode;
  }
  return Error{ErrorKind::kInvalid,
               "mode '" + std::string(text) + "' is none of edge, nucleus, dual"};
}

Result<HostPort> HostPort::parse(std::string_view text, std::uint16_t default_port) {
  const Error wrong{ErrorKind::kInvalid, "not HOST:PORT: " + std::string(text)};
  std::string_view host = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return wrong;
    host = text.substr(1, end - 1);
    if (end + 1 < text.size()) {
      if (text[end + 1] != ':') return wrong;
      port = text.substr(end + 2);
      if (port.empty()) return wrong;
    }
  } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    // Several colons are an IPv6 address without a port.
    if (text.find(':', colon + 1) == std::string_view::npos) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
      if (port.empty()) return wrong;
    }
  }
  constexpr std::size_t kLongestName = 253;
  if (host.empty() || host.size() > kLongestName) return wrong;
  for (const char c : host) {
    const bool is_fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                         (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == ':' || c == '_';
    if (!is_fine) return wrong;
  }
  HostPort result{.host = std::string(host), .port = default_port};
  if (!port.empty()) {
    const auto number = parse_decimal(port, 65'535);
    if (!number || *number == 0) return wrong;
    result.port = static_cast<std::uint16_t>(*number);
  }
  if (result.port == 0) return wrong;
  return result;
}

std::string HostPort::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<RelayServer> RelayServer::parse(std::string_view text) {
  const std::size_t mark = std::min(text.find('#'), text.size());
  RelayServer relay{.address = TRY(HostPort::parse(text.substr(0, mark), kRelayPort))};
  if (mark == text.size()) return relay;
  const auto bytes = from_hex(text.substr(mark + 1));
  std::array<std::uint8_t, 32>& certificate = relay.certificate.emplace();
  if (!bytes || bytes->size() != certificate.size()) {
    return Error{ErrorKind::kInvalid,
                 "behind '#' stands the certificate's SHA-256, 64 hexadecimal digits"};
  }
  std::ranges::copy(*bytes, certificate.begin());
  return relay;
}

std::string RelayServer::to_string() const {
  return address.to_string() + (certificate ? "#" + to_hex(*certificate) : "");
}

netmap::Relay record_of(const RelayServer& relay) {
  constexpr std::uint16_t kStunPort = 3478;
  const std::string address = relay.address.to_string();
  const auto number = load_be<std::uint16_t>(crypto::sha256(as_bytes(address)).data());
  return {.id = netmap::RelayId(number == 0 ? std::uint16_t{1} : number),
          .name = relay.address.host.substr(0, netmap::kMaxNameBytes),
          .host = relay.address.host,
          .port = relay.address.port,
          .udp_port = kStunPort,
          .key = {},
          .certificate = relay.certificate};
}

json::Value to_json(const Settings& settings) {
  json::Value value = json::Value::object({
      {"relay", settings.uses_relay},
      {"portmap", settings.uses_port_mapping},
      {"ipv6", settings.uses_ipv6},
      {"prefer_ipv6", settings.prefers_ipv6},
      {"ipv6_preference_threshold_ms", in_ms(settings.ipv6_threshold)},
      {"happy_eyeballs_delay_ms", in_ms(settings.happy_eyeballs_delay)},
      {"encrypt", settings.is_metadata_sealed},
  });
  if (settings.relay) value.as_object()->push_back({"relay_server", settings.relay->to_string()});
  if (!settings.is_probing) value.as_object()->push_back({"probes", false});
  return value;
}

json::Value to_json(const Configuration& configuration) {
  json::Value::Array nuclei;
  for (const HostPort& nucleus : configuration.nuclei)
    nuclei.emplace_back(nucleus.to_string());
  json::Value value = json::Value::object({
      {"mode", name_of(configuration.mode)},
      {"cluster", configuration.cluster},
      {"nuclei", std::move(nuclei)},
      {"port", configuration.port},
      {"interface", configuration.interface},
      {"name", configuration.name},
      {"settings", to_json(configuration.settings)},
  });
  if (configuration.vip) value.as_object()->push_back({"vip", configuration.vip->to_string()});
  if (configuration.range)
    value.as_object()->push_back({"range", configuration.range->to_string()});
  return value;
}

Result<Configuration> parse_configuration(std::string_view text) {
  const json::Value value = TRY(json::parse(text));
  const json::Cursor root(value);
  Configuration out;
  out.mode = TRY(parse_mode(TRY(TRY(root.at("mode")).string())));
  out.cluster = TRY(TRY(root.at("cluster")).string());
  for (const json::Cursor& nucleus : TRY(TRY(root.at("nuclei")).items()))
    out.nuclei.push_back(TRY(HostPort::parse(TRY(nucleus.string()), kNucleusPort)));
  out.port = TRY(TRY(root.at("port")).integer<std::uint16_t>());
  out.interface = TRY(TRY(root.at("interface")).string());
  out.name = TRY(TRY(root.at("name")).string());
  if (const auto vip = TRY(root.find("vip"))) out.vip = TRY(IpAddress::parse(TRY(vip->string())));
  if (const auto range = TRY(root.find("range")))
    out.range = TRY(IpPrefix::parse(TRY(range->string())));
  out.settings = TRY(read_settings(TRY(root.at("settings"))));
  return out;
}

Result<> change(Settings& settings, std::string_view what, std::string_view value) {
  if (what == "relay") return change_relay(settings, value);
  if (what == "portmap") return take(settings.uses_port_mapping, what, value);
  if (what == "ipv6") return change_ipv6(settings, value);
  if (what == "encrypt") return take(settings.is_metadata_sealed, what, value);
  if (what == "probes") return take(settings.is_probing, what, value);
  return not_a_value("setting", what, "relay, portmap, ipv6, encrypt");
}

}  // namespace sinew::node
