// From the tunnel to the network, for one worker. A turn has four steps, so that the lock of the
// device is held twice and shortly:
//
//   read    take what waits in the tunnel's queue into cells of the pool
//   plan    (locked) whose is it? queue it by peer and flow; choose what goes now; reserve counters
//   seal    split into packets of the tunnel's MTU, behind one another in one arena; seal; what is
//           for a detour goes to the Companion, the rest to the sockets
//   settle  (locked) tell the device what went out
//
// The tunnel's queue is emptied at once, although only about two super-packets go out in a turn:
// what waits then waits in queues of our own, where a ping or a keystroke does not stand behind a
// download (packet/fair_queue.h). A flow whose queue does not drain is told to slow down, by a mark
// or by a segment that is left out (congestion.h); when memory runs out all the same, the longest
// queue loses its oldest.
//
// When the socket takes no more, the rest of the turn is kept, and the next turn begins with it.
// One thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "crypto/aead.h"
#include "dataplane/counters.h"
#include "dataplane/notices.h"
#include "dataplane/parcel_pool.h"
#include "dataplane/shared_device.h"
#include "dataplane/staging.h"
#include "packet/fair_queue.h"
#include "tun/tun.h"
#include "udp/udp_port.h"

namespace sinew::dataplane {

class Sender {
 public:
  // Packets and bytes of one turn: the rest waits for the next. The bytes are those of about two
  // super-packets, which is what a sparse flow waits for at most.
  static constexpr std::size_t kMaxSegments = 128;
  static constexpr std::size_t kEnoughBytes = 120 << 10;
  // The same while small packets were sent within the time named here.
  static constexpr std::size_t kEnoughBesideOthers = 56 << 10;
  static constexpr Duration kQuietTime = 20ms;
  static constexpr std::size_t kMaxReads = 256;
  // Waiting for its turn; what does not fit in the pool's cells never comes to this.
  static constexpr std::uint32_t kMaxQueuedBytes = 4 << 20;

  // Without notices there is no Companion, and no detour.
  Sender(tun::Tun& tunnel, unsigned queue, Counters& counters, Notices* notices);

  // The tunnel's MTU, up to which a packet may be padded.
  void set_mtu(std::size_t mtu) { mtu_ = mtu; }

  // Null before the interface is up for the first time: then what is read is dropped. What the
  // ports before have not taken is lost.
  void set_ports(udp::UdpPair* ports);

  // Whether the next turn() would find something without reading.
  bool has_backlog() const { return carried_.has_value() || !queue_.is_empty(); }
  // The socket takes no more: wait until it is writable, then call turn().
  bool is_blocked() const { return unsent_ > 0; }
  bool is_blocked_by_v4() const {
    return messages_[messages_.size() - unsent_].to->address.is_v4();
  }

  // False when the tunnel was deleted.
  bool turn(SharedDevice& shared, MonoTime now);

  // What waited for the peer's session goes into the queues, or is dropped.
  void release_staged(wg::PeerId peer, MonoTime now);
  void drop_staged(wg::PeerId peer);
  // Of peers that were removed.
  void drop_staged_of_strangers(const wg::Device& device);
  // The link went down: nothing that waits is for the next time it is up.
  void drop_waiting();

  // A handshake message or a keepalive, at once.
  // False, and nothing is done: the socket takes no more.
  bool send(const wg::Transmit& transmit);

 private:
  using Handle = ParcelPool::Handle;
  using Queue = packet::FairQueue<Handle>;

  // Segments of one parcel that go out in this turn.
  struct Piece {
    Handle handle;
    std::uint32_t first;
    std::uint32_t count;
    bool is_last;  // the parcel is done with it
  };
  // Pieces for one peer, behind one another.
  struct Run {
    wg::PeerId peer;
    wg::SendGrant grant;
    std::size_t first_piece;
    std::size_t piece_count;
    std::size_t packets;
    std::size_t wire_bytes = 0;
    bool has_stale_source = false;
  };
  static constexpr std::size_t kArenaBytes = kEnoughBytes + (80 << 10);
  static constexpr std::size_t kMaxMessages = kMaxSegments;

  bool read();
  void accept(std::size_t size);
  void drop_fresh();
  void make_room();

  void plan(wg::Device& device, MonoTime now);
  void enqueue(Handle handle, const wg::AllowedIps& routes, MonoTime now);
  void push(Handle handle, MonoTime now);
  void choose(MonoTime now);
  void choose_small(MonoTime now);
  void choose_bulk(MonoTime now);
  bool take(Handle handle);
  std::optional<Handle> next_parcel(MonoTime now);
  bool slow_down(Handle handle);
  void make_runs(wg::Device& device, MonoTime now);
  void refuse(const Run& run, wg::SendRefusal refusal);
  void stage(Handle handle);

  void seal();
  void seal_run(Run& run);
  void write_piece(const Piece& piece, const Run& run, std::uint64_t& counter);
  void add_message(Run& run, ByteView datagram, std::uint8_t ds);
  void divert();
  bool divert_one(const Endpoint& to, ByteView train, std::size_t segment_size);
  void transmit();
  void note_stale(std::uint64_t mask, std::size_t first);

  void settle(wg::Device& device, MonoTime now);
  void forget_stale_sources(wg::Device& device);
  void drop(Handle handle, Loss loss);

  tun::Tun* tunnel_;
  unsigned tunnel_queue_;
  Counters* counters_;
  Notices* notices_;
  udp::UdpPair* ports_ = nullptr;
  std::size_t mtu_ = 1420;

  ParcelPool pool_;
  Queue queue_;
  Staging staging_;
  std::optional<Handle> carried_;  // a parcel that is partly sent
  bool owes_bulk_ = false;         // small packets went ahead of the rest of it
  MonoTime last_small_;

  // Of one turn.
  std::vector<Handle> fresh_;
  std::vector<Piece> pieces_;
  std::size_t chosen_segments_ = 0;
  std::size_t chosen_bytes_ = 0;
  std::vector<Run> runs_;
  std::unique_ptr<std::uint8_t[]> arena_;
  std::size_t arena_used_ = 0;
  std::vector<crypto::SealItem> items_;
  std::vector<udp::Outgoing> messages_;
  std::vector<std::uint32_t> run_of_message_;
  std::size_t unsent_ = 0;  // messages, from the end of messages_
};

}  // namespace sinew::dataplane
