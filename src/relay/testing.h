// A relay and clients in one place, with the wires between them: for tests.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "relay/client.h"
#include "relay/http.h"
#include "relay/server.h"

namespace sinew::relay::test {

class Member;

class World {
 public:
  explicit World(Admission admission = {.is_open = true, .keys = {}, .clusters = {}},
                 const Switchboard::Limits& limits = {})
      : board(crypto::X25519PrivateKey::generate(rng), std::move(admission), limits, rng) {}

  // Moves bytes until none move any more.
  void settle();
  void advance(Duration step);

  SeededRng rng{1};
  MonoTime now{1h};
  Switchboard board;
  std::map<ConnectionId, Member*> members;
  std::map<ConnectionId, Switchboard::Reason> closings;
  std::map<Endpoint, Member*> addresses;
  bool udp_works = true;
  std::uint64_t next_id = 0;
};

class Member {
 public:
  Member(World& world, Client::Config config, Endpoint address = {})
      : world_(world),
        address_(address),
        key(config.key.public_key()),
        client(std::move(config), world.rng) {
    id = ConnectionId(++world_.next_id);
    world_.members[id] = this;
    if (address_.port != 0) world_.addresses[address_] = this;
    client.start(world_.now);
    if (!world_.board.open(id, world_.now)) return;
    // The owner of the switchboard speaks HTTP.
    Bytes request;
    client.take_output(request, 1 << 16);
    const std::string answer = answer_to((*parse_request(request))->request, {});
    client.feed(as_bytes(answer), world_.now);
    world_.settle();
  }
  Member(World& world, Endpoint address = {}, bool wants_udp = false)
      : Member(world,
               {.key = crypto::X25519PrivateKey::generate(world.rng),
                .host = "relay",
                .wants_udp = wants_udp},
               address) {}
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() { leave(); }

  void leave() {
    world_.board.close(id);
    world_.members.erase(id);
    world_.addresses.erase(address_);
  }

  void send(const NodeKey& to, std::string_view text) {
    CHECK(client.send(to, as_bytes(text)));
    world_.settle();
  }
  void send_frame(FrameType type, std::initializer_list<ByteView> parts) {
    Bytes frame;
    append_frame(frame, type, parts);
    world_.board.feed(id, frame, world_.now);
    world_.settle();
  }

  // Whether anything of the kind came since the last take_events().
  template <typename T>
  std::vector<T> heard() const {
    std::vector<T> found;
    for (const Client::Event& event : events) {
      if (const T* one = std::get_if<T>(&event)) found.push_back(*one);
    }
    return found;
  }
  std::vector<std::string> texts() const {
    std::vector<std::string> found;
    for (const Client::Packet& packet : heard<Client::Packet>())
      found.emplace_back(as_text(packet.bytes));
    return found;
  }

  bool pump() {
    bool moved = false;
    while (auto event = client.next_event())
      events.push_back(std::move(*event));
    if (is_reading) {
      Bytes out;
      world_.board.take_output(id, out, 1 << 16);
      moved = !out.empty();
      client.feed(out, world_.now);
    }
    Bytes out;
    client.take_output(out, 1 << 16);
    moved = moved || !out.empty();
    world_.board.feed(id, out, world_.now);
    while (auto datagram = client.next_datagram())
      moved = fly(std::move(*datagram)) || moved;
    return moved;
  }

  const Endpoint& address() const { return address_; }
  void move_to(const Endpoint& address) {
    world_.addresses.erase(address_);
    address_ = address;
    world_.addresses[address_] = this;
  }

 private:
  bool fly(Bytes datagram) {
    if (!world_.udp_works) return true;
    const std::size_t size = datagram.size();
    const auto to = world_.board.feed_datagram(datagram, address_, world_.now);
    CHECK(datagram.size() == size);
    if (!to) return true;
    const auto member = world_.addresses.find(*to);
    if (member != world_.addresses.end())
      static_cast<void>(member->second->client.feed_datagram(datagram, world_.now));
    return true;
  }

  World& world_;
  Endpoint address_;

 public:
  const NodeKey key;
  Client client;
  ConnectionId id;
  std::vector<Client::Event> events;
  bool is_reading = true;
};

inline void World::settle() {
  bool moves = true;
  while (moves) {
    moves = false;
    for (const auto& [id, member] : members)
      moves = member->pump() || moves;
    while (board.next_ready()) {
    }
    while (const auto closing = board.next_closing())
      closings[closing->id] = closing->reason;
  }
}

inline void World::advance(Duration step) {
  now += step;
  board.expire(now);
  for (const auto& [id, member] : members)
    member->client.expire(now);
  settle();
}

}  // namespace sinew::relay::test
