// The sending half of a UdpPort: cuts trains to what the kernel takes, and knows what to do about
// each error. Internal to udp.
//
// A message that fails is tried again in at most four ways: as it is asked for; as single
// datagrams (the path is too narrow for UDP_SEGMENT, or the device cannot); without the source
// address that may have vanished, as a train and as single datagrams. What then still fails is
// dropped, and the next message gets its turn. An interrupted train goes on where it stopped.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <span>

#include "udp/control.h"
#include "udp/socket_name.h"
#include "udp/udp_port.h"

namespace sinew::udp {

// Stays where it was made: the kernel's structures point into it.
class Sender {
 public:
  Sender(bool is_v6, bool has_segmentation);
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  bool has_segmentation() const { return has_segmentation_; }
  SendReport send(int socket, std::span<const Outgoing> messages, Counters& counters);

 private:
  // How far a send() has come, and how it tries the message it has come to.
  struct Cursor {
    std::size_t index = 0;
    std::size_t offset = 0;
    bool is_cut = false;         // into single datagrams
    bool is_sourceless = false;  // the kernel chooses the address
  };
  // One message of sendmmsg(2): a piece of an Outgoing.
  struct Slot {
    SocketName name;
    iovec memory;
    alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> control;
    std::size_t index;       // of the Outgoing
    std::size_t end_offset;  // in it
    bool is_train;
    bool has_source;
    bool is_sourceless;
    bool is_last;  // of the Outgoing
  };
  static constexpr std::size_t kSlots = UdpPort::kMaxSendBatch;

  std::size_t fill(std::span<const Outgoing> messages, const Cursor& from);
  std::size_t piece_size(const Outgoing& message, std::size_t offset, bool is_cut) const;
  void fill_slot(std::size_t slot, const Outgoing& message, ByteView piece, bool is_sourceless);
  void put_source(ControlWriter& control, const Outgoing& message) const;
  void advance(Cursor& cursor, std::size_t sent, SendReport& report, Counters& counters) const;
  bool degrade(Cursor& cursor, int error, Counters& counters);
  static void drop(Cursor& cursor, int error, SendReport& report, Counters& counters);

  const bool is_v6_;
  bool has_segmentation_;
  std::array<Slot, kSlots> slots_;
  std::array<mmsghdr, kSlots> headers_;
};

}  // namespace sinew::udp
