#include "udp/receive_ring.h"

#include <sys/mman.h>
#include <sys/uio.h>

#include <new>
#include <vector>

#include "base/verify.h"
#include "udp/control.h"
#include "udp/socket_name.h"

namespace sinew::udp {
namespace {

constexpr std::align_val_t kPageBytes{4096};
constexpr std::align_val_t kHugePageBytes{2 << 20};

struct ArenaDeleter {
  std::align_val_t alignment;
  void operator()(std::uint8_t* bytes) const { ::operator delete(bytes, alignment); }
};
using Arena = std::unique_ptr<std::uint8_t, ArenaDeleter>;

// Untouched pages of a large allocation are not there yet.
Arena allocate(std::size_t size, bool huge_pages) {
  const std::align_val_t alignment = huge_pages ? kHugePageBytes : kPageBytes;
  Arena arena(static_cast<std::uint8_t*>(::operator new(size, alignment)), ArenaDeleter{alignment});
  // A wish: without it the memory is the same, only slower.
  if (huge_pages) ::madvise(arena.get(), size, MADV_HUGEPAGE);
  return arena;
}

struct Slot {
  iovec memory;
  SocketName name;
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> control;
};

void read_control(ByteView control, Datagrams& out) {
  ControlReader values(control);
  while (values.next()) {
    if (values.level() == SOL_UDP && values.type() == kUdpGro) {
      const int size = values.value<int>();
      if (size > 0 && static_cast<std::size_t>(size) < out.bytes.size()) {
        out.segment_size = static_cast<std::uint16_t>(size);
      }
    } else if (values.level() == IPPROTO_IP && values.type() == IP_PKTINFO) {
      const auto info = values.value<in_pktinfo>();
      out.local = to_address(info.ipi_spec_dst);
      out.interface = static_cast<std::uint32_t>(info.ipi_ifindex);
    } else if (values.level() == IPPROTO_IPV6 && values.type() == IPV6_PKTINFO) {
      const auto info = values.value<in6_pktinfo>();
      out.local = to_address(info.ipi6_addr, info.ipi6_ifindex);
      out.interface = info.ipi6_ifindex;
    } else if (values.level() == IPPROTO_IP && values.type() == IP_TOS) {
      out.ds = values.value<std::uint8_t>();
    } else if (values.level() == IPPROTO_IPV6 && values.type() == IPV6_TCLASS) {
      out.ds = static_cast<std::uint8_t>(values.value<int>());
    }
  }
}

}  // namespace

struct ReceiveRing::State {
  explicit State(const Options& options)
      : arena(allocate(options.messages * options.message_bytes, options.huge_pages)),
        slots(options.messages),
        headers(options.messages),
        datagrams(options.messages) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots[i].memory = {arena.get() + i * options.message_bytes, options.message_bytes};
      headers[i].msg_hdr.msg_name = &slots[i].name;
      headers[i].msg_hdr.msg_iov = &slots[i].memory;
      headers[i].msg_hdr.msg_iovlen = 1;
      headers[i].msg_hdr.msg_control = slots[i].control.data();
    }
    rearm(slots.size());
  }

  // The kernel overwrites these three of every message it fills.
  void rearm(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      headers[i].msg_hdr.msg_namelen = sizeof(SocketName);
      headers[i].msg_hdr.msg_controllen = kControlBytes;
      headers[i].msg_hdr.msg_flags = 0;
    }
  }

  Datagrams describe(std::size_t i) {
    Datagrams out;
    out.bytes = {static_cast<std::uint8_t*>(slots[i].memory.iov_base), headers[i].msg_len};
    out.segment_size = static_cast<std::uint16_t>(headers[i].msg_len);
    out.from = read_name(slots[i].name);
    read_control(ByteView(slots[i].control).first(headers[i].msg_hdr.msg_controllen), out);
    return out;
  }

  Arena arena;
  std::vector<Slot> slots;
  std::vector<mmsghdr> headers;
  std::vector<Datagrams> datagrams;
};

ReceiveRing::ReceiveRing(const Options& options) {
  VERIFY(options.messages >= 1 && options.messages <= kMaxMessages);
  VERIFY(options.message_bytes >= 1 && options.message_bytes <= kMaxMessageBytes);
  state_ = std::make_unique<State>(options);
}

ReceiveRing::ReceiveRing(ReceiveRing&&) noexcept = default;
ReceiveRing& ReceiveRing::operator=(ReceiveRing&&) noexcept = default;
ReceiveRing::~ReceiveRing() = default;

std::size_t ReceiveRing::capacity() const {
  return state_->slots.size();
}

std::span<mmsghdr> ReceiveRing::headers() {
  return state_->headers;
}

std::span<Datagrams> ReceiveRing::collect(std::size_t received, std::uint64_t& truncated) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < received; ++i) {
    const int flags = state_->headers[i].msg_hdr.msg_flags;
    if ((flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
      ++truncated;
    } else {
      state_->datagrams[count++] = state_->describe(i);
    }
  }
  state_->rearm(received);
  return std::span(state_->datagrams).first(count);
}

}  // namespace sinew::udp
