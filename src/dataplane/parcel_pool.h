// Module dataplane: the running packet path. It moves packets between the tunnel device, the
// protocol object and the network, in batches, in the turns of one loop per worker. It decides no
// protocol question (wg), knows no wire format (packet, wg) and makes no system call of its own
// (tun, udp, os). The map of a turn is in worker.h.
//
// This header: the memory of packets that wait between the tunnel and the network. Two sizes of
// cell in one arena that is allocated once: super-packets of up to 64 KiB, and everything that is
// small, so that a queue full of acknowledgements does not cost 64 KiB each. Pages that were never
// used cost nothing. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/verify.h"
#include "packet/split.h"
#include "packet/vnet.h"
#include "wg/ids.h"

namespace sinew::dataplane {

// A packet as the kernel handed it to the tunnel: perhaps a super-packet that is still to be split.
struct Parcel {
  ByteSpan packet;  // without its vnet header
  packet::SplitPlan plan;
  wg::PeerId peer;
  std::uint32_t flow_hash = 0;
  std::uint32_t next_segment = 0;  // those before it are on their way
  std::uint8_t ds = 0;             // the traffic class of the outer packets
};

class ParcelPool {
 public:
  using Handle = std::uint32_t;

  static constexpr std::size_t kLargeCount = 64;
  static constexpr std::size_t kLargeSize = packet::kVnetHeaderSize + 65'536;
  static constexpr std::size_t kSmallCount = 1024;
  static constexpr std::size_t kSmallSize = 2048;
  static constexpr std::size_t kCount = kLargeCount + kSmallCount;

  ParcelPool()
      : arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kLargeCount * kLargeSize +
                                                              kSmallCount * kSmallSize)),
        parcels_(kCount) {
    for (Handle handle = kCount; handle-- > kLargeCount;)
      free_small_.push_back(handle);
    for (Handle handle = kLargeCount; handle-- > 0;)
      free_large_.push_back(handle);
  }

  // Where the next packet is read into; empty when every large cell is taken.
  ByteSpan read_room() { return free_large_.empty() ? ByteSpan{} : cell(free_large_.back()); }
  // Keeps the `size` bytes that were read into read_room(), a vnet header first. A small packet
  // that finds the small cells taken stays where it is.
  Handle keep(std::size_t size) {
    if (size > kSmallSize || free_small_.empty()) return take_large(size);
    const Handle handle = free_small_.back();
    free_small_.pop_back();
    const ByteSpan to = cell(handle);
    std::memcpy(to.data(), cell(free_large_.back()).data(), size);
    set_bytes(handle, size);
    return handle;
  }
  void release(Handle handle) { (is_large(handle) ? free_large_ : free_small_).push_back(handle); }

  static bool is_large(Handle handle) { return handle < kLargeCount; }
  Parcel& operator[](Handle handle) { return parcels_[handle]; }
  // The vnet header in front of the packet.
  const std::uint8_t* vnet_header(Handle handle) { return cell(handle).data(); }
  std::size_t used() const { return kCount - free_large_.size() - free_small_.size(); }

 private:
  Handle take_large(std::size_t size) {
    VERIFY(!free_large_.empty() && size <= kLargeSize);
    const Handle handle = free_large_.back();
    free_large_.pop_back();
    set_bytes(handle, size);
    return handle;
  }
  void set_bytes(Handle handle, std::size_t size) {
    parcels_[handle] = {};
    parcels_[handle].packet = cell(handle).first(size).subspan(packet::kVnetHeaderSize);
  }
  ByteSpan cell(Handle handle) {
    if (is_large(handle)) return {arena_.get() + handle * kLargeSize, kLargeSize};
    const std::size_t index = handle - kLargeCount;
    return {arena_.get() + kLargeCount * kLargeSize + index * kSmallSize, kSmallSize};
  }

  std::unique_ptr<std::uint8_t[]> arena_;
  std::vector<Parcel> parcels_;
  std::vector<Handle> free_large_;
  std::vector<Handle> free_small_;
};

}  // namespace sinew::dataplane
