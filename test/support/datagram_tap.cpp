#include "support/datagram_tap.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>

#include "os/clock.h"
#include "os/error.h"
#include "os/poll.h"

namespace sinew::lab {
namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kUdpHeader = 8;

// Of all protocols, because the bridge takes a frame before it comes to a listener of one.
os::Fd listen_to(const std::string& interface) {
  os::Fd socket(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL)));
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  const int room = 32 << 20;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    throw LabError(os::system_error("listen to " + interface).message);
  return socket;
}

Endpoint endpoint_at(const std::uint8_t* address, const std::uint8_t* port) {
  return {.address = IpAddress::v4(address[0], address[1], address[2], address[3]),
          .port = load_be<std::uint16_t>(port)};
}

// Nothing when it is no whole UDP datagram.
std::optional<TappedDatagram> parse(ByteView packet) {
  constexpr std::uint8_t kPlainHeader = 0x45;
  constexpr std::uint16_t kFragmentMask = 0x3fff;
  if (packet.size() < kIpHeader + kUdpHeader || packet[0] != kPlainHeader) return std::nullopt;
  if (packet[9] != IPPROTO_UDP) return std::nullopt;
  if ((load_be<std::uint16_t>(packet.data() + 6) & kFragmentMask) != 0) return std::nullopt;
  const ByteView datagram = packet.subspan(kIpHeader);
  const std::size_t size = load_be<std::uint16_t>(datagram.data() + 4);
  if (size < kUdpHeader || size > datagram.size()) return std::nullopt;
  const ByteView payload = datagram.first(size).subspan(kUdpHeader);
  return TappedDatagram{.from = endpoint_at(packet.data() + 12, datagram.data()),
                        .to = endpoint_at(packet.data() + 16, datagram.data() + 2),
                        .bytes = Bytes(payload.begin(), payload.end())};
}

}  // namespace

DatagramTap::DatagramTap(Network& network, const Node& sender)
    : socket_(network.node().inside([&] { return listen_to(sender.name()); })) {}

std::optional<TappedDatagram> DatagramTap::next(Duration patience) {
  const MonoTime deadline = os::SystemClock().now() + patience;
  while (true) {
    pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (!must(os::poll_until({&ready, 1}, deadline))) return std::nullopt;
    if (auto datagram = read()) return datagram;
  }
}

std::optional<TappedDatagram> DatagramTap::read() {
  std::array<std::uint8_t, 65'536> room;
  sockaddr_ll from{};
  socklen_t from_size = sizeof from;
  const auto size = ::recvfrom(socket_.get(), room.data(), room.size(), 0,
                               reinterpret_cast<sockaddr*>(&from), &from_size);
  if (size < 0 || from.sll_pkttype == PACKET_OUTGOING) return std::nullopt;
  if (from.sll_protocol != htons(ETH_P_IP)) return std::nullopt;
  return parse(ByteView(room).first(static_cast<std::size_t>(size)));
}

}  // namespace sinew::lab
