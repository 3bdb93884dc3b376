#include "dataplane/inlet.h"

#include <limits>

#include "dataplane/detour.h"

namespace sinew::dataplane {

Result<std::unique_ptr<Inlet>> Inlet::open() {
  os::EventFd wake = TRY(os::EventFd::create());
  return std::unique_ptr<Inlet>(new Inlet(std::move(wake)));
}

bool Inlet::post(std::uint32_t number, ByteView train, std::size_t segment_size) {
  segment_size = std::min(segment_size, train.size());
  if (segment_size == 0 || segment_size > std::numeric_limits<std::uint16_t>::max()) return false;
  bool was_empty = false;
  {
    const os::MutexLock lock(mutex_);
    const bool has_room =
        posted_.trains.size() < kMaxTrains && train.size() <= kMaxBytes - posted_.bytes.size();
    if (!has_room) {
      ++refused_;
      return false;
    }
    was_empty = posted_.trains.empty();
    posted_.bytes.insert(posted_.bytes.end(), train.begin(), train.end());
    posted_.trains.push_back({.number = number,
                              .size = static_cast<std::uint32_t>(train.size()),
                              .segment_size = static_cast<std::uint16_t>(segment_size)});
  }
  if (was_empty) wake_.raise();
  return true;
}

Inlet::Batch Inlet::drain() {
  drained_.bytes.clear();
  drained_.trains.clear();
  trains_.clear();
  // Cleared before looking, as a Mailbox does it.
  wake_.clear();
  Batch batch;
  {
    const os::MutexLock lock(mutex_);
    std::swap(posted_, drained_);
    batch.refused = std::exchange(refused_, 0);
  }
  ByteSpan rest = drained_.bytes;
  for (const Posted& posted : drained_.trains) {
    trains_.push_back({.bytes = rest.first(posted.size),
                       .segment_size = posted.segment_size,
                       .ds = 0,
                       .from = detour_endpoint(posted.number),
                       .local = {},
                       .interface = 0});
    rest = rest.subspan(posted.size);
  }
  batch.trains = trains_;
  batch.filled_percent = static_cast<unsigned>(drained_.bytes.size() * 100 / kMaxBytes);
  return batch;
}

}  // namespace sinew::dataplane
