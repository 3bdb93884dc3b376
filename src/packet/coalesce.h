// Puts the packets of a batch back together before they are written to a TUN queue, since each
// write costs as much as the TCP stack needs for many packets. Consecutive segments of a TCP flow,
// and equal UDP datagrams of one, leave as one super-packet, cut again by the kernel only when it
// forwards them.
//
// add() takes authentic packets that have passed parse_inner(), in the order of arrival. They stay
// in the receive buffers, and their headers may be edited there, so they stay alive and untouched
// until flush() has handed out the writes, in the order of arrival of their first packets.
//
// What is promised, whatever a peer sends:
//   - Nothing is lost or invented: super-packets cut again are the packets that were given, but for
//     IPv4 ids of zero, which count up then (the kernel has no way to say that they do not), and
//     TCP checksums of 0xffff, which become the zero that they equal.
//   - Packets of a flow never overtake each other. One that cannot join ends what is open of its
//     flow; one that does not tell its ports (a fragment, an extension header) or has none ends all
//     that is open between its two addresses.
//   - No broken packet is mended: transport and IPv4 header checksums of each packet are verified
//     before it joins, because the kernel trusts those of a super-packet. A packet that stays alone
//     is not verified, and is written as it came.
//
// TCP joins when headers are equal (TOS with ECN, TTL, DF, acknowledgement, window, options, flow
// label), flags are ACK alone or with PSH, the sequence number is the next one, and all payloads
// are as long as the first; a shorter one or PSH is the last. UDP joins when headers and lengths
// are equal but for a shorter last one, and a checksum is there. IPv4: no options, no fragment, ids
// count up, or all are zero with DF.
//
// Fixed size, no allocation; O(1) for each packet: a lookup takes at most kMostProbes steps, so
// that chosen collisions only make packets go alone. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "packet/inner.h"
#include "packet/vnet.h"

namespace sinew::packet {

// What the TUN device takes. TCP segmentation comes with checksum offload.
struct TunOffloads {
  bool tcp = true;   // TSO4 and TSO6
  bool udp = false;  // USO4 and USO6, since Linux 6.2
};

struct TunWrite {
  VnetHeader header;  // all zero for a packet that goes as it is
  std::span<const ByteView> parts;
  std::size_t size;  // of all parts together, without the VnetHeader
};

class Coalescer {
 public:
  static constexpr std::size_t kMaxPackets = 256;  // between two flushes
  static constexpr std::size_t kMaxParts = 64;     // packets in one write

  // `seed` keeps strangers from choosing flows that collide.
  explicit Coalescer(TunOffloads offloads, std::uint64_t seed = 0)
      : offloads_(offloads), seed_(seed) {}

  bool is_empty() const { return packet_count_ == 0; }
  // Then flush() is next.
  bool is_full() const { return packet_count_ == kMaxPackets; }

  // `inner` is what parse_inner() said about `packet`; bytes behind its total length are cut off.
  void add(ByteSpan packet, const InnerPacket& inner);

  // Calls sink(const TunWrite&) for each write and is empty then. The parts are valid during the
  // call, what they point at as long as the receive buffers.
  template <typename Sink>
  void flush(Sink&& sink) {
    for (std::size_t i = 0; i < write_count_; ++i)
      sink(finish(writes_[i]));
    clear();
  }
  // Forgets all packets.
  void clear();

 private:
  static constexpr std::size_t kSlots = 2 * kMaxPackets;  // a power of two
  static constexpr std::size_t kMostProbes = 8;
  static constexpr std::uint16_t kNoSlot = 0xffff;

  // What a packet's headers say that decides whether it joins.
  struct Candidate {
    std::uint8_t* start;
    std::uint32_t size;
    std::uint32_t sequence;  // TCP
    std::uint16_t headers;   // bytes of IP and transport header
    std::uint16_t payload;
    std::uint16_t id;  // IPv4
    bool has_push;     // TCP
  };
  // Where the write of a flow is to be found; a slot that is free yet, or none near enough.
  struct Place {
    std::uint16_t slot;
    std::uint32_t address_hash;
    std::uint64_t flow_hash;
  };
  struct Packet {
    std::uint8_t* start;
    std::uint32_t size;
    std::uint16_t next;  // of the same write
  };
  // One write to be: a packet that goes alone, or those that have joined it.
  struct Write {
    std::uint64_t flow_hash;
    std::uint32_t size;           // of all together
    std::uint32_t next_sequence;  // TCP
    std::uint16_t headers;        // bytes of IP and transport header
    std::uint16_t payload;        // bytes of the first payload: the segment size
    std::uint16_t first, last;    // packets
    std::uint16_t count;
    std::uint16_t next_id;       // IPv4
    std::uint8_t header_length;  // of the IP header
    bool is_v4;
    bool is_tcp;
    bool counts_ids;   // IPv4
    bool is_verified;  // the first packet
    bool ends_with_push;
  };

  bool read_candidate(const InnerPacket& inner, Candidate& candidate) const;
  Write& begin_write(const InnerPacket& inner);
  void open_write(Write& write, const InnerPacket& inner, const Candidate& candidate);
  bool join(Write& write, const Candidate& candidate);
  void close_between(std::uint32_t address_hash);
  Place find_place(const InnerPacket& inner);
  bool is_same_flow(const Write& write, const InnerPacket& inner) const;
  TunWrite finish(const Write& write);

  TunOffloads offloads_;
  std::uint64_t seed_;
  std::uint16_t packet_count_ = 0;
  std::uint16_t write_count_ = 0;
  std::uint16_t last_slot_ = kNoSlot;          // of the packet before, if it has a write
  std::array<std::uint16_t, kSlots> slots_{};  // 1 + the newest open write of a flow; 0: free
  std::array<bool, kMaxPackets> is_open_{};    // by write
  std::array<std::uint32_t, kMaxPackets> address_hashes_{};  // by write
  std::array<Packet, kMaxPackets> packets_{};
  std::array<Write, kMaxPackets> writes_{};
  std::array<ByteView, kMaxParts> parts_{};
};

}  // namespace sinew::packet
