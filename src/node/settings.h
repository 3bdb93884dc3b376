// What an operator chose for a node: how it was started, and the settings that `sinew config`
// changes while it runs. Kept as JSON in the state folder; the secret is a file of its own. A
// value.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/result.h"
#include "json/value.h"
#include "netmap/netmap.h"

namespace sinew::node {

enum class Mode { kEdge, kNucleus, kDual };
std::string_view name_of(Mode mode);
Result<Mode> parse_mode(std::string_view text);

// HOST:PORT or [ADDRESS]:PORT, where HOST may be a name.
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  // The port may be left out.
  static Result<HostPort> parse(std::string_view text, std::uint16_t default_port);
  std::string to_string() const;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// A relay that the operator names: "HOST:PORT", and behind '#' the SHA-256 of its certificate in
// hexadecimal when it has made that by itself, as `sinew relay` does.
struct RelayServer {
  HostPort address;
  std::optional<std::array<std::uint8_t, 32>> certificate = {};

  static Result<RelayServer> parse(std::string_view text);
  std::string to_string() const;

  friend bool operator==(const RelayServer&, const RelayServer&) = default;
};
// As the map of a network has it. Its number comes from its address, so that all who name the same
// relay mean the same one.
netmap::Relay record_of(const RelayServer& relay);

struct Settings {
  bool uses_relay = true;
  // Of a node: instead of those that the nucleus names. Of a nucleus: which it names to all.
  std::optional<RelayServer> relay = {};
  bool uses_port_mapping = true;
  bool uses_ipv6 = true;
  bool prefers_ipv6 = true;
  Duration ipv6_threshold = 5ms;
  Duration happy_eyeballs_delay = 250ms;
  bool is_metadata_sealed = true;
  // False: nothing is ever direct. For tests and for finding faults, hence in no list of settings.
  bool is_probing = true;

  friend bool operator==(const Settings&, const Settings&) = default;
};

inline constexpr std::uint16_t kNucleusPort = 51'820;
inline constexpr std::string_view kDefaultInterface = "sinew0";

struct Configuration {
  Mode mode = Mode::kEdge;
  std::string cluster = "default";
  std::vector<HostPort> nuclei;
  std::uint16_t port = 0;  // of the nucleus, or of WireGuard on an edge; 0: the usual one, any
  std::optional<IpAddress> vip;
  std::string interface = std::string(kDefaultInterface);
  std::string name;  // in the network; the machine's by default
  // Of the nucleus: the range that addresses are given from.
  std::optional<IpPrefix> range;
  Settings settings;

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

json::Value to_json(const Settings& settings);
json::Value to_json(const Configuration& configuration);
Result<Configuration> parse_configuration(std::string_view text);

// `sinew config WHAT VALUE`: relay on|off|HOST:PORT[#CERTIFICATE], portmap on|off,
// ipv6 on|off|prefer|no-prefer, encrypt on|off, probes on|off. The words that mean on and off are
// on, off, enable, disable, true, false, 1 and 0.
Result<> change(Settings& settings, std::string_view what, std::string_view value);

}  // namespace sinew::node
