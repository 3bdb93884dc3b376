// Disco messages: any bytes as a datagram, and any bytes as what a member has sealed. What is
// accepted has one spelling.
#include <algorithm>

#include "base/verify.h"
#include "disco/messages.h"

using namespace sinew;

namespace {

struct Keys {
  SeededRng rng{1};
  crypto::X25519PrivateKey a = crypto::X25519PrivateKey::generate(rng);
  crypto::X25519PrivateKey b = crypto::X25519PrivateKey::generate(rng);
  netmap::DiscoKey own{a.public_key()};
  crypto::BoxKey box = *crypto::BoxKey::between(a, b.public_key());
};

// The plaintext of a message, which the nonce in front lets one read out again.
Bytes plain_of(ByteView datagram, const crypto::BoxKey& box) {
  crypto::BoxKey::Nonce nonce;
  std::ranges::copy(datagram.subspan(36, nonce.size()), nonce.begin());
  Bytes plain(datagram.size() - disco::kOverhead);
  VERIFY(box.open(nonce, datagram.subspan(disco::kHeaderSize), plain));
  return plain;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Keys keys;
  const ByteView input(data, size);
  VERIFY(!disco::open(input, keys.box).has_value());
  static_cast<void>(disco::sender_of(input));

  const ByteView plain = input.first(std::min(size, disco::kMaxMessageSize - disco::kOverhead));
  Bytes datagram(disco::kOverhead + plain.size());
  ByteWriter out(datagram);
  out.bytes(disco::kMagic);
  out.bytes(keys.own.key.bytes());
  const crypto::BoxKey::Nonce nonce{1};
  out.bytes(nonce);
  keys.box.seal(nonce, plain, out.reserve(crypto::BoxKey::kTagSize + plain.size()));
  const auto message = disco::open(datagram, keys.box);
  if (!message) return 0;
  const Bytes again = disco::seal(*message, keys.box, keys.own, keys.rng);
  VERIFY(disco::open(again, keys.box) == message);
  VERIFY(std::ranges::equal(plain_of(again, keys.box), plain));
  return 0;
}
