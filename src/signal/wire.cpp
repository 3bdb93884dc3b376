#include "signal/wire.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/verify.h"
#include "signal/bodies.h"

namespace sinew::signal {
namespace {

constexpr std::uint8_t kHasUdp = 1;
constexpr std::uint8_t kHasPortMapping = 2;
constexpr std::uint8_t kHasCertificate = 1;
constexpr std::uint8_t kHasUdpPort = 2;

std::optional<netmap::NatBehaviour> behaviour_of(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(netmap::NatBehaviour::kAddressAndPortDependent)) {
    return std::nullopt;
  }
  return static_cast<netmap::NatBehaviour>(number);
}

std::optional<netmap::CandidateKind> candidate_kind_of(std::uint8_t number) {
  if (number < static_cast<std::uint8_t>(netmap::CandidateKind::kLocal) ||
      number > static_cast<std::uint8_t>(netmap::CandidateKind::kObserved)) {
    return std::nullopt;
  }
  return static_cast<netmap::CandidateKind>(number);
}

}  // namespace

void write_text(ByteWriter& out, std::string_view text) {
  VERIFY(text.size() <= 255);
  out.u8(static_cast<std::uint8_t>(text.size()));
  out.bytes(as_bytes(text));
}

std::optional<std::string> read_text(ByteReader& in, std::size_t limit) {
  const std::size_t size = in.u8();
  if (size > limit) return std::nullopt;
  const ByteView text = in.take(size);
  if (in.failed()) return std::nullopt;
  return std::string(as_text(text));
}

void write_address(ByteWriter& out, const std::optional<IpAddress>& address) {
  if (!address) return out.u8(0);
  out.u8(address->is_v4() ? 4 : 6);
  out.bytes(address->bytes());
}

std::optional<std::optional<IpAddress>> read_address(ByteReader& in) {
  std::optional<IpAddress> address;
  switch (in.u8()) {
    case 0: break;
    case 4: address = IpAddress::v4(in.array<4>()); break;
    case 6: {
      address = IpAddress::v6(in.array<16>());
      // IPv4 in disguise has a form of its own.
      if (address->is_v4()) return std::nullopt;
      break;
    }
    default: return std::nullopt;
  }
  if (in.failed()) return std::nullopt;
  return std::optional(address);
}

void write_endpoint(ByteWriter& out, const std::optional<Endpoint>& endpoint) {
  if (!endpoint) return write_address(out, std::nullopt);
  write_address(out, endpoint->address);
  out.be(endpoint->port);
}

std::optional<std::optional<Endpoint>> read_endpoint(ByteReader& in) {
  const auto address = read_address(in);
  if (!address) return std::nullopt;
  if (!*address) return std::optional<Endpoint>();
  const Endpoint endpoint{.address = **address, .port = in.be<std::uint16_t>()};
  if (in.failed()) return std::nullopt;
  return std::optional(endpoint);
}

void write_candidates(ByteWriter& out, const std::vector<netmap::Candidate>& candidates) {
  VERIFY(candidates.size() <= netmap::kMaxCandidates);
  out.u8(static_cast<std::uint8_t>(candidates.size()));
  for (const netmap::Candidate& candidate : candidates) {
    out.u8(static_cast<std::uint8_t>(candidate.kind));
    write_endpoint(out, candidate.endpoint);
  }
}

std::optional<std::vector<netmap::Candidate>> read_candidates(ByteReader& in) {
  const std::size_t count = in.u8();
  if (count > netmap::kMaxCandidates) return std::nullopt;
  std::vector<netmap::Candidate> candidates;
  candidates.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto kind = candidate_kind_of(in.u8());
    const auto endpoint = read_endpoint(in);
    if (!kind || !endpoint || !*endpoint || !is_usable(**endpoint)) return std::nullopt;
    candidates.push_back({.endpoint = **endpoint, .kind = *kind});
  }
  return candidates;
}

