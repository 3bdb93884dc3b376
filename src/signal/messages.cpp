#include "signal/messages.h"

#include <algorithm>

#include "base/verify.h"
#include "crypto/equal.h"
#include "crypto/hash.h"

namespace sinew::signal {
namespace {

void write_header(ByteWriter& out, Kind kind, std::uint8_t flags) {
  out.u8(kFirstByte);
  out.u8(static_cast<std::uint8_t>(kind));
  out.u8(kVersion);
  out.u8(flags);
}

// The reader behind the four bytes that the gate has seen.
ByteReader body_of(ByteView datagram, Kind kind) {
  VERIFY(kind_of(datagram) == kind);
  return ByteReader(datagram.subspan(kHeaderSize));
}

Mac mac_of(ByteView key, ByteView datagram, ByteView also) {
  crypto::Hmac<crypto::Sha256> hash(key);
  hash.update(datagram.first(datagram.size() - kMacSize));
  hash.update(also);
  crypto::Digest digest;
  hash.finish(digest);
  Mac mac;
  std::copy_n(digest.begin(), mac.size(), mac.begin());
  return mac;
}

void add_mac(ByteSpan datagram, ByteView key, ByteView also) {
  std::ranges::copy(mac_of(key, datagram, also), datagram.last(kMacSize).begin());
}

bool has_mac(ByteView datagram, ByteView key, ByteView also) {
  return crypto::equal_constant_time(mac_of(key, datagram, also), datagram.last(kMacSize));
}

bool has_size_of(Kind kind, std::size_t size) {
  switch (kind) {
    case Kind::kHello: return size == kHelloSize;
    case Kind::kWelcome: return size == kWelcomeSize;
    case Kind::kOpen: return size >= kOpenOverhead && size <= kMaxDatagramSize;
    case Kind::kData: return size >= kDataOverhead && size <= kMaxDatagramSize;
    case Kind::kReset: return size == kResetSize;
    case Kind::kInvalid: break;
  }
  return false;
}

constexpr std::size_t kHelloPadding = kHelloSize - kHeaderSize - 8 - 32 - 16 - kMacSize;
static_assert(kHelloPadding == 24);
static_assert(kWelcomeSize == kHeaderSize + 16 + 32 + 32 + kMacSize);

}  // namespace

Kind kind_of(ByteView datagram) {
  if (datagram.size() < kHeaderSize || datagram[0] != kFirstByte || datagram[2] != kVersion) {
    return Kind::kInvalid;
  }
  if (datagram[1] > static_cast<std::uint8_t>(Kind::kReset)) return Kind::kInvalid;
  const auto kind = static_cast<Kind>(datagram[1]);
  const bool has_flags = kind != Kind::kWelcome && kind != Kind::kReset;
  if (datagram[3] > (has_flags ? kClear : 0)) return Kind::kInvalid;
  return has_size_of(kind, datagram.size()) ? kind : Kind::kInvalid;
}

Hello Hello::decode(ByteView datagram) {
  ByteReader in = body_of(datagram, Kind::kHello);
  Hello hello;
  hello.flags = datagram[3];
  hello.tag = in.array<8>();
  hello.ephemeral = PublicKey(in.array<32>());
  hello.random = in.array<16>();
  return hello;
}

Bytes Hello::encode(const ClusterKey& key) const {
  Bytes datagram(kHelloSize);
  ByteWriter out(datagram);
  write_header(out, Kind::kHello, flags);
  out.bytes(tag);
  out.bytes(ephemeral.bytes());
  out.bytes(random);
  out.zeros(kHelloPadding);
  add_mac(datagram, key.hello_key(), {});
  return datagram;
}

bool Hello::is_authentic(ByteView datagram, const ClusterKey& key) {
  return has_mac(datagram, key.hello_key(), {});
}

Welcome Welcome::decode(ByteView datagram) {
  ByteReader in = body_of(datagram, Kind::kWelcome);
  Welcome welcome;
  welcome.random = in.array<16>();
  welcome.server = PublicKey(in.array<32>());
  welcome.cookie = in.array<32>();
  return welcome;
}

Bytes Welcome::encode(const ClusterKey& key, const PublicKey& ephemeral) const {
  Bytes datagram(kWelcomeSize);
  ByteWriter out(datagram);
  write_header(out, Kind::kWelcome, 0);
  out.bytes(random);
  out.bytes(server.bytes());
  out.bytes(cookie);
  add_mac(datagram, key.welcome_key(), ephemeral.bytes());
  return datagram;
}

bool Welcome::is_authentic(ByteView datagram, const ClusterKey& key, const PublicKey& ephemeral) {
  return has_mac(datagram, key.welcome_key(), ephemeral.bytes());
}

OpenHead OpenHead::decode(ByteView datagram) {
  ByteReader in = body_of(datagram, Kind::kOpen);
  OpenHead head;
  head.flags = datagram[3];
  head.tag = in.array<8>();
  head.ephemeral = PublicKey(in.array<32>());
  head.cookie = in.array<32>();
  return head;
}

void OpenHead::encode(ByteWriter& out) const {
  write_header(out, Kind::kOpen, flags);
  out.bytes(tag);
  out.bytes(ephemeral.bytes());
  out.bytes(cookie);
}

DataHead DataHead::decode(ByteView datagram) {
  ByteReader in = body_of(datagram, Kind::kData);
  DataHead head;
  head.flags = datagram[3];
  head.tag = in.array<8>();
  head.session = SessionId(in.be<std::uint64_t>());
  head.counter = in.be<std::uint64_t>();
  return head;
}

void DataHead::encode(ByteWriter& out) const {
  write_header(out, Kind::kData, flags);
  out.bytes(tag);
  out.be(session.value());
  out.be(counter);
}

Reset Reset::decode(ByteView datagram) {
  ByteReader in = body_of(datagram, Kind::kReset);
  Reset reset;
  reset.session = SessionId(in.be<std::uint64_t>());
  reset.counter = in.be<std::uint64_t>();
  return reset;
}

Bytes Reset::encode(const ClusterKey& key, const PublicKey& server) const {
  Bytes datagram(kResetSize);
  ByteWriter out(datagram);
  write_header(out, Kind::kReset, 0);
  out.be(session.value());
  out.be(counter);
  add_mac(datagram, key.reset_key(), server.bytes());
  return datagram;
}

bool Reset::is_authentic(ByteView datagram, const ClusterKey& key, const PublicKey& server) {
  return has_mac(datagram, key.reset_key(), server.bytes());
}

}  // namespace sinew::signal
