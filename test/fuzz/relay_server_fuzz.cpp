// A switchboard, its clients, and wires between them. Bytes choose who says what to whom, which
// frames and datagrams are forged, who stops reading, comes and goes, and how time passes. Whatever
// happens: packets stay in their group and are heard as they were said, datagrams leave for bound
// addresses alone and keep their length, and all queues keep their bounds.
#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "base/rng.h"
#include "base/verify.h"
#include "relay/client.h"
#include "relay/http.h"
#include "relay/server.h"

using namespace sinew;
using namespace sinew::relay;

namespace {

constexpr std::size_t kMembers = 5;  // the last two are of another group
constexpr std::size_t kMaxSteps = 300;

std::size_t group_of(std::size_t member) {
  return member < 3 ? 0 : 1;
}

Endpoint address_of(std::size_t member) {
  return {.address = IpAddress::v4(192, 0, 2, static_cast<std::uint8_t>(member + 1)), .port = 1};
}

Switchboard::Limits small_limits() {
  Switchboard::Limits limits;
  limits.clients = 4;
  limits.strangers = 3;
  limits.queue_bytes = 4'000;
  limits.queue_packets = 8;
  limits.total_queue_bytes = 8'000;
  limits.disco_packets = 3;
  limits.control_bytes = 500;
  limits.udp_port = 1;
  return limits;
}

AdmissionKey cluster(std::size_t group) {
  SecretArray<32> key;
  key.expose_mutable()[0] = static_cast<std::uint8_t>(group);
  return AdmissionKey(std::move(key));
}

Admission admission() {
  Admission both;
  both.clusters.push_back(cluster(0));
  both.clusters.push_back(cluster(1));
  return both;
}

class World {
 public:
  explicit World(ByteView script)
      : in_(script),
        board_(crypto::X25519PrivateKey::generate(rng_), admission(), small_limits(), rng_) {
    for (auto& key : keys_)
      key = std::make_unique<crypto::X25519PrivateKey>(crypto::X25519PrivateKey::generate(rng_));
  }

