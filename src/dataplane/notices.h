// What a worker tells a Companion about peers: collected while the device is locked, told after. A
// peer that is in use all the time is told of once in kNoticeInterval, so that this costs a look at
// a small table for each batch.
//
// The tables have fixed places. Peers that share one are told of more often than they need be,
// which begins with kPlaces peers in use at once. One thread: that of the worker.
#pragma once

#include <optional>
#include <vector>

#include "base/clock.h"
#include "dataplane/detour.h"
#include "wg/device.h"

namespace sinew::dataplane {

class Notices {
 public:
  static constexpr std::size_t kPlaces = 1024;  // a power of two
  // That wait for tell(); more are left out, and come again with the next packets.
  static constexpr std::size_t kMaxWaiting = 256;

  explicit Notices(Companion& companion)
      : companion_(&companion), wanted_(kPlaces), heard_(kPlaces) {}

  Companion& companion() { return *companion_; }

  // The device is locked.
  void note_wanted(const wg::Device& device, wg::PeerId peer, MonoTime now);
  void note_heard(const wg::Device& device, wg::PeerId peer, const wg::Path& from, MonoTime now);

  // The device is not locked.
  void tell();

 private:
  struct Place {
    std::optional<wg::PeerId> peer;
    Endpoint from;
    MonoTime noted;
  };
  struct Heard {
    wg::PublicKey peer;
    wg::Path from;
  };
  static bool is_due(Place& place, wg::PeerId peer, const Endpoint& from, MonoTime now);

  Companion* companion_;
  std::vector<Place> wanted_;
  std::vector<Place> heard_;
  std::vector<wg::PublicKey> wanted_waiting_;
  std::vector<Heard> heard_waiting_;
};

}  // namespace sinew::dataplane
