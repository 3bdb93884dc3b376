#include "disco/messages.h"

#include <algorithm>

#include "base/verify.h"

namespace sinew::disco {
namespace {

enum class Type : std::uint8_t { kPing = 1, kPong = 2, kCallMe = 3 };

enum CallFlag : std::uint8_t {
  kHasUdp = 1,
  kHasPortMapping = 2,
  kIsAnswer = 4,
  kHasOpenSockets = 8,
  kKnownFlags = 15,
};

void write(ByteWriter& out, const Endpoint& endpoint) {
  out.bytes(endpoint.address.as_v6_bytes());
  out.be(endpoint.port);
}

Endpoint read_endpoint(ByteReader& in) {
  const auto address = IpAddress::v6(in.array<16>());
  return {.address = address, .port = in.be<std::uint16_t>()};
}

void write(ByteWriter& out, const Ping& ping) {
  out.u8(static_cast<std::uint8_t>(Type::kPing));
  out.bytes(ping.transaction);
  out.bytes(ping.sender.bytes());
  out.zeros(std::clamp(ping.size, Ping::kSize, kMaxMessageSize) - Ping::kSize);
}

void write(ByteWriter& out, const Pong& pong) {
  out.u8(static_cast<std::uint8_t>(Type::kPong));
  out.bytes(pong.transaction);
  write(out, pong.observed);
}

void write(ByteWriter& out, const CallMe& call) {
  const netmap::Connectivity& connectivity = call.connectivity;
  out.u8(static_cast<std::uint8_t>(Type::kCallMe));
  out.bytes(call.sender.bytes());
  out.u8(static_cast<std::uint8_t>(
      (connectivity.has_udp ? kHasUdp : 0) | (connectivity.has_port_mapping ? kHasPortMapping : 0) |
      (call.is_answer ? kIsAnswer : 0) | (call.has_open_sockets ? kHasOpenSockets : 0)));
  out.u8(static_cast<std::uint8_t>(connectivity.mapping));
  out.u8(static_cast<std::uint8_t>(connectivity.filtering));
  const std::size_t count = std::min(call.candidates.size(), netmap::kMaxCandidates);
  out.u8(static_cast<std::uint8_t>(count));
  for (std::size_t i = 0; i < count; ++i) {
    out.u8(static_cast<std::uint8_t>(call.candidates[i].kind));
    write(out, call.candidates[i].endpoint);
  }
}

std::optional<Message> read_ping(ByteReader& in, std::size_t size) {
  Ping ping;
  ping.transaction = in.array<12>();
  ping.sender = netmap::NodeKey(in.array<32>());
  ping.size = size;
  if (!std::ranges::all_of(in.rest(), [](std::uint8_t byte) { return byte == 0; })) return {};
  return ping;
}

std::optional<Message> read_pong(ByteReader& in) {
  Pong pong;
  pong.transaction = in.array<12>();
  pong.observed = read_endpoint(in);
  return pong;
}

std::optional<netmap::NatBehaviour> read_behaviour(ByteReader& in) {
  const std::uint8_t number = in.u8();
  if (number > static_cast<std::uint8_t>(netmap::NatBehaviour::kAddressAndPortDependent)) return {};
  return static_cast<netmap::NatBehaviour>(number);
}

std::optional<netmap::Candidate> read_candidate(ByteReader& in) {
  const std::uint8_t kind = in.u8();
  if (kind < static_cast<std::uint8_t>(netmap::CandidateKind::kLocal) ||
      kind > static_cast<std::uint8_t>(netmap::CandidateKind::kObserved)) {
    return {};
  }
  return netmap::Candidate{.endpoint = read_endpoint(in),
                           .kind = static_cast<netmap::CandidateKind>(kind)};
}

std::optional<Message> read_call(ByteReader& in) {
  CallMe call;
  call.sender = netmap::NodeKey(in.array<32>());
  const std::uint8_t flags = in.u8();
  const auto mapping = read_behaviour(in);
  const auto filtering = read_behaviour(in);
  const std::size_t count = in.u8();
  if ((flags & ~kKnownFlags) != 0 || !mapping || !filtering) return {};
  if (count > netmap::kMaxCandidates) return {};
  call.connectivity = {.has_udp = (flags & kHasUdp) != 0,
                       .mapping = *mapping,
                       .filtering = *filtering,
                       .has_port_mapping = (flags & kHasPortMapping) != 0};
  call.is_answer = (flags & kIsAnswer) != 0;
  call.has_open_sockets = (flags & kHasOpenSockets) != 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto candidate = read_candidate(in);
    if (!candidate) return {};
    call.candidates.push_back(*candidate);
  }
  return call;
}

std::optional<Message> read(ByteReader& in, std::size_t size) {
  switch (static_cast<Type>(in.u8())) {
    case Type::kPing: return read_ping(in, size);
    case Type::kPong: return read_pong(in);
    case Type::kCallMe: return read_call(in);
  }
  return {};
}

}  // namespace

bool is_disco(ByteView datagram) {
  return datagram.size() >= kOverhead && datagram.size() <= kMaxMessageSize &&
         std::ranges::equal(datagram.first(kMagic.size()), kMagic);
}

std::optional<netmap::DiscoKey> sender_of(ByteView datagram) {
  if (!is_disco(datagram)) return {};
  ByteReader in(datagram.subspan(kMagic.size()));
  return netmap::DiscoKey{crypto::X25519PublicKey(in.array<32>())};
}

Bytes seal(const Message& message, const crypto::BoxKey& box, const netmap::DiscoKey& own,
           Rng& rng) {
  std::array<std::uint8_t, kMaxMessageSize - kOverhead> room;
  ByteWriter plain(room);
  std::visit([&](const auto& content) { write(plain, content); }, message);
  VERIFY(!plain.failed());

  crypto::BoxKey::Nonce nonce;
  rng.fill(nonce);
  Bytes datagram(kOverhead + plain.size());
  ByteWriter out(datagram);
  out.bytes(kMagic);
  out.bytes(own.key.bytes());
  out.bytes(nonce);
  box.seal(nonce, plain.written(), out.reserve(crypto::BoxKey::kTagSize + plain.size()));
  return datagram;
}

std::optional<Message> open(ByteView datagram, const crypto::BoxKey& box) {
  if (!is_disco(datagram)) return {};
  ByteReader outer(datagram);
  outer.skip(kMagic.size() + crypto::X25519PublicKey::kSize);
  const auto nonce = outer.array<crypto::BoxKey::kNonceSize>();
  const ByteView sealed = outer.rest();

  std::array<std::uint8_t, kMaxMessageSize - kOverhead> room;
  const ByteSpan plain = ByteSpan(room).first(sealed.size() - crypto::BoxKey::kTagSize);
  if (!box.open(nonce, sealed, plain)) return {};
  ByteReader in(plain);
  auto message = read(in, datagram.size());
  if (!in.finished()) return {};
  return message;
}

}  // namespace sinew::disco
