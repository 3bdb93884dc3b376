// The AEAD: every kernel of this machine seals as the portable one does, opens what was sealed, and
// refuses what was damaged without touching its output. Poly1305 by itself too, because here it can
// have keys and data that no cipher would hand it.
#include <algorithm>
#include <vector>

#include "base/verify.h"
#include "crypto/aead.h"
#include "crypto/aead_kernel.h"

using namespace sinew;
using namespace sinew::crypto;

namespace {

constexpr std::size_t kMostPackets = 40;  // more than any kernel takes at once
constexpr std::size_t kMostBytes = 2048;  // of a packet
constexpr std::size_t kMostAad = 64;
constexpr std::uint8_t kUntouched = 0xee;

enum class Damage : std::uint8_t { kNone, kBit, kCounter, kCut };

struct Packet {
  std::uint64_t counter;
  std::size_t size;
  Damage damage;
  std::size_t damaged_bit;
  Bytes plain = {};
};

// What the bytes of the fuzzer say: first the shape of a batch, then what to fill it with.
struct Input {
  AeadKey key;
  bool is_in_place;
  Bytes aad;
  std::vector<Packet> packets;
};

// Endless bytes: those given, over and over.
class Content {
 public:
  explicit Content(ByteView bytes) : bytes_(bytes) {}

  Bytes take(std::size_t size) {
    Bytes taken(size);
    for (std::uint8_t& byte : taken)
      byte = bytes_.empty() ? 0 : bytes_[next_++ % bytes_.size()];
    return taken;
  }

 private:
  ByteView bytes_;
  std::size_t next_ = 0;
};

Input read_input(ByteView bytes) {
  ByteReader reader(bytes);
  Input input{};
  input.is_in_place = reader.u8() % 2 == 1;
  const std::size_t aad_size = reader.u8() % kMostAad;
  input.packets.resize(1 + reader.u8() % kMostPackets);
  for (Packet& packet : input.packets) {
    packet.counter = reader.le<std::uint64_t>();
    packet.size = reader.le<std::uint16_t>() % kMostBytes;
    packet.damage = static_cast<Damage>(reader.u8() % 4);
    packet.damaged_bit = reader.le<std::uint16_t>() % ((packet.size + kAeadTagSize) * 8);
  }
  Content content(reader.rest());
  std::ranges::copy(content.take(kAeadKeySize), input.key.expose_mutable().begin());
  input.aad = content.take(aad_size);
  for (Packet& packet : input.packets)
    packet.plain = content.take(packet.size);
  return input;
}

std::vector<Bytes> seal_batch(const Input& input, const AeadKernel& kernel) {
  std::vector<Bytes> sealed;
  std::vector<SealItem> items;
  sealed.reserve(input.packets.size());
  for (const Packet& packet : input.packets) {
    Bytes& buffer = sealed.emplace_back(packet.plain);
    buffer.resize(packet.size + kAeadTagSize);
    const ByteView plain = input.is_in_place ? buffer : packet.plain;
    items.push_back({packet.counter, plain.first(packet.size), buffer});
  }
  AeadCipher(input.key, kernel).seal_batch(items);
  return sealed;
}

// The packet as it arrives, and the room it is opened into.
struct Arrival {
  std::uint64_t counter;
  Bytes sealed;
  Bytes room;
};

Arrival damage(const Packet& packet, Bytes sealed) {
  Arrival arrival{packet.counter, std::move(sealed), Bytes(packet.size, kUntouched)};
  const std::size_t bit = packet.damaged_bit;
  switch (packet.damage) {
    case Damage::kNone: break;
    case Damage::kBit: arrival.sealed[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8); break;
    case Damage::kCounter: arrival.counter ^= std::uint64_t{1} << bit % 64; break;
    case Damage::kCut: arrival.sealed.resize(bit % kAeadTagSize); arrival.room.clear();
  }
  return arrival;
}

void check_open_batch(const Input& input, const std::vector<Bytes>& sealed,
                      const AeadKernel& kernel) {
  std::vector<Arrival> arrivals;
  for (std::size_t i = 0; i < sealed.size(); ++i)
    arrivals.push_back(damage(input.packets[i], sealed[i]));
  const std::vector<Arrival> before = arrivals;
  std::vector<OpenItem> items;
  for (Arrival& arrival : arrivals) {
    const ByteSpan room = input.is_in_place ? arrival.sealed : arrival.room;
    items.push_back({arrival.counter, arrival.sealed, room.first(arrival.room.size())});
  }
  const std::size_t opened = AeadCipher(input.key, kernel).open_batch(items);
  const auto is_whole = [](const Packet& packet) { return packet.damage == Damage::kNone; };
  VERIFY(std::cmp_equal(opened, std::ranges::count_if(input.packets, is_whole)));
  for (std::size_t i = 0; i < items.size(); ++i) {
    VERIFY(items[i].is_authentic == is_whole(input.packets[i]));
    if (items[i].is_authentic) {
      VERIFY(std::ranges::equal(items[i].plain, input.packets[i].plain));
    } else {
      VERIFY(arrivals[i].sealed == before[i].sealed && arrivals[i].room == before[i].room);
    }
  }
}

// The first packet as a message with additional data.
Bytes check_single(const Input& input, const AeadKernel& kernel) {
  const Packet& packet = input.packets.front();
  const AeadCipher cipher(input.key, kernel);
  const AeadNonce nonce = nonce_of_counter(packet.counter);
  Bytes sealed(packet.size + kAeadTagSize);
  cipher.seal(nonce, input.aad, packet.plain, sealed);
  Bytes room(packet.size, kUntouched);
  Bytes other_aad = input.aad;
  other_aad.push_back(0);
  VERIFY(!cipher.open(nonce, other_aad, sealed, room));
  sealed[packet.damaged_bit / 8] ^= 1;
  VERIFY(!cipher.open(nonce, input.aad, sealed, room));
  VERIFY(room == Bytes(packet.size, kUntouched));
  sealed[packet.damaged_bit / 8] ^= 1;
  VERIFY(cipher.open(nonce, input.aad, sealed, room));
  VERIFY(room == packet.plain);
  return sealed;
}

// The tags of all packets under the key of the input, in batches of the kernel's size.
std::vector<Bytes> authenticate(const Input& input, const AeadKernel& kernel) {
  std::vector<PolyMessage> messages;
  for (const Packet& packet : input.packets) {
    messages.push_back({input.key.expose().data(),
                        input.aad.data(),
                        input.aad.size(),
                        packet.plain.data(),
                        packet.size,
                        {}});
  }
  for (std::size_t i = 0; i < messages.size(); i += kernel.max_jobs)
    kernel.authenticate(&messages[i], std::min(kernel.max_jobs, messages.size() - i));
  std::vector<Bytes> tags;
  for (const PolyMessage& message : messages)
    tags.emplace_back(std::begin(message.tag), std::end(message.tag));
  return tags;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input = read_input({data, size});
  const std::vector<Bytes> sealed = seal_batch(input, kPortableKernel);
  const std::vector<Bytes> tags = authenticate(input, kPortableKernel);
  const Bytes single = check_single(input, kPortableKernel);
  for (const AeadKernel* kernel : AeadCipher::supported_kernels()) {
    VERIFY(seal_batch(input, *kernel) == sealed);
    VERIFY(authenticate(input, *kernel) == tags);
    VERIFY(check_single(input, *kernel) == single);
    check_open_batch(input, sealed, *kernel);
  }
  return 0;
}
