#include "signal/session.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/verify.h"
#include "crypto/hash.h"

namespace sinew::signal {
namespace {

using crypto::AeadCipher;
using crypto::AeadKey;
using Chain = SecretArray<32>;

// Seals `plain` into `out`; with kClear it stands there as it is, and its seal authenticates it.
void close(const AeadCipher& cipher, std::uint64_t counter, std::uint8_t flags, ByteView head,
           ByteView plain, ByteSpan out) {
  const auto nonce = crypto::nonce_of_counter(counter);
  if ((flags & kClear) == 0) return cipher.seal(nonce, head, plain, out);
  Bytes all(head.begin(), head.end());
  all.insert(all.end(), plain.begin(), plain.end());
  std::ranges::copy(plain, out.begin());
  cipher.seal(nonce, all, {}, out.last(kSealSize));
}

bool disclose(const AeadCipher& cipher, std::uint64_t counter, std::uint8_t flags, ByteView head,
              ByteView sealed, ByteSpan plain) {
  const auto nonce = crypto::nonce_of_counter(counter);
  if ((flags & kClear) == 0) return cipher.open(nonce, head, sealed, plain);
  const ByteView text = sealed.first(sealed.size() - kSealSize);
  Bytes all(head.begin(), head.end());
  all.insert(all.end(), text.begin(), text.end());
  if (!cipher.open(nonce, all, sealed.last(kSealSize), {})) return false;
  std::ranges::copy(text, plain.begin());
  return true;
}

Chain mix(ByteView chain, const crypto::SharedSecret& secret) {
  return crypto::hkdf_extract<crypto::Sha256>(chain, secret.expose());
}

AeadCipher identity_cipher(const Chain& chain, ByteView head) {
  Bytes info(as_bytes("sinew signal identity").begin(), as_bytes("sinew signal identity").end());
  info.insert(info.end(), head.begin(), head.end());
  AeadKey key;
  crypto::hkdf_expand<crypto::Sha256>(chain, info, key.expose_mutable());
  return AeadCipher(key);
}

struct SessionKeys {
  AeadKey request;
  AeadKey to_nucleus;
  AeadKey to_node;
  SessionId id;
};

SessionKeys session_keys(const Chain& chain, ByteView head, const PublicKey& node) {
  constexpr std::string_view kLabel = "sinew signal session";
  Bytes info(as_bytes(kLabel).begin(), as_bytes(kLabel).end());
  info.insert(info.end(), head.begin(), head.end());
  info.insert(info.end(), node.bytes().begin(), node.bytes().end());
  SecretArray<3 * 32 + 8> all;
  crypto::hkdf_expand<crypto::Sha256>(chain, info, all.expose_mutable());
  const auto bytes = all.expose();
  return {.request = AeadKey(bytes.subspan<0, 32>()),
          .to_nucleus = AeadKey(bytes.subspan<32, 32>()),
          .to_node = AeadKey(bytes.subspan<64, 32>()),
          .id = SessionId(load_be<std::uint64_t>(bytes.data() + 96))};
}

constexpr std::size_t kIdentitySize = PublicKey::kSize + kSealSize;

}  // namespace

bool CounterWindow::would_accept(std::uint64_t counter) const {
  if (counter > highest_) return true;
  return highest_ - counter < kSize && !seen_[highest_ - counter];
}

bool CounterWindow::accept(std::uint64_t counter) {
  if (!would_accept(counter)) return false;
  if (counter > highest_) {
    const std::uint64_t step = counter - highest_;
    seen_ = step < kSize ? seen_ << step : std::bitset<kSize>();
    highest_ = counter;
  }
  seen_.set(highest_ - counter);
  return true;
}

Channel::Channel(SessionId id, const ClusterTag& tag, const AeadKey& sending,
                 const AeadKey& receiving, std::uint8_t flags)
    : id_(id), tag_(tag), sending_(sending), receiving_(receiving), flags_(flags) {}

Bytes Channel::seal(ByteView message) {
  VERIFY(message.size() <= kMaxMessageSize);
  Bytes datagram(message.size() + kDataOverhead);
  ByteWriter out(datagram);
  const std::uint64_t counter = sent_++;
  DataHead{.flags = flags_, .tag = tag_, .session = id_, .counter = counter}.encode(out);
  const ByteSpan all = datagram;
  close(sending_, counter, flags_, all.first(kDataHeadSize), message, all.subspan(kDataHeadSize));
  return datagram;
}

Channel::Verdict Channel::open(ByteView datagram, Bytes& message) {
  const DataHead head = DataHead::decode(datagram);
  if (head.session != id_ || head.tag != tag_ || head.flags != flags_) return Verdict::kForged;
  if (!window_.would_accept(head.counter)) return Verdict::kReplayed;
  Bytes plain(datagram.size() - kDataOverhead);
  if (!disclose(receiving_, head.counter, flags_, datagram.first(kDataHeadSize),
                datagram.subspan(kDataHeadSize), plain)) {
    return Verdict::kForged;
  }
  VERIFY(window_.accept(head.counter));
  message = std::move(plain);
  return Verdict::kNew;
}

std::optional<Opening> seal_open(const ClusterKey& cluster, const PrivateKey& node,
                                 const PrivateKey& ephemeral, const PublicKey& server,
                                 const Cookie& cookie, std::uint8_t flags, ByteView first) {
  VERIFY(first.size() <= kMaxOpenMessageSize);
  const auto ephemeral_secret = crypto::x25519(ephemeral, server);
  const auto node_secret = crypto::x25519(node, server);
  if (!ephemeral_secret || !node_secret) return std::nullopt;
  const PublicKey node_key = node.public_key();

  Bytes datagram(first.size() + kOpenOverhead);
  ByteWriter out(datagram);
  OpenHead{
      .flags = flags, .tag = cluster.tag(), .ephemeral = ephemeral.public_key(), .cookie = cookie}
      .encode(out);
  const ByteSpan all = datagram;
  const ByteView head = all.first(kOpenHeadSize);

  const Chain one = mix(cluster.root().expose(), *ephemeral_secret);
  close(identity_cipher(one, head), 0, flags, head, node_key.bytes(),
        all.subspan(kOpenHeadSize, kIdentitySize));
  const Chain two = mix(one.expose(), *node_secret);
  const SessionKeys keys = session_keys(two, head, node_key);
  constexpr std::size_t kBegin = kOpenHeadSize + kIdentitySize;
  close(AeadCipher(keys.request), 0, flags, all.first(kBegin), first, all.subspan(kBegin));
  return Opening{.datagram = std::move(datagram),
                 .channel = Channel(keys.id, cluster.tag(), keys.to_nucleus, keys.to_node, flags)};
}

std::optional<Opened> open_open(const ClusterKey& cluster, const PrivateKey& server,
                                ByteView datagram) {
  const OpenHead open = OpenHead::decode(datagram);
  const ByteView head = datagram.first(kOpenHeadSize);
  const auto ephemeral_secret = crypto::x25519(server, open.ephemeral);
  if (!ephemeral_secret) return std::nullopt;
  const Chain one = mix(cluster.root().expose(), *ephemeral_secret);
  std::array<std::uint8_t, PublicKey::kSize> node_bytes{};
  if (!disclose(identity_cipher(one, head), 0, open.flags, head,
                datagram.subspan(kOpenHeadSize, kIdentitySize), node_bytes)) {
    return std::nullopt;
  }
  const PublicKey node(node_bytes);
  const auto node_secret = crypto::x25519(server, node);
  if (!node_secret) return std::nullopt;
  const Chain two = mix(one.expose(), *node_secret);
  const SessionKeys keys = session_keys(two, head, node);
  constexpr std::size_t kBegin = kOpenHeadSize + kIdentitySize;
  Bytes first(datagram.size() - kOpenOverhead);
  if (!disclose(AeadCipher(keys.request), 0, open.flags, datagram.first(kBegin),
                datagram.subspan(kBegin), first)) {
    return std::nullopt;
  }
  return Opened{
      .node = node,
      .first = std::move(first),
      .channel = Channel(keys.id, cluster.tag(), keys.to_node, keys.to_nucleus, open.flags)};
}

}  // namespace sinew::signal