void write_connectivity(ByteWriter& out, const netmap::Connectivity& connectivity) {
  out.u8(static_cast<std::uint8_t>((connectivity.has_udp ? kHasUdp : 0) |
                                   (connectivity.has_port_mapping ? kHasPortMapping : 0)));
  out.u8(static_cast<std::uint8_t>(connectivity.mapping));
  out.u8(static_cast<std::uint8_t>(connectivity.filtering));
}

std::optional<netmap::Connectivity> read_connectivity(ByteReader& in) {
  const std::uint8_t flags = in.u8();
  const auto mapping = behaviour_of(in.u8());
  const auto filtering = behaviour_of(in.u8());
  if (in.failed() || flags > (kHasUdp | kHasPortMapping) || !mapping || !filtering) {
    return std::nullopt;
  }
  return netmap::Connectivity{.has_udp = (flags & kHasUdp) != 0,
                              .mapping = *mapping,
                              .filtering = *filtering,
                              .has_port_mapping = (flags & kHasPortMapping) != 0};
}

void write_peer(ByteWriter& out, const netmap::Peer& peer) {
  out.bytes(peer.key.bytes());
  out.bytes(peer.disco.key.bytes());
  write_text(out, peer.name);
  write_address(out, peer.v4);
  write_address(out, peer.v6);
  out.be(peer.home.value());
  write_connectivity(out, peer.connectivity);
  out.u8(peer.is_online ? 1 : 0);
  write_candidates(out, peer.candidates);
}

std::optional<netmap::Peer> read_peer(ByteReader& in) {
  netmap::Peer peer;
  peer.key = netmap::NodeKey(in.array<32>());
  peer.disco.key = crypto::X25519PublicKey(in.array<32>());
  auto name = read_text(in, netmap::kMaxNameBytes);
  if (!name) return std::nullopt;
  peer.name = *std::move(name);
  const auto v4 = read_address(in);
  if (!v4 || (*v4 && !(*v4)->is_v4())) return std::nullopt;
  const auto v6 = read_address(in);
  if (!v6 || (*v6 && !(*v6)->is_v6())) return std::nullopt;
  peer.v4 = *v4;
  peer.v6 = *v6;
  peer.home = netmap::RelayId(in.be<std::uint16_t>());
  const auto connectivity = read_connectivity(in);
  if (!connectivity) return std::nullopt;
  peer.connectivity = *connectivity;
  const std::uint8_t online = in.u8();
  if (online > 1) return std::nullopt;
  peer.is_online = online == 1;
  auto candidates = read_candidates(in);
  if (!candidates || in.failed()) return std::nullopt;
  peer.candidates = *std::move(candidates);
  return peer;
}

void write_relay(ByteWriter& out, const netmap::Relay& relay) {
  out.be(relay.id.value());
  write_text(out, relay.name);
  write_text(out, relay.host);
  out.be(relay.port);
  out.bytes(relay.key.bytes());
  out.u8(static_cast<std::uint8_t>((relay.certificate ? kHasCertificate : 0) |
                                   (relay.udp_port ? kHasUdpPort : 0)));
  if (relay.certificate) out.bytes(*relay.certificate);
  if (relay.udp_port) out.be(*relay.udp_port);
}

std::optional<netmap::Relay> read_relay(ByteReader& in) {
  netmap::Relay relay;
  relay.id = RelayId(in.be<std::uint16_t>());
  auto name = read_text(in, netmap::kMaxNameBytes);
  if (!name) return std::nullopt;
  relay.name = *std::move(name);
  auto host = read_text(in, kMaxHostBytes);
  if (!host) return std::nullopt;
  relay.host = *std::move(host);
  relay.port = in.be<std::uint16_t>();
  relay.key = crypto::X25519PublicKey(in.array<32>());
  const std::uint8_t flags = in.u8();
  if (flags > (kHasCertificate | kHasUdpPort)) return std::nullopt;
  if ((flags & kHasCertificate) != 0) relay.certificate = in.array<32>();
  if ((flags & kHasUdpPort) != 0) relay.udp_port = in.be<std::uint16_t>();
  if (in.failed() || relay.id == RelayId()) return std::nullopt;
  return relay;
}

}  // namespace sinew::signal
