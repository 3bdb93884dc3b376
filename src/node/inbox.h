// The way from the packet path to the node: what arrived that is not WireGuard's, sealed packets
// that leave over a detour, and which peers are in use.
//
// Posting is for any thread, copies, and never waits; what finds too much waiting is dropped and
// counted. kMaxBytes bounds the memory that a flood of strangers' datagrams can take. The node's
// thread drains.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/ip.h"
#include "base/result.h"
#include "netmap/netmap.h"
#include "node/packet_path.h"
#include "os/mailbox.h"

namespace sinew::node {

struct News {
  enum class Kind : std::uint8_t {
    kDatagram,  // from `from`: `train`
    kDetour,    // for `detour`: `train`
    kWanted,    // there are packets for `peer`
    kHeard,     // authentic packets of `peer` came from `from`
    kStopped,   // the packet path has ended
  };
  Kind kind = Kind::kDatagram;
  netmap::NodeKey peer = {};
  Endpoint from = {};
  DetourNumber detour = {};
  Bytes train = {};  // datagrams of `segment` bytes behind one another, the last one maybe shorter
  std::size_t segment = 0;
};

class Inbox {
 public:
  static constexpr std::size_t kMaxNews = 4096;
  static constexpr std::size_t kMaxBytes = 8 << 20;

  static Result<std::unique_ptr<Inbox>> open();

  // Any thread. False: dropped.
  bool post(News news);

  // The node's thread.
  const os::Fd& fd() const { return mailbox_.fd(); }
  // Valid until the next drain().
  std::span<News> drain();
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  explicit Inbox(os::EventFd wake) : mailbox_(std::move(wake), kMaxNews) {}

  os::Mailbox<News> mailbox_;
  std::atomic<std::size_t> waiting_bytes_ = 0;
  std::atomic<std::uint64_t> dropped_ = 0;
};

// f(datagram) for each one of a train.
template <typename F>
void for_each_datagram(const News& news, F&& f) {
  ByteView rest = news.train;
  while (!rest.empty()) {
    const std::size_t size = news.segment == 0 ? rest.size() : std::min(news.segment, rest.size());
    f(rest.first(size));
    rest = rest.subspan(size);
  }
}

}  // namespace sinew::node
