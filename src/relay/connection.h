// One connection as the Switchboard keeps it; of use to its two files alone.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_set>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/token_bucket.h"
#include "relay/byte_rate.h"
#include "relay/frames.h"
#include "relay/packet_queue.h"
#include "relay/server.h"

namespace sinew::relay {

struct Switchboard::Connection {
  Connection(ConnectionId id_, const Limits& limits, QueuedBytes* total, MonoTime now)
      : id(id_),
        queue({.bytes = limits.queue_bytes,
               .packets = limits.queue_packets,
               .disco_packets = limits.disco_packets},
              total),
        rate(limits.bytes_per_second, limits.burst_bytes, now),
        not_here(kNotHereRate, now),
        udp_asks(kUdpAskRate, now) {}

  ConnectionId id;
  bool is_client = false;  // logged in; all below but `reader` and `control` is for clients
  bool is_ready = false;   // stands in ready_
  bool is_ending = false;
  bool has_twins = false;
  bool is_home = false;
  MonoTime due = MonoTime::never();
  FrameReader reader;
  Bytes control;
  PacketQueue queue;
  Address address;
  ClientNumber number;
  ByteRate rate;
  TokenBucket not_here;
  TokenBucket udp_asks;
  std::optional<UdpSessionId> udp;
  std::unordered_set<ClientNumber> watchers;  // told when this one is gone
};

}  // namespace sinew::relay
