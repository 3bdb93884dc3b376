// Where received datagrams lie until the next receive(): one block of memory, allocated once and
// cut into equal messages, with everything recvmmsg(2) needs beside it. Nothing is allocated while
// packets flow.
//
// A message takes a whole coalesced train, so it is 64 KiB by default; a datagram that is longer
// than a message is cut by the kernel, and then dropped and counted by the port. Pages that were
// never written cost no memory: an idle ring is a few pages. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/ip.h"

struct mmsghdr;

namespace sinew::udp {

// Datagrams that arrived one behind the other on one way, or a single one. All have
// `segment_size` bytes but the last, which may be shorter.
struct Datagrams {
  ByteSpan bytes;
  std::uint16_t segment_size = 0;  // of a single datagram its size; 0 only when `bytes` is empty
  std::uint8_t ds = 0;             // the outer header's DS field and ECN mark
  Endpoint from;
  IpAddress local;              // the address of ours it was sent to
  std::uint32_t interface = 0;  // it came in by

  // None for an empty datagram, which says nothing.
  std::size_t count() const {
    return bytes.empty() ? 0 : (bytes.size() + segment_size - 1) / segment_size;
  }
  ByteSpan segment(std::size_t index) const {
    const std::size_t at = index * segment_size;
    return bytes.subspan(at, bytes.size() - at < segment_size ? bytes.size() - at : segment_size);
  }
};

class ReceiveRing {
 public:
  // The longest that one read of a socket gives: 64 KiB, coalesced or not.
  static constexpr std::size_t kMaxMessageBytes = 65'536;
  // Of one recvmmsg(2).
  static constexpr std::size_t kMaxMessages = 64;

  struct Options {
    std::size_t messages = 8;                      // 1 to kMaxMessages
    std::size_t message_bytes = kMaxMessageBytes;  // 1 to kMaxMessageBytes
    bool huge_pages = false;  // asks the kernel: faster under load, and 2 MiB are never given back
  };

  explicit ReceiveRing(const Options& options);
  ReceiveRing(ReceiveRing&&) noexcept;
  ReceiveRing& operator=(ReceiveRing&&) noexcept;
  ~ReceiveRing();

  std::size_t capacity() const;

 private:
  friend class UdpPort;
  struct State;

  // For recvmmsg(2), and what it put into the first `received` of them.
  std::span<mmsghdr> headers();
  std::span<Datagrams> collect(std::size_t received, std::uint64_t& truncated);

  std::unique_ptr<State> state_;
};

}  // namespace sinew::udp