  void run() {
    for (std::size_t i = 0; i < kMaxSteps && !in_.failed() && in_.remaining() > 0; ++i) {
      step();
      VERIFY(board_.counters().clients <= small_limits().clients);
      VERIFY(board_.counters().strangers <= small_limits().strangers);
      // Path discovery has a bound in packets instead.
      VERIFY(board_.counters().queued_bytes <=
             8'000 + kMembers * 3 * PacketQueue::kMaxDiscoFrameBytes);
    }
  }

 private:
  struct Member {
    std::unique_ptr<Client> client;
    ConnectionId id;
    bool is_reading = true;
  };

  void step() {
    const std::uint8_t verb = in_.u8();
    const std::size_t who = in_.u8() % kMembers;
    switch (verb % 9) {
      case 0: return come(who);
      case 1: return leave(who);
      case 2:
      case 3: return say(who);
      case 4: return forge_frame(who);
      case 5: return forge_datagram(who);
      case 6: members_[who].is_reading = !members_[who].is_reading; return settle();
      case 7: return pass_time();
      default: return change_admission();
    }
  }

  void come(std::size_t who) {
    leave(who);
    Member& member = members_[who];
    member.id = ConnectionId(++last_id_);
    member.is_reading = true;
    member.client = std::make_unique<Client>(Client::Config{.key = keys_[who]->clone(),
                                                            .host = "relay",
                                                            .admission = cluster(group_of(who)),
                                                            .wants_udp = who % 2 == 0},
                                             rng_);
    member.client->start(now_);
    Bytes request;
    member.client->take_output(request, 10'000);
    if (!board_.open(member.id, now_)) return member.client.reset();
    const auto parsed = parse_request(request);
    member.client->feed(as_bytes(answer_to((*parsed)->request, board_.public_key())), now_);
    settle();
  }

  void leave(std::size_t who) {
    if (members_[who].client) board_.close(members_[who].id);
    members_[who].client.reset();
    settle();
  }

  void say(std::size_t who) {
    Client* const client = members_[who].client.get();
    if (client == nullptr) return;
    const std::uint8_t how = in_.u8();
    Bytes packet(16 + how * 16U, static_cast<std::uint8_t>(group_of(who)));
    if (how % 4 == 0) packet[0] = 0xd1, packet[1] = 'S', packet[2] = 'N', packet[3] = 'W';
    const NodeKey to = keys_[in_.u8() % kMembers]->public_key();
    static_cast<void>(client->send(to, packet));
    settle();
  }

  void forge_frame(std::size_t who) {
    if (!members_[who].client) return;
    Bytes frame;
    const auto type = static_cast<FrameType>(in_.u8());
    const ByteView rest = in_.take(std::min<std::size_t>(in_.u8() % 80, in_.remaining()));
    // A packet would be heard as what nobody has said.
    if (type == FrameType::kSendPacket) return;
    append_frame(frame, type, {rest});
    board_.feed(members_[who].id, frame, now_);
    settle();
  }

  void forge_datagram(std::size_t who) {
    Bytes datagram = last_datagram_;
    datagram.resize(std::max<std::size_t>(datagram.size(), 1));
    const std::size_t at = in_.u8() % datagram.size();
    // What is said stays what it is: the payload is its sender's.
    if (at < kUdpDataHeaderSize || datagram.size() == kUdpBindSize) datagram[at] ^= in_.u8();
    fly(std::move(datagram), who);
    settle();
  }

  void fly(Bytes datagram, std::size_t who) {
    last_datagram_ = datagram;
    const std::size_t size = datagram.size();
    const auto to = board_.feed_datagram(datagram, address_of(who), now_);
    VERIFY(datagram.size() == size);
    if (!to) return;
    for (std::size_t other = 0; other < kMembers; ++other) {
      if (address_of(other) != *to) continue;
      VERIFY(group_of(other) == group_of(who));
      if (members_[other].client)
        static_cast<void>(members_[other].client->feed_datagram(datagram, now_));
      return;
    }
    VERIFY_NOT_REACHED();
  }

  void pass_time() {
    now_ += std::chrono::milliseconds(1 << in_.u8() % 18);
    board_.expire(now_);
    for (Member& member : members_) {
      if (member.client) member.client->expire(now_);
    }
    settle();
  }

  void change_admission() {
    Admission changed;
    const std::uint8_t how = in_.u8();
    if ((how & 1) != 0) changed.clusters.push_back(cluster(0));
    if ((how & 2) != 0) changed.clusters.push_back(cluster(1));
    board_.set_admission(std::move(changed));
    settle();
    board_.set_admission(admission());
  }

  void settle() {
    bool moves = true;
    while (moves) {
      moves = false;
      for (std::size_t who = 0; who < kMembers; ++who)
        moves = (members_[who].client && pump(who)) || moves;
      while (board_.next_ready()) {
      }
      while (const auto closing = board_.next_closing()) {
        for (Member& member : members_) {
          if (member.client && member.id == closing->id) member.client.reset();
        }
      }
    }
  }

  bool pump(std::size_t who) {
    Member& member = members_[who];
    Bytes in;
    if (member.is_reading) board_.take_output(member.id, in, 1'000);
    member.client->feed(in, now_);
    while (const auto event = member.client->next_event())
      hear(who, *event);
    Bytes out;
    member.client->take_output(out, 10'000);
    board_.feed(member.id, out, now_);
    bool moved = !in.empty() || !out.empty();
    while (auto datagram = member.client->next_datagram()) {
      fly(std::move(*datagram), who);
      moved = true;
    }
    return moved;
  }

  void hear(std::size_t who, const Client::Event& event) {
    const auto* const packet = std::get_if<Client::Packet>(&event);
    if (packet == nullptr) return;
    VERIFY(packet->bytes.size() >= 16);
    VERIFY(packet->bytes[15] == group_of(who));
    const auto sender = std::ranges::find_if(
        keys_, [&](const auto& key) { return key->public_key() == packet->from; });
    VERIFY(sender != keys_.end());
    VERIFY(group_of(static_cast<std::size_t>(sender - keys_.begin())) == group_of(who));
  }

  ByteReader in_;
  SeededRng rng_{1};
  MonoTime now_{1h};
  std::array<std::unique_ptr<crypto::X25519PrivateKey>, kMembers> keys_;
  std::array<Member, kMembers> members_;
  std::uint64_t last_id_ = 0;
  Bytes last_datagram_;
  Switchboard board_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  World({data, size}).run();
  return 0;
}
