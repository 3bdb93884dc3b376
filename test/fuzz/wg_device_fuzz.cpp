// Two whole devices and the wire between them. Bytes choose what is said, delivered, repeated,
// damaged and forged, how time passes, and how the configuration changes meanwhile, also while
// sessions are pinned. Whatever happens: no counter is used twice, nothing is heard that was not
// said or is heard twice, no datagram makes a device send more than it was sent, and what is due
// gets done.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <set>
#include <tuple>
#include <vector>

#include "base/rng.h"
#include "base/verify.h"
#include "wg/device.h"

using namespace sinew;
using namespace sinew::wg;

namespace {

constexpr std::size_t kMaxFlying = 64;  // datagrams
constexpr std::size_t kMaxPins = 4;
constexpr std::size_t kMaxSteps = 300;

struct Datagram {
  std::size_t from;
  Bytes bytes;
};

struct Held {
  std::size_t side;
  SendGrant grant;
};

class World {
 public:
  explicit World(ByteView script) : in_(script) {
    for (std::size_t side = 0; side < 2; ++side) {
      keys_[side] = std::make_unique<PrivateKey>(PrivateKey::generate(rng_));
      devices_[side] = std::make_unique<Device>(
          rng_, Device::Limits{.peers = 3, .transmits = 4, .sources = 8, .initiations = 20});
      devices_[side]->set_private_key(keys_[side]->clone(), now_);
      devices_[side]->start(now_);
    }
    introduce(0);
    introduce(1);
  }

  void run() {
    for (std::size_t i = 0; i < kMaxSteps && !in_.failed() && in_.remaining() > 0; ++i)
      step();
    while (!held_.empty())
      let_go(0);
  }

 private:
  void step() {
    const std::uint8_t verb = in_.u8();
    const std::size_t side = verb & 1;
    switch (verb / 2 % 12) {
      case 0:
      case 1: return say(side);
      case 2:
      case 3:
      case 4: return deliver_first();
      case 5: return deliver_some();
      case 6: return pass_time();
      case 7: return work(side);
      case 8: return configure(side);
      case 9: return forge(side);
      case 10: return hold(side);
      default: return let_go(in_.u8());
    }
  }

  Device& device(std::size_t side) { return *devices_[side]; }
  static Endpoint address_of(std::size_t side) {
    return {.address = IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(1 + side)),
            .port = 51820};
  }
  static Path path_from(std::size_t side) {
    return {.remote = address_of(side), .local = {}, .interface = 0};
  }
  std::optional<PeerId> peer_of(std::size_t side) {
    return device(side).find_peer(keys_[1 - side]->public_key());
  }

  void introduce(std::size_t side) {
    const auto id = device(side).add_peer(keys_[1 - side]->public_key(), now_);
    if (id) device(side).set_endpoint(*id, address_of(1 - side), now_);
  }

  void fly(std::size_t from, Bytes bytes) {
    if (kind_of(bytes) == Kind::kData) {
      const DataHeader header = DataHeader::load(bytes.data());
      VERIFY(used_.emplace(from, header.receiver.value(), header.counter).second);
    }
    flying_.push_back({.from = from, .bytes = std::move(bytes)});
    if (flying_.size() > kMaxFlying) flying_.pop_front();
  }

  // Everything that waits, onto the wire.
  std::size_t drain(std::size_t side) {
    std::size_t size = 0;
    while (const auto transmit = device(side).next_transmit()) {
      const ByteView bytes = transmit->bytes();
      const Kind kind = kind_of(bytes);
      VERIFY(kind != Kind::kInvalid);
      VERIFY(kind != Kind::kData || bytes.size() == kKeepaliveSize);
      VERIFY(device(side).is_running());
      size += bytes.size();
      fly(side, Bytes(bytes.begin(), bytes.end()));
    }
    return size;
  }

  void work(std::size_t side) {
    constexpr int kEnough = 16;  // rounds, more than peers or transmits may need
    while (const auto event = device(side).next_event())
      VERIFY(device(side).has_peer(event->peer));
    int rounds = 0;
    for (; device(side).deadline() <= now_ && rounds < kEnough; ++rounds) {
      device(side).expire(now_, wall_);
      drain(side);
    }
    VERIFY(rounds < kEnough);
    drain(side);
  }

  void seal_and_fly(std::size_t side, const SendGrant& grant) {
    Bytes plain(16);
    store_le(plain.data(), ++said_);
    Bytes packet(kDataOverhead + plain.size());
    DataHeader{.receiver = grant.session->remote, .counter = grant.first_counter}.store(
        packet.data());
    grant.session->sending.seal(crypto::nonce_of_counter(grant.first_counter), {}, plain,
                                ByteSpan(packet).subspan(kDataHeaderSize));
    fly(side, packet);
    device(side).finish_send(grant, 1, packet.size(), true, now_);
  }

  void say(std::size_t side) {
    const auto peer = peer_of(side);
    if (!peer) return;
    const auto grant = device(side).begin_send(*peer, 1, now_);
    if (grant) return seal_and_fly(side, *grant);
    // The device then makes a handshake by itself.
    if (grant.error() == SendRefusal::kNoSession) work(side);
  }

  void hold(std::size_t side) {
    const auto peer = peer_of(side);
    if (!peer || held_.size() >= kMaxPins) return;
    const auto grant = device(side).begin_send(*peer, 1, now_);
    if (grant) held_.push_back({.side = side, .grant = *grant});
  }

  void let_go(std::size_t place) {
    if (held_.empty()) return;
    const auto at = held_.begin() + static_cast<std::ptrdiff_t>(place % held_.size());
    const Held held = *at;
    held_.erase(at);
    seal_and_fly(held.side, held.grant);
  }

