// Module tun: the network interface whose packets are ours to carry. A Tun is one layer-3 device of
// the kernel, with one or several queues. The interface is there from open() until the Tun dies,
// or the process, however it ends.
//
// With the vnet header (VIRTIO's, 10 bytes, packet/vnet.h) in front of each packet the kernel
// hands over TCP and UDP super-packets of up to 64 KiB with unfinished checksums, and takes such:
// one system call moves what would be 45 packets. Which offloads this kernel has is found out at
// open(); on kernels before 6.2 there are none for UDP. TSO_ECN is never asked for: a super-packet
// with CWR set is rare, and without that offload the kernel cuts it itself, which is right.
//
// The descriptors are non-blocking. A queue belongs to one thread at a time; all else to the
// thread that opened. Calls about the interface work in the network namespace it was made in,
// wherever the thread is by then.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "netlink/link_monitor.h"
#include "netlink/rtnetlink.h"
#include "os/fd.h"

namespace sinew::tun {

// The size of the vnet header in front of each packet of a Tun that has it.
inline constexpr std::size_t kVnetHeaderBytes = 10;
// Of a packet, without the vnet header.
inline constexpr std::size_t kMaxPacketBytes = 65'535;

struct Options {
  unsigned queues = 1;      // 1 to Tun::kMaxQueues
  bool vnet_header = true;  // as far as the kernel has it
};

// What the kernel may leave to us in what it hands over, and what we may leave to it. All need the
// vnet header.
struct Offloads {
  bool checksum = false;  // unfinished checksums
  bool tso = false;       // TCP super-packets, both families
  bool uso = false;       // UDP super-packets, both families

  friend bool operator==(const Offloads&, const Offloads&) = default;
};

enum class WriteOutcome : std::uint8_t {
  kWritten,
  kFull,     // not now: wait until the queue is writable
  kRefused,  // this packet is not taken, and counted; the next one may be
  kGone,     // the interface was deleted
};

class Tun {
 public:
  static constexpr unsigned kMaxQueues = 16;
  // Pieces of one write, the vnet header not counted.
  static constexpr std::size_t kMaxParts = 128;
  // With the terminating zero: a name has at most 15 bytes.
  static constexpr std::size_t kNameBytes = 16;

  // Of one queue.
  struct Counters {
    std::uint64_t refused_down = 0;     // the interface is down
    std::uint64_t refused_invalid = 0;  // no IP packet, or a vnet header that does not fit it
    std::uint64_t refused_other = 0;    // no memory, a queue that is not active, …

    Counters& operator+=(const Counters& other) {
      refused_down += other.refused_down;
      refused_invalid += other.refused_invalid;
      refused_other += other.refused_other;
      return *this;
    }
  };

  // A new interface, down and without addresses. In "sinew%d" the kernel puts the first number
  // that is free. Errors say what to do: kNotFound (no /dev/net/tun), kDenied (CAP_NET_ADMIN),
  // kConflict (the name is taken), kInvalid (no name for an interface).
  static Result<Tun> open(std::string_view name, const Options& options = {});

  const std::string& name() const { return name_; }
  std::uint32_t index() const { return index_; }
  bool has_vnet_header() const { return has_vnet_header_; }
  Offloads offloads() const { return offloads_; }

  unsigned queue_count() const { return static_cast<unsigned>(queues_.size()); }
  const os::Fd& queue(unsigned queue) const { return queues_[queue].fd; }
  const Counters& counters(unsigned queue) const { return queues_[queue].counters; }
  // Whether the interface is there still, in this network namespace or in another.
  bool exists() const;
  // After it was moved to another network namespace: from now on calls about the interface work
  // there. kDenied without CAP_SYS_ADMIN, kUnsupported on kernels before 5.2; nothing has changed
  // then, and packets flow all the same.
  Result<> follow();
  // A queue that is not active gets no packets and takes none. Only with several queues.
  Result<> set_active(unsigned queue, bool active);

  // One packet, the vnet header first if there is one; nothing when none waits. `out` has room for
  // both; what does not fit is cut off. kNotFound when the interface was deleted.
  Result<std::optional<std::size_t>> read(unsigned queue, ByteSpan out);

  // One packet from its parts. `vnet_header` has kVnetHeaderBytes bytes, and is ignored by a Tun
  // without it.
  WriteOutcome write(unsigned queue, ByteView vnet_header, std::span<const ByteView> parts);

  Result<netlink::Link> link() { return rtnetlink_.link(index_); }
  Result<std::uint32_t> mtu();
  Result<> set_mtu(std::uint32_t mtu) { return change({.mtu = mtu}); }
  Result<> set_up(bool up = true) { return change({.up = up}); }
  // In packets or super-packets; 500 by default in the kernel.
  Result<> set_transmit_queue(std::uint32_t packets) { return change({.transmit_queue = packets}); }
  Result<> change(const netlink::LinkSettings& settings) {
    return rtnetlink_.change_link(index_, settings);
  }
  // The address is ours and the rest of the prefix is behind the interface. No error if it is there
  // already.
  Result<> add_address(const IpAddress& address, unsigned prefix_length) {
    return rtnetlink_.add_address(index_, address, prefix_length);
  }
  // To hear of what others change, in the namespace that the interface is in.
  Result<netlink::LinkMonitor> monitor();

 private:
  struct Queue {
    os::Fd fd;
    Counters counters;
    bool is_active = true;
  };

  Result<> look_around();
  Result<> attach(os::Fd device, unsigned flags);
  Result<> set_up_vnet_header();
  static WriteOutcome refuse(Counters& counters, int error);
  Tun(std::string name, netlink::Rtnetlink rtnetlink)
      : name_(std::move(name)), rtnetlink_(std::move(rtnetlink)) {}

  std::string name_;
  std::uint32_t index_ = 0;
  bool has_vnet_header_ = false;
  Offloads offloads_;
  std::vector<Queue> queues_;
  netlink::Rtnetlink rtnetlink_;
  os::Fd namespace_;  // it was moved to; none: that of the thread that opened
};

}  // namespace sinew::tun
