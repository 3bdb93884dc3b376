// The way into a worker for what did not come by its sockets: trains that somebody else received
// over a detour. Any thread posts, the worker drains. What is posted is copied once, into one of
// two buffers that change places and grow to what is needed, so that nothing is allocated while
// packets flow. A train that finds no room is refused: who sent it is WireGuard, and slows down.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "os/event_fd.h"
#include "os/mutex.h"
#include "udp/receive_ring.h"

namespace sinew::dataplane {

class Inlet {
 public:
  // That wait for the worker, which comes by every millisecond or so under load.
  static constexpr std::size_t kMaxBytes = 1 << 20;
  static constexpr std::size_t kMaxTrains = 2048;

  static Result<std::unique_ptr<Inlet>> open();
  Inlet(const Inlet&) = delete;
  Inlet& operator=(const Inlet&) = delete;

  // Any thread. False when there is no room, and when it is no train: without bytes, or with
  // segments of no size or of more than a datagram has.
  bool post(std::uint32_t number, ByteView train, std::size_t segment_size);

  // The worker: readable while there is something.
  const os::Fd& fd() const { return wake_.fd(); }

  struct Batch {
    std::span<udp::Datagrams> trains;  // from detour_endpoint(number); to be opened in place
    std::uint64_t refused = 0;         // trains, since the batch before
    unsigned filled_percent = 0;       // of the room that there is
  };
  // The worker: everything that waits, in order. Valid until the next drain().
  Batch drain();

 private:
  struct Posted {
    std::uint32_t number;
    std::uint32_t size;
    std::uint16_t segment_size;
  };
  struct Buffer {
    std::vector<std::uint8_t> bytes;
    std::vector<Posted> trains;
  };

  explicit Inlet(os::EventFd wake) : wake_(std::move(wake)) {}

  const os::EventFd wake_;
  Buffer drained_;                      // the worker's
  std::vector<udp::Datagrams> trains_;  // the worker's, into drained_
  os::Mutex mutex_;
  Buffer posted_ SINEW_GUARDED_BY(mutex_);
  std::uint64_t refused_ SINEW_GUARDED_BY(mutex_) = 0;
};

}  // namespace sinew::dataplane
