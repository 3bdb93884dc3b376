#include "tun/tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "base/verify.h"
#include "os/error.h"
#include "os/netif.h"
#include "os/network_namespace.h"

namespace sinew::tun {
namespace {

static_assert(Tun::kNameBytes == IFNAMSIZ);

constexpr const char* kDevice = "/dev/net/tun";

// Linux 6.2; the headers of Debian 12 are older.
constexpr unsigned kOffloadUso4 = 0x20;
constexpr unsigned kOffloadUso6 = 0x40;
// Linux 5.2: the network namespace that an interface is in.
constexpr unsigned long kGetNamespace = _IO('T', 227);

Result<os::Fd> open_device() {
  os::Fd fd(os::retry_interrupted([] { return ::open(kDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC); }));
  if (fd.is_open()) return fd;
  const int error = errno;
  const std::string what = std::string("open ") + kDevice + ": ";
  if (error == ENOENT || error == ENODEV || error == ENXIO) {
    return Error{ErrorKind::kNotFound, what +
                                           "this kernel has none; load it with `modprobe tun`, or "
                                           "give the container --device /dev/net/tun"};
  }
  if (error == EACCES || error == EPERM) {
    return Error{ErrorKind::kDenied,
                 what + os::describe_errno(error) +
                     "; run as root, or give the container --device /dev/net/tun"};
  }
  return os::system_error(std::string("open ") + kDevice, error);
}

bool is_taken(int error, const std::string& name) {
  return error == EBUSY || error == EEXIST ||
         (error == EINVAL && os::interface_number(name).has_value());
}

Error explain_refusal(int error, const std::string& name) {
  const std::string what = "create interface " + escape_for_terminal(name);
  if (error == EPERM) {
    return {ErrorKind::kDenied, what +
                                    ": that takes the capability CAP_NET_ADMIN; run as root, or "
                                    "give the container --cap-add NET_ADMIN"};
  }
  if (is_taken(error, name)) {
    return {ErrorKind::kConflict, what + ": there is an interface of this name already"};
  }
  return os::system_error(what, error);
}

// What the kernel takes as a name, and one %d where it may put a number.
Result<> check_name(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return Error{ErrorKind::kInvalid,
                 "interface name \"" + escape_for_terminal(name) + "\": " + std::string(why)};
  };
  if (name.empty()) return refuse("it is empty");
  if (name.size() >= Tun::kNameBytes) return refuse("it has more than 15 bytes");
  if (name == "." || name == "..") return refuse("it is a folder");
  const auto is_odd = [](char c) { return c <= ' ' || c == 0x7f || c == '/' || c == ':'; };
  if (std::ranges::any_of(name, is_odd)) {
    return refuse("only visible ASCII characters other than / and : are allowed");
  }
  const std::size_t percent = name.find('%');
  if (percent == std::string_view::npos) return {};
  const bool is_pattern = name.substr(percent, 2) == "%d" && name.rfind('%') == percent;
  return is_pattern ? Result<>() : refuse("a % is only allowed once, as %d");
}

bool has_features(const os::Fd& device, unsigned wanted) {
  unsigned features = 0;
  return ::ioctl(device.get(), TUNGETFEATURES, &features) == 0 && (features & wanted) == wanted;
}

// The most that this kernel takes: it refuses a set with any flag it does not know.
Offloads enable_offloads(const os::Fd& queue) {
  constexpr unsigned kChecksum = TUN_F_CSUM;
  constexpr unsigned kTso = kChecksum | TUN_F_TSO4 | TUN_F_TSO6;
  constexpr unsigned kUso = kTso | kOffloadUso4 | kOffloadUso6;
  const auto takes = [&](unsigned long flags) {
    return ::ioctl(queue.get(), TUNSETOFFLOAD, flags) == 0;
  };
  if (takes(kUso)) return {.checksum = true, .tso = true, .uso = true};
  if (takes(kTso)) return {.checksum = true, .tso = true, .uso = false};
  if (takes(kChecksum)) return {.checksum = true, .tso = false, .uso = false};
  return {};
}

}  // namespace

Result<Tun> Tun::open(std::string_view name, const Options& options) {
  VERIFY(options.queues >= 1 && options.queues <= kMaxQueues);
  TRY(check_name(name));
  os::Fd first = TRY(open_device());
  const bool has_vnet_header = options.vnet_header && has_features(first, IFF_VNET_HDR);
  unsigned flags = IFF_TUN | IFF_NO_PI;
  if (has_vnet_header) flags |= IFF_VNET_HDR;
  if (options.queues > 1) flags |= IFF_MULTI_QUEUE;

  Tun tun(std::string(name), TRY(netlink::Rtnetlink::open()));
  tun.has_vnet_header_ = has_vnet_header;
  // The first makes the interface and must not join one that somebody left behind.
  TRY(tun.attach(std::move(first), flags | IFF_TUN_EXCL));
  while (tun.queue_count() < options.queues)
    TRY(tun.attach(TRY(open_device()), flags));

  const auto index = os::interface_number(tun.name_);
  if (!index) return Error{ErrorKind::kNotFound, "interface " + tun.name_ + " vanished"};
  tun.index_ = *index;
  TRY(tun.set_up_vnet_header());
  return tun;
}

