// From the network to the tunnel, for one worker. A turn has five steps, so that the lock of the
// device is held twice and shortly:
//
//   receive  one recvmmsg, or what came over detours; what is no WireGuard message is the
//            Companion's, if there is one and it is of a protocol that it knows, or dropped
//   look up  (locked) handshake messages are fed to the device; data finds its session, and while
//            more comes than can be opened, what a peer sends over its share is dropped
//   open     decrypt in place; look at the packet inside
//   settle   (locked) replay windows, sources, timers, roaming
//   deliver  carry congestion marks over, put flows back together, write to the tunnel
//
// Nothing changes for a datagram that is not authentic but a counter. One thread.
#pragma once

#include <array>
#include <vector>

#include "base/clock.h"
#include "crypto/aead.h"
#include "dataplane/counters.h"
#include "dataplane/fair_share.h"
#include "dataplane/inlet.h"
#include "dataplane/notices.h"
#include "dataplane/shared_device.h"
#include "packet/coalesce.h"
#include "tun/tun.h"
#include "udp/udp_port.h"

namespace sinew::dataplane {

class Receiver {
 public:
  // Datagrams that are opened together. What one receive() brings is done in rounds of whole
  // trains, as soon as there are enough to keep the cipher's lanes full: what came first is
  // delivered first, and does not wait for the rest to be opened.
  static constexpr std::size_t kMaxBatch = packet::Coalescer::kMaxPackets;
  static constexpr std::size_t kEnoughBatch = 32;
  static constexpr std::size_t kShortTrain = 8;
  // Messages of 64 KiB for one receive(). While they are long trains two are enough, so that the
  // other direction has its turn soon.
  static constexpr std::size_t kRingMessages = 16;
  static constexpr std::size_t kLongTrains = 2;
  static constexpr std::size_t kLongTrainBytes = 16 << 10;  // on average

  // Without notices there is no Companion.
  Receiver(tun::Tun& tunnel, unsigned queue, Counters& counters, Notices* notices,
           std::uint64_t seed);

  // What waits at `port`, once. False when nothing did.
  bool turn(udp::UdpPort& port, SharedDevice& shared, MonoTime now, WallTime wall);

  // What waits in the inlet, all of it.
  void turn(Inlet& inlet, SharedDevice& shared, MonoTime now, WallTime wall);

  bool is_tunnel_gone() const { return is_tunnel_gone_; }

 private:
  // A datagram of kind data on its way through a turn.
  struct Incoming {
    const udp::Datagrams* train;
    wg::DataHeader header;
    wg::Session* session;
    packet::InnerPacket inner;
    ByteSpan packet;  // what was inside, without padding
    bool is_delivered;
  };

  void process(std::span<const udp::Datagrams> trains, SharedDevice& shared, MonoTime now,
               WallTime wall);
  void expect_like(std::span<const udp::Datagrams> trains);
  bool is_enough_before(const udp::Datagrams& next) const;
  void take_round(std::span<const udp::Datagrams> trains);
  bool hand_over(const udp::Datagrams& train);
  bool hand_over_one(const udp::Datagrams& train, ByteView datagram);
  void process_round(SharedDevice& shared, MonoTime now, WallTime wall);
  void look_up(wg::Device& device, MonoTime now, WallTime wall);
  void share_out(wg::Device& device);
  void drop_over_share(wg::Device& device, std::span<Incoming> run);
  void open();
  void look_inside(Incoming& incoming, const crypto::OpenItem& item);
  void settle(wg::Device& device, MonoTime now, WallTime wall);
  std::size_t settle_run(wg::Device& device, std::size_t first, MonoTime now, WallTime wall);
  bool accept(wg::Device& device, Incoming& incoming, bool is_authentic);
  void deliver();
  void write(const packet::TunWrite& write);

  tun::Tun* tunnel_;
  unsigned tunnel_queue_;
  Counters* counters_;
  Notices* notices_;
  udp::ReceiveRing ring_;
  std::size_t next_messages_ = kRingMessages;
  packet::Coalescer coalescer_;
  // Of the sockets for IPv4 and IPv6 and of the inlet, which fill on their own.
  std::array<FairShare, 3> shares_;
  FairShare* share_ = nullptr;  // of this turn
  bool is_tunnel_gone_ = false;

  // Of one round.
  struct Control {
    const udp::Datagrams* train;
    ByteSpan message;
  };
  std::vector<Control> control_;
  std::vector<Incoming> incoming_;
  std::vector<crypto::OpenItem> items_;  // of incoming_, one for one, once looked up
  // Where in the trains the next round begins.
  std::size_t next_train_ = 0;
  std::size_t next_datagram_ = 0;
};

}  // namespace sinew::dataplane
