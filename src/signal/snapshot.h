// What a nucleus remembers across a restart: who holds which address, and the map as it was, so
// that a restart takes nobody out of anybody's map. A value, and its one form as bytes: 8 bytes
// that name the format, the clusters, and SHA-256 over all of it, so that a damaged file is found
// out and not believed. The file is ours; decode() is strict all the same. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "netmap/netmap.h"

namespace sinew::signal {

inline constexpr std::size_t kMaxSnapshotBytes = 32 << 20;

struct Snapshot {
  // A node as it was last. Its addresses are pinned to its key.
  struct Pin {
    netmap::Peer record;
    WallTime last_heard;
    bool is_in_map = false;  // false: only the addresses are left

    friend bool operator==(const Pin&, const Pin&) = default;
  };
  struct Cluster {
    std::vector<Pin> pins;

    friend bool operator==(const Cluster&, const Cluster&) = default;
  };

  std::map<std::string, Cluster> clusters;  // by name

  Bytes encode() const;
  // kInvalid for anything else than what encode() made.
  static Result<Snapshot> decode(ByteView bytes);

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

}  // namespace sinew::signal
