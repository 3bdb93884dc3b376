#include "support/udp_probe.h"

#include <sys/socket.h>

#include <array>

#include "os/clock.h"
#include "os/error.h"
#include "os/poll.h"
#include "os/socket.h"
#include "support/lab_error.h"

namespace sinew::lab {

UdpProbe::UdpProbe(Node& node, std::string_view local)
    : local_(must(Endpoint::parse(local))), socket_(node.udp_socket(local_)) {
  // Bursts wait here, so that what does not arrive was lost on the way.
  const int room = 16 << 20;
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
}

void UdpProbe::send(const Endpoint& to, std::string_view text) {
  pollfd ready{.fd = socket_.get(), .events = POLLOUT, .revents = 0};
  if (!must(os::poll_until({&ready, 1}, os::SystemClock().now() + kPatience))) {
    throw LabError("send to " + to.to_string() + ": the network takes nothing");
  }
  const auto address = must(os::to_socket_address(to, os::family_of(socket_)));
  const auto sent = os::retry_interrupted([&] {
    return ::sendto(socket_.get(), text.data(), text.size(), 0, address.get(), address.size);
  });
  if (sent < 0) throw LabError(os::system_error("send to " + to.to_string()).message);
}

std::optional<Datagram> UdpProbe::receive(Duration patience) {
  pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (!must(os::poll_until({&ready, 1}, os::SystemClock().now() + patience))) return std::nullopt;
  std::array<char, 65'536> buffer;
  os::SocketAddress from;
  const auto size = os::retry_interrupted([&] {
    return ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0, from.get(), &from.size);
  });
  if (size < 0) throw LabError(os::system_error("receive a datagram").message);
  return Datagram{os::to_endpoint(from),
                  std::string(buffer.data(), static_cast<std::size_t>(size))};
}

}  // namespace sinew::lab