Result<> Tun::attach(os::Fd device, unsigned flags) {
  ifreq request{};
  std::memcpy(request.ifr_name, name_.data(), name_.size());
  request.ifr_flags = static_cast<short>(static_cast<std::uint16_t>(flags));
  if (::ioctl(device.get(), TUNSETIFF, &request) != 0) return explain_refusal(errno, name_);
  name_.assign(request.ifr_name, ::strnlen(request.ifr_name, kNameBytes));
  queues_.push_back({.fd = std::move(device), .counters = {}});
  return {};
}

// The header is in the byte order of the machine, as the kernel has it unless told otherwise.
Result<> Tun::set_up_vnet_header() {
  if (!has_vnet_header_) return {};
  const os::Fd& queue = queues_.front().fd;
  const int size = kVnetHeaderBytes;
  if (::ioctl(queue.get(), TUNSETVNETHDRSZ, &size) != 0) {
    return os::system_error("set the vnet header of interface " + name_);
  }
  offloads_ = enable_offloads(queue);
  return {};
}

bool Tun::exists() const {
  ifreq request{};
  return ::ioctl(queues_.front().fd.get(), TUNGETIFF, &request) == 0;
}

Result<> Tun::follow() {
  os::Fd there(::ioctl(queues_.front().fd.get(), kGetNamespace));
  if (!there.is_open()) return os::system_error("find interface " + name_);
  TRY(os::in_network_namespace(there, [this] { return look_around(); }));
  namespace_ = std::move(there);
  return {};
}

// Its name and number may be others there. The name stays that which it was made under: workers
// mention it.
Result<> Tun::look_around() {
  ifreq request{};
  if (::ioctl(queues_.front().fd.get(), TUNGETIFF, &request) != 0) {
    return os::system_error("look for interface " + name_);
  }
  const std::string name(request.ifr_name, ::strnlen(request.ifr_name, kNameBytes));
  const auto index = os::interface_number(name);
  if (!index) return Error{ErrorKind::kNotFound, "interface " + name + " vanished"};
  rtnetlink_ = TRY(netlink::Rtnetlink::open());
  index_ = *index;
  return {};
}

Result<netlink::LinkMonitor> Tun::monitor() {
  if (!namespace_.is_open()) return netlink::LinkMonitor::open(index_);
  std::optional<netlink::LinkMonitor> monitor;
  TRY(os::in_network_namespace(namespace_, [&]() -> Result<> {
    monitor = TRY(netlink::LinkMonitor::open(index_));
    return {};
  }));
  return *std::move(monitor);
}

Result<> Tun::set_active(unsigned queue, bool active) {
  ifreq request{};
  request.ifr_flags = active ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
  if (queues_[queue].is_active == active) return {};
  if (::ioctl(queues_[queue].fd.get(), TUNSETQUEUE, &request) != 0) {
    return os::system_error("switch a queue of interface " + name_);
  }
  queues_[queue].is_active = active;
  return {};
}

Result<std::optional<std::size_t>> Tun::read(unsigned queue, ByteSpan out) {
  const Queue& from = queues_[queue];
  if (!from.is_active) return std::nullopt;
  const ssize_t size =
      os::retry_interrupted([&] { return ::read(from.fd.get(), out.data(), out.size()); });
  if (size >= 0) return static_cast<std::size_t>(size);
  if (errno == EAGAIN) return std::nullopt;
  if (errno == EBADFD) {
    return Error{ErrorKind::kNotFound, "read from interface " + name_ + ": it was deleted"};
  }
  return os::system_error("read from interface " + name_);
}

WriteOutcome Tun::write(unsigned queue, ByteView vnet_header, std::span<const ByteView> parts) {
  VERIFY(parts.size() <= kMaxParts);
  std::array<iovec, kMaxParts + 1> memory;
  int count = 0;
  const auto add = [&](ByteView bytes) {
    // tidy: allow banned-calls (an iovec is not const, and writev(2) does not write to it)
    memory[static_cast<std::size_t>(count++)] = {const_cast<std::uint8_t*>(bytes.data()),
                                                 bytes.size()};
  };
  if (has_vnet_header_) {
    VERIFY(vnet_header.size() == kVnetHeaderBytes);
    add(vnet_header);
  }
  for (const ByteView part : parts)
    add(part);
  Queue& to = queues_[queue];
  if (!to.is_active) return refuse(to.counters, ENOTCONN);
  const ssize_t size =
      os::retry_interrupted([&] { return ::writev(to.fd.get(), memory.data(), count); });
  return size >= 0 ? WriteOutcome::kWritten : refuse(to.counters, errno);
}

WriteOutcome Tun::refuse(Counters& counters, int error) {
  switch (error) {
    case EAGAIN: return WriteOutcome::kFull;
    case EBADFD: return WriteOutcome::kGone;
    case EIO: ++counters.refused_down; break;
    case EINVAL:
    case EMSGSIZE: ++counters.refused_invalid; break;
    default: ++counters.refused_other;
  }
  return WriteOutcome::kRefused;
}

Result<std::uint32_t> Tun::mtu() {
  const netlink::Link now = TRY(link());
  return now.mtu;
}

}  // namespace sinew::tun
