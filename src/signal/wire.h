// Values of the map as bytes: what messages and the saved state have in common. A read_*() of
// something that breaks a bound or a rule yields nothing; the reader's own failed() need not be
// asked after that. Internal to this module. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "netmap/netmap.h"

namespace sinew::signal {

// More than any peer or relay takes.
inline constexpr std::size_t kMaxItemSize = 512;

// A length in one byte, and the text.
void write_text(ByteWriter& out, std::string_view text);
std::optional<std::string> read_text(ByteReader& in, std::size_t limit);

// Family (4, 6, or 0 for none), then the bytes. No zone.
void write_address(ByteWriter& out, const std::optional<IpAddress>& address);
// The outer optional: whether it could be read.
std::optional<std::optional<IpAddress>> read_address(ByteReader& in);

void write_endpoint(ByteWriter& out, const std::optional<Endpoint>& endpoint);
std::optional<std::optional<Endpoint>> read_endpoint(ByteReader& in);

void write_candidates(ByteWriter& out, const std::vector<netmap::Candidate>& candidates);
std::optional<std::vector<netmap::Candidate>> read_candidates(ByteReader& in);

void write_connectivity(ByteWriter& out, const netmap::Connectivity& connectivity);
std::optional<netmap::Connectivity> read_connectivity(ByteReader& in);

void write_peer(ByteWriter& out, const netmap::Peer& peer);
std::optional<netmap::Peer> read_peer(ByteReader& in);

void write_relay(ByteWriter& out, const netmap::Relay& relay);
std::optional<netmap::Relay> read_relay(ByteReader& in);

}  // namespace sinew::signal
