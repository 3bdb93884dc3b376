// A world for the tests of this module: devices on hosts, a wire that may lose, repeat, delay and
// shuffle, and a time that moves only when told. Everything repeats itself for the same seed.
//
// The wire watches for what must never happen: a counter used twice under one session, and data
// whose length is no multiple of 16.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/rng.h"
#include "wg/device.h"

namespace sinew::wg::test {

inline constexpr WallTime kSomeDay{1'700'000'000s};
inline const Device::Limits kSmallLimits{.sources = 64};

inline Endpoint endpoint_of(std::uint32_t host, std::uint16_t port = 51820) {
  std::array<std::uint8_t, 4> address;
  store_be(address.data(), 0x0a00'0000 + host);
  return {.address = IpAddress::v4(address), .port = port};
}
inline Path path_from(const Endpoint& remote) {
  return {.remote = remote, .local = {}, .interface = 0};
}
inline PrivateKey some_key(Rng& rng) {
  return PrivateKey::generate(rng);
}

struct Datagram {
  Endpoint from;
  Endpoint to;
  Bytes bytes;

  Kind kind() const { return kind_of(bytes); }
};

struct Impairment {
  double loss = 0;
  double repeat = 0;
  Duration latency = 10ms;
  Duration jitter = 0ms;  // shuffles
};

class World;

// A host with one device and what waits there for a session.
class Host {
 public:
  Host(World& world, const Endpoint& endpoint, const Device::Limits& limits);

  Device device;
  Endpoint address;
  std::vector<std::string> heard;
  std::vector<Event> events;

  PeerId peer(const Host& other) const { return *device.find_peer(*other.device.public_key()); }
  // Sends at once, or when there is a session.
  void say(const Host& to, std::string_view text);
  bool has_heard(std::string_view text) const {
    return std::ranges::find(heard, text) != heard.end();
  }
  std::size_t count(Event::Kind kind) const {
    return static_cast<std::size_t>(std::ranges::count(events, kind, &Event::kind));
  }
  void receive(const Datagram& datagram);
  // Does all there is to do now.
  void pump();
  void say_to(PeerId id, std::string_view text);

 private:
  bool try_send(PeerId id, const std::string& text);

  World& world_;
  std::map<PeerId, std::deque<std::string>> waiting_;
};

class World {
 public:
  explicit World(std::uint64_t seed_number) : seed(seed_number), rng(seed_number) {}

  const std::uint64_t seed;
  SeededRng rng;
  MonoTime now{1h};
  WallTime wall = kSomeDay;
  Impairment impairment;
  // True for those that get lost.
  std::function<bool(const Datagram&)> is_lost;
  std::vector<Datagram> sent;  // all of them, if `is_recording`
  bool is_recording = true;
  std::map<Kind, std::size_t> sent_by_kind;
  std::vector<std::unique_ptr<Host>> hosts;

  Host& add_host(const Device::Limits& limits = kSmallLimits) {
    const auto number = static_cast<std::uint32_t>(hosts.size() + 1);
    hosts.push_back(std::make_unique<Host>(*this, endpoint_of(number), limits));
    Host& host = *hosts.back();
    host.device.set_private_key(some_key(rng), now);
    host.device.start(now);
    return host;
  }
  void introduce(Host& one, Host& other) {
    introduce_to(one, other);
    introduce_to(other, one);
  }
  void introduce_to(Host& one, const Host& other) {
    const auto id = one.device.add_peer(*other.device.public_key(), now);
    REQUIRE(id.has_value());
    one.device.set_endpoint(*id, other.address, now);
  }

  void transmit(const Datagram& datagram) {
    watch(datagram);
    ++sent_by_kind[datagram.kind()];
    if (is_recording) sent.push_back(datagram);
    if (is_lost && is_lost(datagram)) return;
    if (chance(impairment.loss)) return;
    deliver_later(datagram);
    if (chance(impairment.repeat)) deliver_later(datagram);
  }

  void run_for(Duration duration) {
    const MonoTime end = now + duration;
    for (auto& host : hosts)
      host->pump();
    while (true) {
      MonoTime next = flying_.empty() ? MonoTime::never() : flying_.begin()->first.first;
      for (const auto& host : hosts)
        next = std::min(next, host->device.deadline());
      if (next > end) break;
      advance_to(std::max(next, now));
      turn();
    }
    advance_to(end);
  }
  std::size_t flying() const { return flying_.size(); }
  std::size_t total_sent() const {
    std::size_t total = 0;
    for (const auto& [kind, number] : sent_by_kind)
      total += number;
    return total;
  }
  void forget_sent() {
    sent.clear();
    sent_by_kind.clear();
  }

 private:
  bool chance(double probability) {
    return probability > 0 && static_cast<double>(rng.below(1'000'000)) < probability * 1'000'000;
  }
  void deliver_later(const Datagram& datagram) {
    Duration delay = impairment.latency;
    if (impairment.jitter > Duration::zero()) {
      delay += Duration(rng.below(static_cast<std::uint64_t>(impairment.jitter.count())));
    }
    flying_.emplace(std::pair(now + delay, ++serial_), datagram);
  }
  void advance_to(MonoTime time) {
    wall = wall + (time - now);
    now = time;
  }
  void turn() {
    while (!flying_.empty() && flying_.begin()->first.first <= now) {
      const Datagram datagram = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      for (auto& host : hosts) {
        if (host->address != datagram.to) continue;
        host->receive(datagram);
        host->pump();
      }
    }
    for (auto& host : hosts) {
      if (host->device.deadline() <= now) host->pump();
    }
  }
  void watch(const Datagram& datagram) {
    if (datagram.kind() != Kind::kData) return;
    REQUIRE(datagram.bytes.size() % kPaddingSize == 0);
    const DataHeader header = DataHeader::load(datagram.bytes.data());
    const bool is_new =
        used_.emplace(datagram.from, header.receiver.value(), header.counter).second;
    REQUIRE_MESSAGE(is_new, "a counter was used twice, seed " << seed);
  }

  std::uint64_t serial_ = 0;
  std::map<std::pair<MonoTime, std::uint64_t>, Datagram> flying_;
  std::set<std::tuple<Endpoint, std::uint32_t, std::uint64_t>> used_;
};

// The device of a packet path in the plainest way: one packet at a time.
inline Bytes seal_packet(const SendGrant& grant, std::uint64_t counter, std::string_view text) {
  Bytes plain(padded_size(text.size(), 1420));
  std::ranges::copy(as_bytes(text), plain.begin());
  Bytes packet(kDataOverhead + plain.size());
  DataHeader{.receiver = grant.session->remote, .counter = counter}.store(packet.data());
  grant.session->sending.seal(crypto::nonce_of_counter(counter), {}, plain,
                              ByteSpan(packet).subspan(kDataHeaderSize));
  return packet;
}

// What an authentic packet holds, padding cut off; none if it is dropped.
inline std::optional<std::string> open_packet(Device& device, const Datagram& datagram,
                                              MonoTime now, WallTime wall) {
  const DataHeader header = DataHeader::load(datagram.bytes.data());
  Session* session = device.begin_receive(header.receiver, header.counter, now);
  if (session == nullptr) return std::nullopt;
  Bytes plain(datagram.bytes.size() - kDataOverhead);
  const bool is_authentic =
      session->receiving.open(crypto::nonce_of_counter(header.counter), {},
                              ByteView(datagram.bytes).subspan(kDataHeaderSize), plain);
  if (!is_authentic || !session->window.accept(header.counter)) {
    device.counters().count(is_authentic ? Drop::kReplay : Drop::kNotAuthentic);
    device.unpin(*session, 1);
    return std::nullopt;
  }
  if (!device.finish_receive(*session, path_from(datagram.from), 1, datagram.bytes.size(),
                             !plain.empty(), now, wall)) {
    return std::nullopt;
  }
  std::string text(as_text(plain));
  text.resize(std::min(text.size(), text.find('\0')));
  return text;
}

inline Host::Host(World& world, const Endpoint& endpoint, const Device::Limits& limits)
    : device(world.rng, limits), address(endpoint), world_(world) {}

inline void Host::say(const Host& to, std::string_view text) {
  say_to(peer(to), text);
}

inline void Host::say_to(PeerId id, std::string_view text) {
  if (!try_send(id, std::string(text))) waiting_[id].emplace_back(text);
  pump();
}

inline bool Host::try_send(PeerId id, const std::string& text) {
  const auto grant = device.begin_send(id, 1, world_.now);
  if (!grant) return false;
  const Bytes packet = seal_packet(*grant, grant->first_counter, text);
  world_.transmit({.from = address, .to = grant->path.remote, .bytes = packet});
  device.finish_send(*grant, 1, packet.size(), true, world_.now);
  return true;
}

inline void Host::receive(const Datagram& datagram) {
  if (datagram.kind() != Kind::kData) {
    return device.feed(datagram.bytes, path_from(datagram.from), world_.now, world_.wall);
  }
  const auto text = open_packet(device, datagram, world_.now, world_.wall);
  if (text && !text->empty()) heard.push_back(*text);
}

inline void Host::pump() {
  while (const auto event = device.next_event()) {
    events.push_back(*event);
    auto& waiting = waiting_[event->peer];
    if (event->kind == Event::Kind::kPeerUnreachable) waiting.clear();
    if (event->kind != Event::Kind::kSessionReady) continue;
    while (!waiting.empty() && try_send(event->peer, waiting.front()))
      waiting.pop_front();
  }
  do {
    if (device.deadline() <= world_.now) device.expire(world_.now, world_.wall);
    while (const auto transmit = device.next_transmit()) {
      const ByteView bytes = transmit->bytes();
      world_.transmit(
          {.from = address, .to = transmit->to.remote, .bytes = Bytes(bytes.begin(), bytes.end())});
    }
  } while (device.deadline() <= world_.now);
  while (const auto event = device.next_event()) {
    events.push_back(*event);
    if (event->kind == Event::Kind::kPeerUnreachable) waiting_[event->peer].clear();
  }
}

// Two hosts that know each other; `a` speaks first.
struct Pair {
  explicit Pair(std::uint64_t seed) : world(seed), a(world.add_host()), b(world.add_host()) {
    world.introduce(a, b);
  }
  void talk() {
    a.say(b, "hello");
    world.run_for(1s);
    REQUIRE(b.has_heard("hello"));
    b.say(a, "good day");
    world.run_for(1s);
    REQUIRE(a.has_heard("good day"));
  }

  World world;
  Host& a;
  Host& b;
};

}  // namespace sinew::wg::test