  void deliver_first() {
    if (flying_.empty()) return;
    const Datagram datagram = std::move(flying_.front());
    flying_.pop_front();
    deliver(1 - datagram.from, datagram.bytes, path_from(datagram.from));
  }

  // Any of them, once more or for the last time, to anybody, whole or damaged.
  void deliver_some() {
    if (flying_.empty()) return;
    const std::uint8_t how = in_.u8();
    const std::size_t place = in_.u8() % flying_.size();
    Datagram datagram = flying_[place];
    const bool is_last = (how & 1) != 0;
    if (is_last) flying_.erase(flying_.begin() + static_cast<std::ptrdiff_t>(place));
    if ((how & 2) != 0) datagram.bytes[in_.u8() % datagram.bytes.size()] ^= in_.u8();
    if ((how & 4) != 0) datagram.bytes.resize(in_.u8() % (datagram.bytes.size() + 1));
    const std::size_t to = (how & 8) != 0 ? datagram.from : 1 - datagram.from;
    deliver(to, datagram.bytes, path_from((how & 16) != 0 ? 7 : datagram.from));
  }

  void deliver(std::size_t side, ByteView datagram, const Path& from) {
    if (kind_of(datagram) == Kind::kData) return receive(side, datagram, from);
    drain(side);
    device(side).feed(datagram, from, now_, wall_);
    VERIFY(drain(side) <= datagram.size());
  }

  void receive(std::size_t side, ByteView datagram, const Path& from) {
    const DataHeader header = DataHeader::load(datagram.data());
    Session* session = device(side).begin_receive(header.receiver, header.counter, now_);
    if (session == nullptr) return;
    Bytes plain(datagram.size() - kDataOverhead);
    const bool is_good = session->receiving.open(crypto::nonce_of_counter(header.counter), {},
                                                 datagram.subspan(kDataHeaderSize), plain) &&
                         session->window.accept(header.counter);
    if (!is_good) return device(side).unpin(*session, 1);
    const bool is_taken = device(side).finish_receive(*session, from, 1, datagram.size(),
                                                      !plain.empty(), now_, wall_);
    if (!is_taken || plain.empty()) return;
    const auto word = load_le<std::uint64_t>(plain.data());
    VERIFY(word > 0 && word <= said_);
    VERIFY(heard_.insert(word).second);
  }

  void pass_time() {
    const std::uint8_t how = in_.u8();
    const std::uint8_t size = in_.u8();
    switch (how % 8) {
      case 0: now_ = now_ - std::chrono::milliseconds(size); return;
      case 1: wall_ = WallTime(1'700'000'000s + std::chrono::hours(size)); return;
      case 2: now_ += std::chrono::minutes(size); break;
      case 3:
      case 4: now_ += std::chrono::seconds(size); break;
      case 5: now_ = std::max(now_, std::min(device(size & 1).deadline(), now_ + 24h)); break;
      default: now_ += std::chrono::milliseconds(size); break;
    }
    wall_ = wall_ + std::chrono::milliseconds(1 + size);
    work(0);
    work(1);
  }

  void configure(std::size_t side) {
    const std::uint8_t how = in_.u8();
    const auto peer = peer_of(side);
    Device& target = device(side);
    switch (how % 8) {
      case 0:
        if (peer) target.remove_peer(*peer);
        return;
      case 1: return introduce(side);
      case 2: {
        PresharedKey key;
        key.expose_mutable()[0] = how / 8 % 2;
        if (peer) target.set_preshared_key(*peer, key);
        return;
      }
      case 3:
        if (peer) target.set_persistent_keepalive(*peer, std::chrono::seconds(how / 8), now_);
        return;
      case 4: return target.set_private_key(std::nullopt, now_);
      case 5: return target.set_private_key(keys_[side]->clone(), now_);
      case 6: return how / 8 % 4 == 0 ? target.stop() : target.start(now_);
      default:
        // The all-zero key, with which there is no handshake, or the other's own key.
        if (how / 8 % 2 == 0)
          static_cast<void>(target.add_peer(PublicKey(), now_));
        else
          target.set_private_key(keys_[1 - side]->clone(), now_);
    }
  }

  // A datagram that looks right up to its type and length.
  void forge(std::size_t side) {
    static constexpr std::array<std::size_t, 5> kSizes = {kInitiationSize, kResponseSize,
                                                          kCookieSize, kKeepaliveSize, 64};
    const std::uint8_t how = in_.u8();
    Bytes bytes(kSizes[how % kSizes.size()]);
    rng_.fill(bytes);
    const std::uint32_t type = how % 5 == 4 ? 4 : how % 5 + 1;
    store_le(bytes.data(), type);
    // An index that exists, if a datagram that flies knows one.
    if (!flying_.empty() && (how & 64) != 0) {
      const Bytes& other = flying_[how % flying_.size()].bytes;
      std::copy_n(other.begin() + 4, 8, bytes.begin() + 4);
    }
    deliver(side, bytes, path_from(9 + how / 128));
  }

  ByteReader in_;
  SeededRng rng_{1};
  MonoTime now_{1h};
  WallTime wall_{1'700'000'000s};
  std::array<std::unique_ptr<PrivateKey>, 2> keys_;
  std::array<std::unique_ptr<Device>, 2> devices_;
  std::deque<Datagram> flying_;
  std::vector<Held> held_;
  std::set<std::tuple<std::size_t, std::uint32_t, std::uint64_t>> used_;
  std::uint64_t said_ = 0;
  std::set<std::uint64_t> heard_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World({data, size}).run();
  return 0;
}
